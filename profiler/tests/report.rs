//! `report`: which profiles it takes, what it writes where, and what it refuses. Needs nothing.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const PROFILE: &str = r#"{"schema":"writepath.profile/v1","tool":{"name":"writepath","version":"0.0.1"},
"host":{"kernel":"k","arch":"a"},"subject":{"name":"app:1","config":{"image":"app:1"}},
"run":{"started":"","duration_ms":1},"coverage":{"complete":true},
"writes":[{"path":"/opt/x","op":"create","errno":0,"count":1,"mount":"/","first_ms":0,"last_ms":0,"processes":["/app"]}],
"capabilities":[]}"#;

fn report(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_writepath"))
        .arg("report")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("writepath can be started")
}

/// Checks the status and what is said; what was printed.
fn said(folder: &Path, arguments: &[&str], status: i32, names: &[&str]) -> String {
    let output = report(folder, arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
    for name in names {
        assert!(message.contains(name), "{arguments:?} does not say {name:?}: {message}");
    }
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    write(folder.path(), "p.json", PROFILE);
    folder
}

fn write(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join(name), content).expect("a file can be written");
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("a file can be read")
}

#[test]
fn the_page_is_a_file_or_standard_output() {
    let folder = folder();
    let folder = folder.path();
    assert_eq!(said(folder, &["p.json", "-o", "p.html"], 0, &["wrote p.html"]), "");
    let page = read(folder, "p.html");
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert_eq!(said(folder, &["p.json", "-o", "-"], 0, &[]), page);
}

#[test]
fn what_exists_is_written_over_by_force_only() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "old.html", "mine");
    said(folder, &["p.json", "-o", "old.html"], 2, &["--output old.html", "exists", "--force"]);
    assert_eq!(read(folder, "old.html"), "mine");
    said(folder, &["p.json", "-o", "old.html", "--force"], 0, &[]);
    assert!(read(folder, "old.html").starts_with("<!doctype html>"));

    said(folder, &["p.json", "-o", "p.json", "--force"], 2, &["p.json", "the profile itself"]);
    assert_eq!(read(folder, "p.json"), PROFILE);
}

#[test]
fn places_that_take_no_file_are_refused_before_anything_is_read() {
    let folder = folder();
    let folder = folder.path();
    // The profile is not there: what is wrong with the output is said all the same.
    said(folder, &["none.json", "-o", "."], 2, &["--output .", "directory"]);
    said(folder, &["none.json", "-o", "none/p.html"], 2, &["--output none/p.html"]);
    said(folder, &["none.json", "-o", "/dev/null", "--force"], 2, &["/dev/null", "regular file"]);
    said(folder, &["none.json", "-o", "p.html"], 2, &["none.json"]);
    said(folder, &["p.json"], 2, &["--output"]);
    said(folder, &["-o", "p.html"], 2, &["PROFILE"]);
    said(folder, &[".", "-o", "p.html"], 2, &["compose"]);
    assert!(!folder.join("p.html").exists());
}

#[test]
fn a_newer_profile_is_taken_and_an_incomplete_one_ends_with_4() {
    let folder = folder();
    let folder = folder.path();
    let newer = PROFILE
        .replace("\"0.0.1\"", "\"99.1.0\"")
        .replace("\"started\"", "\"weather\":{\"rain\":true},\"started\"");
    write(folder, "newer.json", &newer);
    let page = said(folder, &["newer.json", "-o", "-"], 0, &["newer.json", "99.1.0"]);
    assert!(page.contains("newer-tool") && page.contains("99.1.0"));

    write(folder, "lossy.json", &PROFILE.replace("\"complete\":true", "\"complete\":false"));
    let page = said(folder, &["p.json", "lossy.json", "-o", "-"], 4, &["lossy", "incomplete"]);
    assert!(page.contains("id=\"changes\""));
}

#[test]
fn the_users_word_and_a_projects_directory_count() {
    let folder = folder();
    let folder = folder.path();
    let page = said(folder, &["p.json", "-o", "-", "--volume", "/opt"], 0, &[]);
    assert!(page.contains("type=volume,source=app-opt,target=/opt"));

    let project = folder.join("project");
    fs::create_dir(&project).expect("a directory can be made");
    write(&project, "web.json", PROFILE);
    write(&project, "db.json", PROFILE);
    write(&project, "compose.hardened.yaml", "services: {}\n");
    write(
        &project,
        "compose.project.yaml",
        "schema: writepath.project/v1\nproject: shop\nfiles: [/compose.yaml]\nservices:\n  \
         web: { profile: web.json, replicas: 1 }\n  db: { profile: db.json, replicas: 1 }\n",
    );
    let page = said(folder, &["project", "-o", "-"], 0, &[]);
    assert!(page.contains(">web</a>") && page.contains(">db</a>"));
}
