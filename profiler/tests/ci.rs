//! The gate of `docs/ci.md`, run as it stands there (`docs/ci/gate.sh`), with two releases of a sample application. Needs
//! root, a Docker daemon and the images that `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use common::{SUBJECT, bounded, can_run, docker, read, slowness, text, unique_name};

/// The script as the page links it.
const GATE: &str = include_str!("../../docs/ci/gate.sh");

/// An image that is removed at the end.
struct Release(String);

impl Release {
    /// A release that makes these system calls, with directories for them.
    fn build(name: &str, version: &str, steps: &[&str]) -> Self {
        let image = format!("{name}:{version}");
        let command: Vec<&str> = ["script"].iter().chain(steps).chain(&["wait"]).copied().collect();
        let definition = format!(
            "FROM {SUBJECT}\nWORKDIR /srv/inbox\nWORKDIR /srv/outbox\nWORKDIR /var/log/app\nWORKDIR /\nCMD {}\n",
            serde_json::to_string(&command).expect("words")
        );
        let mut build = bounded("docker", Duration::from_secs(120) * slowness());
        build.args(["build", "--quiet", "--tag", &image, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = build.stderr(Stdio::piped()).spawn().expect("docker is installed");
        child.stdin.take().expect("it is piped").write_all(definition.as_bytes()).expect("docker reads");
        let output = child.wait_with_output().expect("docker ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
        Self(image)
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        let _ = docker(["image", "rm", "--force", &self.0]);
    }
}

/// A repository with the gate in it.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().expect("a temporary directory"));
        std::fs::write(repository.path("gate.sh"), GATE).expect("the directory is ours");
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn gate(&self, arguments: &[&str]) -> Output {
        bounded("sh", Duration::from_secs(300) * slowness())
            .arg("gate.sh")
            .args(arguments)
            .current_dir(self.0.path())
            .env("WRITEPATH", env!("CARGO_BIN_EXE_writepath"))
            .env("READY", "log:waiting")
            .env("LOAD", "true")
            .output()
            .expect("a shell")
    }

    fn passes(&self, arguments: &[&str], status: i32) -> String {
        let output = self.gate(arguments);
        let all = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {all}");
        all
    }
}

/// What is new in the last comparison, and not accepted.
fn findings(repository: &Repository) -> BTreeSet<String> {
    let diff = read(&repository.path("writepath-out/diff.json"));
    let differences = diff["comparisons"][0]["differences"].as_array().expect("a list");
    let open = differences.iter().filter(|one| one["finding"] == true && one["accepted"].is_null());
    let words = |one: &serde_json::Value| {
        let named =
            ["kind", "op", "from", "path", "cap"].map(|key| one[key].as_str().unwrap_or_default().to_owned());
        named.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    open.map(words).collect()
}

#[test]
fn a_release_that_does_something_new_is_stopped_until_that_is_accepted() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let name = unique_name("release");
    let old_steps = ["create", "/srv/inbox/job", "create", "/srv/outbox/done"];
    let new_steps = [
        "rename",
        "/srv/inbox/job",
        "/srv/outbox/job",
        "create",
        "/var/log/app/audit.log",
        "chown",
        "/var/log/app/audit.log",
    ];
    let old = Release::build(&name, "1.0", &old_steps);
    let new = Release::build(&name, "1.1", &[&old_steps[..], &new_steps].concat());
    let repository = Repository::new();

    let said = repository.passes(&["check", &old.0], 0);
    assert!(said.contains("commit it") && repository.path(".writepath/baseline.json").exists(), "{said}");
    let said = repository.passes(&["check", &old.0], 0);
    assert!(said.contains("Nothing new"), "{said}");

    let said = repository.passes(&["check", &new.0], 1);
    let expected = [
        "write rename /srv/inbox/job /srv/outbox/job",
        "write create /var/log/app/audit.log",
        "write chown /var/log/app/audit.log",
        "mount /srv",
        "mount /var/log/app",
        "cap CHOWN",
    ];
    assert_eq!(findings(&repository), expected.map(str::to_owned).into(), "{said}");
    for words in [
        "The plan for OLD would break",
        "one mount for /srv/inbox and /srv/outbox",
        "capability CHOWN",
        "by /subject",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let markdown = std::fs::read_to_string(repository.path("writepath-out/diff.md")).expect("it was written");
    assert!(markdown.contains("`/var/log/app/audit.log`") && markdown.contains("`CHOWN`"), "{markdown}");
    let sarif = read(&repository.path("writepath-out/diff.sarif"));
    assert_eq!(sarif["runs"][0]["results"].as_array().expect("a list").len(), expected.len());

    repository.passes(&["accept"], 0);
    let accepted =
        std::fs::read_to_string(repository.path(".writepath/accepted.toml")).expect("it was written");
    assert!(accepted.contains("cap = \"CHOWN\""), "{accepted}");
    let said = repository.passes(&["check", &new.0], 0);
    assert!(said.contains("Accepted by the baseline") && findings(&repository).is_empty(), "{said}");
    // What else is new is still found: the old release's plan, and nothing of the new one, is accepted.
    repository.passes(&["renew"], 0);
    let said = repository.passes(&["check", &new.0], 0);
    assert!(said.contains("Nothing new") && !repository.path(".writepath/accepted.toml").exists(), "{said}");
    repository.passes(&[], 2);
    let said = repository.passes(&["check", &format!("{name}:none")], 2);
    assert!(said.contains("profiling failed"), "{said}");
}
