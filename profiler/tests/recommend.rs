//! `recommend` with the user's word, its file, `--explain` and `--alternative`. Needs nothing.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

use std::{
    path::Path,
    process::{Command, Output},
};

/// A subject that starts as root, makes a cache and a log, and becomes user 33.
const PROFILE: &str = r#"{"schema":"writepath.profile/v1","tool":{"name":"writepath","version":"0"},
"host":{"kernel":"k","arch":"a"},
"subject":{"name":"app:1","config":{"image":"app:1"}},
"run":{"started":"","duration_ms":1,"users":[{"uid":33,"gid":34,"executable":"/app","count":1,"phases":["steady"]}]},
"coverage":{"complete":true},
"writes":[
{"path":"/var/cache/app/x","op":"create","errno":0,"count":1,"mount":"/","first_ms":0,"last_ms":0,"processes":["/app"]},
{"path":"/opt/app/log/a","op":"create","errno":0,"count":1,"mount":"/","first_ms":0,"last_ms":0,"processes":["/app"]}],
"capabilities":[{"cap":"SETUID","verdict":"required","count":1,"evidence":[{"process":"/app","syscall":"setuid",
"granted":true,"verdict":"required","reason":"r","count":1,"first_ms":0,"last_ms":0,"phases":["startup"]}]}]}"#;

/// Runs `recommend` on the profile in a directory.
fn recommend(folder: &Path, arguments: &[&str]) -> Output {
    std::fs::write(folder.join("p.json"), PROFILE).expect("a file can be written");
    Command::new(env!("CARGO_BIN_EXE_writepath"))
        .args(["recommend", "p.json"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("writepath can be started")
}

fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = recommend(folder, arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {message}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn refused(folder: &Path, arguments: &[&str], names: &[&str]) {
    let output = recommend(folder, arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
    for name in names {
        assert!(message.contains(name), "{arguments:?} does not name {name:?}: {message}");
    }
}

#[test]
fn the_users_word_is_taken_from_the_command_line_and_the_file() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let line = |arguments: &[&str]| printed(folder.path(), &[&["--format", "docker"], arguments].concat());
    assert!(line(&[]).contains("--tmpfs '/opt/app/log:"));
    assert!(line(&["--volume", "/opt/app/log"]).contains("source=app-opt-app-log,target=/opt/app/log"));
    assert!(line(&["--tmpfs", "/opt/app/log:size=5m,uid=7"]).contains("size=5242880,mode=0755,uid=7,"));
    assert!(!line(&["--ignore", "/opt/**"]).contains("/opt"));
    assert!(line(&["--max-tmpfs", "1m"]).contains("size=1048576"));

    std::fs::write(folder.path().join("writepath.toml"), "[recommend]\nvolume = ['/opt/app/log']\n")
        .expect("a file can be written");
    assert!(line(&[]).contains("target=/opt/app/log"));
    assert!(line(&["--tmpfs", "/opt/app/log"]).contains("--tmpfs '/opt/app/log:"));
    std::fs::write(folder.path().join("other.toml"), "[recommend]\nignore = ['/opt']\n")
        .expect("a file can be written");
    assert!(!line(&["--config", "other.toml"]).contains("/opt"));
}

#[test]
fn bad_words_are_named() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let folder = folder.path();
    refused(folder, &["--tmpfs", "run"], &["--tmpfs", "absolute"]);
    refused(folder, &["--tmpfs", "/run:size=lots"], &["--tmpfs", "lots"]);
    refused(folder, &["--volume", "/"], &["--volume", "`/`"]);
    refused(folder, &["--ignore", "["], &["--ignore"]);
    refused(folder, &["--max-tmpfs", "0"], &["--max-tmpfs"]);
    refused(folder, &["--volume", "/a", "--tmpfs", "/a"], &["/a", "twice"]);
    refused(folder, &["--config", "none.toml"], &["none.toml"]);
    std::fs::write(folder.join("writepath.toml"), "[recommend]\nvolumes = []\n")
        .expect("a file can be written");
    refused(folder, &[], &["writepath.toml", "line 2", "volumes", "hint:"]);
    std::fs::write(folder.join("writepath.toml"), "[recommend]\ntmpfs = ['/a', 'b']\n")
        .expect("a file can be written");
    refused(folder, &[], &["writepath.toml", "line 2, column 16", "recommend.tmpfs[1]"]);
}

#[test]
fn one_thing_is_explained() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let folder = folder.path();
    let explained = |what: &str| printed(folder, &["--explain", what]);
    assert!(explained("/var/cache/app").contains("create /var/cache/app/x"));
    assert!(explained("SETUID").contains("setuid by /app"));
    assert!(explained("/etc").contains("nothing was seen to be written there"));
    refused(folder, &["--explain", "nonsense"], &["--explain", "nonsense"]);
    refused(folder, &["--explain", "/a", "--format", "json"], &["--format"]);
}

#[test]
fn one_plan_in_every_format() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let folder = folder.path();
    for (format, sign) in [
        ("text", "Plan for app:1"),
        ("json", "\"schema\": \"writepath.plan/v1\""),
        ("compose", "services:\n  app:"),
        ("docker", "\ndocker run \\\n"),
        ("podman", "\npodman run \\\n"),
        ("quadlet", "\n[Container]\n"),
        ("kubernetes", "\nkind: Deployment\n"),
        ("systemd", "\n[Service]\n"),
    ] {
        let text = printed(folder, &["--format", format]);
        assert!(text.contains(sign) && text.contains("/opt/app/log"), "{format}: {text}");
    }
    assert!(printed(folder, &["--format", "kubernetes", "--service", "web"]).contains("name: web #"));
    refused(folder, &["--format", "kubernetes", "--service", "a_b"], &["a_b", "lower-case"]);
    refused(folder, &["--format", "yaml"], &["yaml", "quadlet", "kubernetes", "systemd"]);
}

#[test]
fn the_plan_under_an_alternative() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let folder = folder.path();
    let line = printed(folder, &["--format", "docker", "--alternative", "non-root"]);
    assert!(
        line.contains("--user 33:34") && line.contains("uid=33,gid=34") && !line.contains("--cap-add"),
        "{line}"
    );
    refused(folder, &["--alternative", "other"], &["--alternative", "non-root"]);
}
