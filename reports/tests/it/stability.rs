//! Every profile of schema v1 that was ever written can be read, and nothing in it is lost.
//!
//! `tests/profiles/v1-*.json` are as earlier versions wrote them, and are never changed: `v1-first` has no more than the
//! first version's model asked for, `v1-full` all that it knew. What later versions add comes as a file of its own.

use std::fs;
use std::path::{Path, PathBuf};

use reports::merge::{Mixing, merge};
use reports::model::Profile;
use reports::plan::recommend;
use serde_json::Value;

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// Every field of `old` stands in `new` with the same value.
fn is_kept(old: &Value, new: &Value) -> Result<(), String> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().try_for_each(|(name, value)| {
            let kept = match new.get(name) {
                Some(there) => is_kept(value, there),
                // Left out where it says nothing.
                None if matches!(value, Value::Null | Value::Bool(false)) => Ok(()),
                None => Err("it is gone".to_owned()),
            };
            kept.map_err(|error| format!("{name}: {error}"))
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).try_for_each(|(old, new)| is_kept(old, new))
        }
        (old, new) if old == new => Ok(()),
        (old, new) => Err(format!("{old} became {new}")),
    }
}

#[test]
fn every_committed_profile_reads_and_is_kept() {
    let (catalog, frozen) = (files("catalog"), files("tests/profiles"));
    let releases = files("releases/trixie");
    let counts = (catalog.len(), frozen.len(), releases.len());
    assert!(counts.0 >= 12 && counts.1 >= 2 && counts.2 >= 12, "{counts:?} profiles");
    for file in catalog.iter().chain(&frozen).chain(&releases) {
        let bytes = fs::read(file).unwrap();
        let profile =
            Profile::from_json(&bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let again: Value = serde_json::from_slice(&profile.to_json().unwrap()).unwrap();
        is_kept(&serde_json::from_slice(&bytes).unwrap(), &again)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // And is good for something.
        assert_eq!(recommend(&profile).validate(), Ok(()), "{}", file.display());
        let union = merge([profile.clone(), profile.clone()], Mixing::Refused).unwrap().unwrap();
        assert_eq!(recommend(&union).writable_targets(), recommend(&profile).writable_targets());
    }
}

#[test]
fn what_is_lost_would_be_seen() {
    let old = serde_json::json!({ "a": [{ "b": 1 }], "gone": null });
    assert_eq!(is_kept(&old, &serde_json::json!({ "a": [{ "b": 1, "new": 2 }] })), Ok(()));
    assert!(is_kept(&old, &serde_json::json!({ "a": [{}] })).is_err());
    assert!(is_kept(&old, &serde_json::json!({ "a": [{ "b": 2 }] })).is_err());
    assert!(is_kept(&old, &serde_json::json!({ "a": [] })).is_err());
}

#[test]
fn the_first_profiles_lead_to_the_same_plan_as_ever() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles/v1-first.json");
    let profile = Profile::from_json(&fs::read(file).unwrap()).unwrap();
    let plan = recommend(&profile);
    assert_eq!(plan.writable_targets().iter().map(|target| target.escaped()).collect::<Vec<_>>(), ["/run"]);
    assert_eq!(plan.cap_add.iter().map(|add| add.cap.as_str()).collect::<Vec<_>>(), ["CHOWN"]);
    assert!(plan.complete && plan.read_only && plan.no_new_privileges);
}
