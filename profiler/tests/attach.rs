//! Attaching to what runs already. Needs root, a Docker daemon and the images that
//! `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Profiles, SUBJECT, can_run, docker, docker_ok, eventually, read, text, unique_name, writepath};
use serde_json::Value;

/// A container of the test subject that is removed at the end.
struct Sleeper(String);

impl Sleeper {
    fn start() -> Self {
        let name = unique_name("attach");
        docker_ok(["run", "--detach", "--name", &name, "--env", "A=1", SUBJECT, "sleep"]);
        Self(name)
    }

    fn inspect(&self, format: &str) -> String {
        docker_ok(["container", "inspect", "--format", format, &self.0])
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = docker(["rm", "--force", &self.0]);
    }
}

fn codes(profile: &Value) -> Vec<&str> {
    let gaps = profile["coverage"]["gaps"].as_array().expect("a list");
    gaps.iter().filter_map(|gap| gap["code"].as_str()).collect()
}

#[test]
fn a_running_container_is_profiled_and_left_running() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let sleeper = Sleeper::start();
    let id = sleeper.inspect("{{.Id}}");
    // By name, by id, by a prefix of it.
    for reference in [sleeper.0.as_str(), &id, &id[..12]] {
        let path = profiles.path("p.json");
        let load = format!("docker exec {} /subject write /tmp/file", sleeper.0);
        let output = writepath(["attach", "-o", &path.to_string_lossy(), "--load", &load, reference]);
        assert_eq!(output.status.code(), Some(4), "start-up was not seen: {}", text(&output.stderr));
        let profile = read(&path);
        assert_eq!(codes(&profile), ["startup-not-seen", "shutdown-not-seen"]);
        let writes = profile["writes"].as_array().expect("a list");
        assert!(writes.iter().any(|write| write["path"] == "/tmp/file"), "{profile}");
        let config = &profile["subject"]["config"];
        assert_eq!((&config["image"], &config["args"]), (&SUBJECT.into(), &serde_json::json!(["sleep"])));
        assert_eq!(config["env"], serde_json::json!(["A=1"]), "what the image sets itself is not an option");
        assert_eq!(sleeper.inspect("{{.State.Running}}"), "true");
    }
}

#[test]
fn a_process_that_ran_already_is_followed() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let (path, go, done) = (profiles.path("p.json"), profiles.path("go"), profiles.path("done"));
    // A cgroup of the test's own, found where the hierarchy of version 2 is mounted.
    let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .find(|root| Path::new(root).join("cgroup.controllers").is_file())
        .expect("a hierarchy of version 2 is mounted");
    let cgroup = Path::new(root).join(unique_name("cgroup"));
    std::fs::create_dir(&cgroup).expect("the hierarchy is writable");
    // Waits for one file, then writes another, all in one process without an execution in between.
    let script = format!(
        "echo $$ > '{}/cgroup.procs'; until [ -e '{}' ]; do read -t 0.05 <> <(:); done; echo x > '{}'",
        cgroup.display(),
        go.display(),
        done.display()
    );
    let mut child = Command::new("bash").args(["-c", &script]).spawn().expect("bash is installed");
    assert!(eventually(|| !std::fs::read_to_string(cgroup.join("cgroup.procs"))
        .unwrap_or_default()
        .is_empty()));
    let load = format!("touch '{}'; until [ -e '{}' ]; do sleep 0.05; done", go.display(), done.display());
    let output = writepath([
        "attach".as_ref(),
        "-o".as_ref(),
        path.as_os_str(),
        "--load".as_ref(),
        load.as_ref(),
        "--cgroup".as_ref(),
        cgroup.as_os_str(),
    ]);
    child.wait().expect("it is ours");
    let removed = eventually(|| std::fs::remove_dir(&cgroup).is_ok());
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let profile = read(&path);
    let written = done.canonicalize().expect("it was written");
    let write = profile["writes"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|write| write["path"] == *written.to_string_lossy());
    let write = write.expect("the write of the process that ran already");
    assert!(write["processes"][0].as_str().is_some_and(|process| process.ends_with("bash")), "{write}");
    assert!(removed, "the cgroup is left to its owner");
}

#[test]
fn what_cannot_be_attached_to_is_named() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json").to_string_lossy().into_owned();
    for (arguments, name) in [
        (vec!["writepath-test-no-such-container"], "writepath-test-no-such-container"),
        (vec!["--cgroup", "/no/such/cgroup"], "/no/such/cgroup"),
        (vec![], "CONTAINER"),
    ] {
        let output = writepath(["attach", "-o", &path].into_iter().chain(arguments));
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(name), "{}", text(&output.stderr));
    }
}
