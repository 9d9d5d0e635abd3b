//! Profiles that are none: an error that names the place, never a panic.

use proptest::prelude::*;
use reports::json::{MAX_MEMBERS, MAX_TEXT_BYTES};
use reports::model::{MAX_ENTRIES, MAX_PROFILE_BYTES, Op, Profile};

use crate::build::Build;
use crate::subjects;

fn error(bytes: &[u8]) -> String {
    Profile::from_json(bytes).unwrap_err().to_string()
}

#[test]
fn what_is_written_can_be_read() {
    for build in [subjects::nginx(), subjects::postgres(), subjects::redis(), subjects::hostile()] {
        let bytes = build.profile.to_json().unwrap();
        assert_eq!(Profile::from_json(&bytes).unwrap(), build.profile);
    }
}

#[test]
fn errors_name_the_place() {
    let good = String::from_utf8(subjects::nginx().profile.to_json().unwrap()).unwrap();
    let deep = format!("{{\"schema\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let other_field = good.replacen("\"duration_ms\": 12300", "\"duration_ms\": \"long\"", 1);
    let other_op = good.replacen("\"mkdir\"", "\"mkdirs\"", 1);
    let relative = good.replacen("\"path\": \"/run/nginx.pid\"", "\"path\": \"run/nginx.pid\"", 1);
    let missing = good.replacen("\"writes\"", "\"written\"", 1);
    for (input, wants) in [
        ("", &["line 1, column 0"][..]),
        ("[]", &["line 1"]),
        ("null", &["line 1"]),
        ("\u{0}", &["line 1"]),
        ("{}", &["field `schema` is missing"]),
        ("{\"schema\": 7}", &["field `schema` is `7`"]),
        ("{\"schema\": \"writepath.profile/v2\"}", &["`writepath.profile/v2`", "`writepath.profile/v1`"]),
        ("{\"schema\": \"\\u001b[2J\"}", &["field `schema` is `\\u{1b}[2J`"]),
        ("{\"schema\": \"writepath.profile/v1\"}", &["missing field `tool`", "line 1"]),
        (&deep, &["recursion limit exceeded", "line 1"]),
        (&good[..good.len() / 2], &["EOF", "line", "field `writes["]),
        (&other_field, &["line", "column", "field `run.duration_ms`", "expected u64"]),
        (&other_op, &["line", "field `writes[", "].op`", "unknown variant `mkdirs`"]),
        (&relative, &["line", "].path`", "a path must be absolute"]),
        (&missing, &["missing field `writes`"]),
    ] {
        let error = error(input.as_bytes());
        for want in wants {
            assert!(error.contains(want), "{want}: {error}");
        }
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
    assert!(error(&[0xff, 0xfe]).contains("line 1"));
    assert!(error(&vec![b' '; MAX_PROFILE_BYTES + 1]).contains("512 MiB"));
}

/// What is within bounds is read, and one more is refused with the place.
#[test]
fn bounds_are_told_with_the_field() {
    let good = serde_json::to_value(Build::new("app").write(Op::Create, "/run/x").profile).unwrap();
    let with = |pointer: &str, value: serde_json::Value| {
        let mut profile = good.clone();
        let (above, name) = pointer.rsplit_once('/').unwrap();
        profile.pointer_mut(above).unwrap()[name] = value;
        Profile::from_json(&serde_json::to_vec(&profile).unwrap()).map_err(|error| error.to_string())
    };
    let gap = serde_json::json!({ "code": "c", "message": "m", "count": 1 });
    let env = |length| serde_json::json!(vec![""; length]);
    assert!(with("/coverage/gaps", vec![gap.clone(); MAX_ENTRIES].into()).is_ok());
    assert!(with("/writes", vec![good["writes"][0].clone(); MAX_ENTRIES + 1].into()).is_ok());
    assert!(with("/subject/config/env", env(MAX_ENTRIES)).is_ok());
    let members: serde_json::Map<_, _> = (0..=MAX_MEMBERS).map(|n| (n.to_string(), 0.into())).collect();
    let deep = (0..200).fold(serde_json::json!(1), |value, _| serde_json::json!([value]));
    for (result, wants) in [
        (
            with("/coverage/gaps", vec![gap; MAX_ENTRIES + 1].into()),
            &["line 1, column ", "field `coverage.gaps`", "more than 65536 elements"][..],
        ),
        (with("/subject/config/env", env(MAX_ENTRIES + 1)), &["field `subject.config.env`"]),
        (with("/host/unknown", "x".repeat(MAX_TEXT_BYTES + 1).into()), &["`host.unknown`", "16 MiB"]),
        (with("/host/unknown", members.into()), &["`host.unknown`", "1024 members"]),
        (with("/host/unknown", deep), &["`host.unknown[0][0]", "recursion limit"]),
    ] {
        let error = result.unwrap_err();
        for want in wants {
            assert!(error.contains(want), "{want}: {error}");
        }
    }
}

/// A field that is named twice means two things to two readers.
#[test]
fn a_member_that_is_there_twice_is_refused() {
    let good = String::from_utf8(subjects::nginx().profile.to_json().unwrap()).unwrap();
    for (place, twice, field) in [
        ("\"schema\"", "\"schema\": \"writepath.profile/v2\", \"schema\"", "schema"),
        ("\"kernel\"", "\"kernel\": \"\", \"kernel\"", "host.kernel"),
        ("\"init\"", "\"x\": 1, \"\\u0078\": 2, \"init\"", "subject.config.x"),
    ] {
        let error = error(good.replacen(place, twice, 1).as_bytes());
        assert!(error.contains(&format!("field `{field}`: it is there twice")), "{error}");
    }
}

#[test]
fn every_beginning_of_a_profile_is_refused() {
    let whole = Build::new("app").write(Op::Create, "/run/\u{e9}").required("CHOWN", "chown", "chown_ok");
    let whole = whole.profile.to_json().unwrap();
    let end = whole.len() - 1;
    assert!(Profile::from_json(&whole[..end]).is_ok(), "all but the newline");
    for length in 0..end {
        assert!(error(&whole[..length]).starts_with("line "), "{length}");
    }
}

proptest! {
    #[test]
    fn a_broken_profile_is_an_error_or_a_profile_never_a_panic(at in 0usize..20_000, byte in any::<u8>()) {
        let mut bytes = subjects::postgres().profile.to_json().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(profile) = Profile::from_json(&bytes) {
            let plan = reports::plan::recommend(&profile);
            for info in reports::format::FORMATS {
                let _ = reports::format::render(info.format, &profile, &plan, &reports::format::Options::default());
            }
        }
        prop_assert!(Profile::from_json(&bytes[..at]).is_err());
    }
}
