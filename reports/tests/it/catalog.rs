//! Profiles of real applications (`cargo xtask catalog --update`): what is recommended for them changes only when
//! somebody says so.
//!
//! A snapshot is short, so that a change of it can be judged: the elements of the plan without their reasons.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use reports::model::Profile;
use reports::plan::{Plan, recommend};

/// Name and content of every committed profile, sorted.
pub(crate) fn profiles() -> Vec<(String, Profile)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let entries = fs::read_dir(&directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 12, "{} has {} profiles", directory.display(), paths.len());
    let read = |path: PathBuf| {
        let profile = Profile::from_json(&fs::read(&path).unwrap());
        let profile = profile.map_err(|error| format!("{}: {error}", path.display())).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), profile)
    };
    paths.into_iter().map(read).collect()
}

/// What a plan allows, and what it warns of.
fn brief(plan: &Plan) -> String {
    let mut text = format!("complete {}, read-only {}\n", plan.complete, plan.read_only);
    for mount in &plan.tmpfs {
        let flags = [("exec", mount.exec), ("suid", mount.suid), ("dev", mount.dev)];
        let flags: String = flags.iter().filter(|flag| flag.1).map(|flag| format!(" {}", flag.0)).collect();
        let (target, size) = (&mount.target, mount.size >> 20);
        writeln!(text, "tmpfs {target} {size} MiB {} {}:{}{flags}", mount.mode, mount.uid, mount.gid)
            .unwrap();
    }
    for volume in &plan.volumes {
        let seeded = if volume.seed_from_image { " starts as in the image" } else { "" };
        writeln!(text, "volume {}{seeded}", volume.target).unwrap();
    }
    for target in &plan.mounts_read_only {
        writeln!(text, "read-only mount {target}").unwrap();
    }
    for capability in &plan.cap_add {
        writeln!(text, "capability {} {:?}", capability.cap, capability.phase).unwrap();
    }
    writeln!(text, "no-new-privileges {}", plan.no_new_privileges).unwrap();
    for warning in &plan.warnings {
        let path = warning.path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
        writeln!(text, "warning {}{path}", warning.code).unwrap();
    }
    for alternative in &plan.alternatives {
        writeln!(text, "alternative {}", alternative.kind).unwrap();
    }
    text
}

#[test]
fn plans_of_the_catalogue() {
    for (name, profile) in profiles() {
        insta::assert_snapshot!(format!("catalog-{name}"), brief(&recommend(&profile)));
    }
}

#[test]
fn profiles_of_the_catalogue_saw_everything_and_their_loads_passed() {
    for (name, profile) in profiles() {
        assert!(profile.coverage.complete, "{name}: {:?}", profile.coverage.gaps);
        assert_eq!(profile.run.load.unwrap().exit_status, Some(0), "{name}");
    }
}
