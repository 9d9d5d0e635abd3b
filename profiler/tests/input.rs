//! Bad input ends in a message that names the place and the right exit status, never in a panic. Needs nothing.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

use std::process::{Command, Output};

fn writepath(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_writepath"))
        .args(arguments)
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .output()
        .expect("writepath can be started")
}

/// Checks status and message, and that nothing went to standard output.
fn refused(arguments: &[&str], status: i32, names: &[&str]) {
    let output = writepath(arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
    assert!(!message.contains("panicked"), "{arguments:?}: {message}");
    for name in names {
        assert!(message.contains(name), "{arguments:?} does not name {name:?}: {message}");
    }
}

const PROFILE: &str = r#"{"schema":"writepath.profile/v1","tool":{"name":"writepath","version":"0"},
"host":{"kernel":"k","arch":"a"},"subject":{"name":"s"},"run":{"started":"","duration_ms":1},
"coverage":{"complete":true},"writes":[],"capabilities":[]}"#;

#[test]
fn usage_errors_name_the_flag() {
    refused(&["run", "--nope", "image"], 2, &["--nope"]);
    refused(&["run"], 2, &["IMAGE"]);
    refused(&["frobnicate"], 2, &["frobnicate"]);
    refused(&["run", "--ready", "maybe", "image"], 2, &["--ready", "tcp:PORT"]);
    refused(&["run", "--ready", "log:(", "image"], 2, &["--ready"]);
    refused(&["run", "--duration", "soon", "image"], 2, &["--duration"]);
    refused(&["run", "--ring-size", "1000", "image"], 2, &["--ring-size", "power of two"]);
    refused(&["run", "-o", "/nonexistent/profile.json", "image"], 2, &["/nonexistent/profile.json"]);
    refused(&["run", "--env-file", "/nonexistent/env", "image"], 2, &["/nonexistent/env"]);
    refused(&["run", "--sysctl", "x", "image"], 2, &["--sysctl"]);
}

#[test]
fn a_daemon_that_is_not_there_is_the_hosts_fault() {
    // Without root that is what is said first, with the same status.
    let folder = tempfile::tempdir().expect("a temporary directory");
    let profile = folder.path().join("p.json");
    refused(&["run", "-o", &profile.to_string_lossy(), "image"], 3, &["hint:"]);
    assert!(!profile.exists());
}

#[test]
fn unreadable_profiles_are_named_with_the_place() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file can be written");
        path.to_string_lossy().into_owned()
    };
    let good = file("good.json", PROFILE.as_bytes());
    assert_eq!(writepath(&["recommend", &good]).status.code(), Some(0));

    let missing = folder.path().join("none.json").to_string_lossy().into_owned();
    let other = file("other.json", PROFILE.replace("profile/v1", "profile/v9").as_bytes());
    let deep = format!(r#"{{"schema":"writepath.profile/v1","x":{}"#, "[".repeat(100_000));
    let deep = file("deep.json", deep.as_bytes());
    let wrong =
        file("wrong.json", PROFILE.replace(r#""duration_ms":1"#, r#""duration_ms":"x\u001b[2J""#).as_bytes());
    let relative = PROFILE.replace(
        r#""writes":[]"#,
        r#""writes":[{"path":"etc","op":"open","errno":0,"count":1,"mount":"/","first_ms":0,"last_ms":0,"processes":[]}]"#,
    );
    let relative = file("relative.json", relative.as_bytes());
    for (path, place) in [
        (&missing, "No such file"),
        (&file("empty.json", b""), "line 1"),
        (&file("binary.json", &[0xff, 0xfe, 0]), "line 1"),
        (&file("array.json", b"[]"), "line 1"),
        (&other, "writepath.profile/v9"),
        (&file("schemaless.json", b"{}"), "`schema`"),
        (&deep, "recursion"),
        (&wrong, "line 2"),
        (&relative, "absolute"),
    ] {
        refused(&["recommend", path], 2, &[path, place]);
        refused(&["diff", &good, path], 2, &[path, place]);
    }
    let message = String::from_utf8_lossy(&writepath(&["recommend", &wrong]).stderr).into_owned();
    assert!(!message.contains('\u{1b}'), "an escape sequence got through: {message:?}");
    refused(&["diff", &good, &good, "--fail-on", "everything"], 2, &["--fail-on", "everything"]);
}

#[test]
fn every_truncation_of_a_profile_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("cut.json");
    for length in (0..PROFILE.len()).step_by(29) {
        std::fs::write(&path, &PROFILE[..length]).expect("a file can be written");
        refused(&["recommend", &path.to_string_lossy()], 2, &["line "]);
    }
}

#[test]
fn an_incomplete_profile_says_so_by_its_status() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("incomplete.json");
    let gap = r#""complete":false,"gaps":[{"code":"records-lost","message":"lost","count":3}]"#;
    std::fs::write(&path, PROFILE.replace(r#""complete":true"#, gap)).expect("a file can be written");
    for format in ["text", "json"] {
        let output = writepath(&["recommend", "--format", format, &path.to_string_lossy()]);
        assert_eq!(output.status.code(), Some(4));
        let plan = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(plan.contains("records-lost"), "{plan}");
        assert!(!plan.to_lowercase().contains("minimal plan"), "{plan}");
    }
}

#[test]
fn the_json_plan_is_what_the_contract_says() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("p.json");
    std::fs::write(&path, PROFILE).expect("a file can be written");
    let output = writepath(&["recommend", "--format", "json", &path.to_string_lossy()]);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(plan["schema"], "writepath.plan/v1");
    assert_eq!(plan["cap_drop"], serde_json::json!(["ALL"]));
    for field in ["tmpfs", "volumes", "mounts_read_only", "cap_add", "warnings", "alternatives"] {
        assert!(plan[field].is_array(), "{field}: {plan}");
    }
    assert_eq!(
        (&plan["read_only"], &plan["no_new_privileges"], &plan["complete"]),
        (&true.into(), &true.into(), &true.into())
    );
    assert!(plan["user"].is_null());
}

#[test]
fn help_is_worth_reading() {
    for command in ["run", "exec", "recommend", "diff"] {
        let output = writepath(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.lines().count() > 10 && text.contains("Usage:"), "{text}");
    }
}
