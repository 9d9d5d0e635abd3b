//! Profiles that are none: an error that names the place, never a panic.

use proptest::prelude::*;
use reports::model::{MAX_PROFILE_BYTES, Profile};

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
        (&good[..good.len() / 2], &["EOF", "line"]),
        (&other_field, &["line", "column", "expected u64"]),
        (&other_op, &["line", "unknown variant `mkdirs`"]),
        (&relative, &["line", "a path must be absolute"]),
        (&missing, &["missing field `writes`"]),
    ] {
        let error = error(input.as_bytes());
        for want in wants {
            assert!(error.contains(want), "{want}: {error}");
        }
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
    assert!(error(&[0xff, 0xfe]).contains("line 1"));
    assert!(error(&vec![b' '; MAX_PROFILE_BYTES + 1]).contains("256 MiB"));
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
