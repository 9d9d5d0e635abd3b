//! What was not seen is said: each kind of loss makes the profile incomplete and the status 4. Needs root, a Docker
//! daemon and the images that `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{
    Profiles, SUBJECT, can_run, docker, docker_ok, eventually, read, signal, text, unique_name, writepath,
};
use rustix::process::Signal;

fn run(profile: &Path, options: &[&str], subject: &[String]) -> (Option<i32>, String) {
    let profile = profile.to_string_lossy();
    let mut arguments = vec!["run", "--quiet", "-o", &profile];
    arguments.extend(options);
    arguments.push(SUBJECT);
    arguments.extend(subject.iter().map(String::as_str));
    let output = writepath(arguments);
    (output.status.code(), text(&output.stderr))
}

/// The profile and every plan made from it name this gap.
fn names_gap(profile: &Path, code: &str) {
    let content = read(profile);
    assert_eq!(content["coverage"]["complete"], false, "{content}");
    let gaps = content["coverage"]["gaps"].as_array().expect("a list");
    assert!(gaps.iter().any(|gap| gap["code"] == code && gap["count"].as_u64() > Some(0)), "{gaps:?}");
    for format in ["text", "json", "compose"] {
        let output = writepath(["recommend", "--format", format, &profile.to_string_lossy()]);
        assert_eq!(output.status.code(), Some(4), "{format}");
        assert!(text(&output.stdout).contains(code), "{format}: {}", text(&output.stdout));
    }
}

/// Directories with many names in each, as `mkdir` wants them.
fn many_names() -> Vec<String> {
    let mut paths = vec!["mkdir".to_owned()];
    for directory in 0..40 {
        paths.push(format!("/tmp/{directory}"));
        paths.extend((0..60).map(|name| format!("/tmp/{directory}/{name}")));
    }
    paths
}

fn plant(counts: &[u32]) -> Vec<String> {
    let words = ["plant", "/tmp"].map(str::to_owned);
    words.into_iter().chain(counts.iter().map(u32::to_string)).collect()
}

#[test]
fn a_full_table_is_a_gap() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    // Too many directories that each stand for another tree.
    let subject = plant(&[20, 20, 2]);
    let (status, message) = run(&path, &["--table-size", "1024"], &subject);
    assert_eq!(status, Some(4), "{message}");
    names_gap(&path, "write-table-full");
    // With room there is no gap.
    let (status, message) = run(&path, &[], &subject);
    assert_eq!(status, Some(0), "{message}");
    assert_eq!(read(&path)["writes"].as_array().map(Vec::len), Some(20 + 400 + 800 + 800));
}

#[test]
fn many_directories_are_counted_without_a_loss() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let (status, message) = run(&path, &["--table-size", "1024"], &plant(&[4, 300]));
    assert_eq!(status, Some(0), "{message}");
    let profile = read(&path);
    let writes = profile["writes"].as_array().expect("a list");
    for (op, expected) in [("mkdir", 4 + 1200), ("create", 1200)] {
        let of_op = || writes.iter().filter(|write| write["op"] == op);
        assert_eq!(of_op().filter_map(|write| write["count"].as_u64()).sum::<u64>(), expected, "{op}");
        assert!(of_op().count() < 400, "{op}: {}", of_op().count());
        assert!(of_op().any(|write| write["path"] == "/tmp/0" && write["collapsed"] == true), "{op}");
        assert!(of_op().all(|write| write["path"].as_str().is_some_and(|path| path.starts_with("/tmp"))));
    }
    let plan = writepath(["recommend", "--format", "json", &path.to_string_lossy()]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).expect("a plan");
    assert_eq!(plan["tmpfs"][0]["target"], "/tmp", "{plan}");
}

#[test]
fn paths_that_are_too_deep_are_a_gap() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let deep = |levels: usize| {
        let mut words = vec!["script".to_owned(), "chdir".to_owned(), "/tmp".to_owned()];
        for _ in 0..levels {
            words.extend(["mkdirat", "d", "chdir", "d"].map(str::to_owned));
        }
        words.extend(["create", "f"].map(str::to_owned));
        words
    };
    let (status, message) = run(&path, &[], &deep(100));
    assert_eq!(status, Some(0), "{message}");
    let file = format!("/tmp{}/f", "/d".repeat(100));
    assert!(read(&path)["writes"].as_array().expect("a list").iter().any(|write| write["path"] == *file));
    let (status, message) = run(&path, &[], &deep(200));
    assert_eq!(status, Some(4), "{message}");
    names_gap(&path, "paths-cut");
}

#[test]
fn names_at_the_limits_are_recorded_whole() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    // Components of 255 bytes; the longest argument that the kernel takes is 4,095 bytes.
    let name = "n".repeat(255);
    let mut words = vec!["script".to_owned()];
    // fuse-overlayfs allows less: it puts the layer's path before each.
    let mut directory = "/dev/shm".to_owned();
    while directory.len() + 256 < 4095 {
        directory = format!("{directory}/{name}");
        words.extend(["mkdirat".to_owned(), directory.clone()]);
    }
    let file = format!("{directory}/{}", "f".repeat(4095 - directory.len() - 1));
    words.extend(["create".to_owned(), file.clone(), "unlink".to_owned(), file.clone()]);
    let (status, message) = run(&path, &[], &words);
    let profile = read(&path);
    assert_eq!(status, Some(0), "{message}");
    let has = |op: &str, path: &str| {
        profile["writes"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|write| write["op"] == op && write["path"] == *path)
    };
    assert!(has("mkdir", &directory), "the deepest directory is there");
    assert!(has("create", &file) && has("unlink", &file), "the longest name is there");
}

#[test]
fn records_that_are_lost_are_a_gap() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let name = unique_name("lost");
    let child = Command::new(env!("CARGO_BIN_EXE_writepath"))
        .args(["run", "--quiet", "--ring-size", "64", "--name", &name, "-o"])
        .arg(&path)
        .args([SUBJECT, "sleep"])
        .stdin(Stdio::null())
        .spawn()
        .expect("writepath can be started");
    assert!(eventually(|| {
        docker(["container", "inspect", "--format", "{{.State.Running}}", &name])
            .is_ok_and(|output| text(&output.stdout).trim() == "true")
    }));
    // While it stands still nobody empties the ring buffer.
    signal(&child, Signal::STOP);
    let mut command = vec!["exec".to_owned(), name, "/subject".to_owned()];
    command.extend(many_names());
    docker_ok(command);
    signal(&child, Signal::CONT);
    signal(&child, Signal::INT);
    let status = child.wait_with_output().expect("it is ours").status;
    assert_eq!(status.code(), Some(4));
    names_gap(&path, "records-lost");
}
