//! Compose projects: all services are followed at the same time, the override file for them is proven, what fails is named,
//! and nothing is left behind. Needs root, a Docker daemon, the Compose tool and the images that `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{
    CLIENTS, Profiles, can_run, docker_ok, eventually, free_port, gap_codes, has_write, read, signal,
    slowness, text, unique_name,
};
use rustix::process::Signal;

const SHOP: [&str; 6] = [
    CLIENTS,
    "writepath-test/nginx",
    "writepath-test/postgres",
    "writepath-test/redis",
    "writepath-test/webapp",
    "writepath-test/shipper",
];

/// Notes are added and counted through the proxy; `ab` succeeds whatever it was answered, so its report is looked at.
const SHOP_LOAD: &str = r#"set -eu
    url=http://127.0.0.1:$PORT/
    try() {
        ab -q -r -l -s $((10 * SLOWNESS)) "$@" $url > /tmp/report
        grep -q '^Failed requests: *0$' /tmp/report
        ! grep '^Non-2xx' /tmp/report
    }
    # Larger than the proxy's buffer.
    head -c 20000 /dev/zero | tr '\0' n > /tmp/note
    try -n $((24 / SLOWNESS)) -c 3 -T text/plain -p /tmp/note
    try -n $((48 / SLOWNESS)) -c 3"#;

/// Whether the host has what a test takes.
fn can_compose(images: &[&str]) -> bool {
    let has = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !has("docker", &["compose", "version"]) && !has("docker-compose", &["version"]) {
        assert!(
            std::env::var("WRITEPATH_TEST_REQUIRE").as_deref() != Ok("1"),
            "cannot run here: no Compose tool is installed"
        );
        println!("skipped: no Compose tool is installed");
        return false;
    }
    can_run(images)
}

/// A project in a directory of its own.
struct Project {
    directory: Profiles,
    name: String,
}

impl Project {
    fn new(what: &str, file: &str) -> Self {
        let project = Self { directory: Profiles::new(), name: unique_name(what) };
        std::fs::write(project.file(), file).expect("the directory is ours");
        project
    }

    fn file(&self) -> PathBuf {
        self.directory.path("compose.yaml")
    }

    fn output(&self) -> PathBuf {
        self.directory.path("out")
    }

    fn command(&self) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--foreground", "--signal=KILL", &(300 * slowness()).to_string()]);
        command.arg(env!("CARGO_BIN_EXE_writepath"));
        command
    }

    /// `writepath compose` of it.
    fn compose<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        let mut command = self.command();
        command.args(["compose", "-p", &self.name, "-o"]).arg(self.output()).arg("-f").arg(self.file());
        command.args(arguments).output().expect("writepath can be started")
    }

    /// The same, which is to end with this status: what it said.
    fn composed(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.compose(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    fn verified(&self, status: i32, arguments: &[&str]) -> String {
        let mut command = self.command();
        let output = command.arg("verify").arg(self.output()).args(arguments).output().expect("it starts");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        said
    }

    fn hardened(&self) -> String {
        std::fs::read_to_string(self.output().join("compose.hardened.yaml")).expect("it was written")
    }

    fn profile(&self, service: &str) -> serde_json::Value {
        read(&self.output().join(format!("{service}.json")))
    }

    fn has_profile(&self, service: &str) -> bool {
        self.output().join(format!("{service}.json")).exists()
    }

    /// Containers, networks and volumes with the project's name in theirs.
    fn left(&self) -> BTreeSet<String> {
        let filter = format!("name={}", self.name);
        [["ps", "--all"].as_slice(), &["network", "ls"], &["volume", "ls"]]
            .into_iter()
            .flat_map(|verb| {
                let listed = docker_ok(verb.iter().copied().chain(["--quiet", "--filter", &filter]));
                listed.lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect()
    }

    fn nothing_is_left(&self) {
        assert!(self.left().is_empty(), "{:?}", self.left());
    }
}

/// The lines of one service in an override file.
fn section<'a>(hardened: &'a str, service: &str) -> Vec<&'a str> {
    let head = format!("  {service}:");
    hardened
        .lines()
        .skip_while(|line| *line != head)
        .skip(1)
        .take_while(|line| line.starts_with("    "))
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .collect()
}

#[test]
fn a_project_with_its_side_car_is_hardened_and_its_override_verifies() {
    if !can_compose(&SHOP) {
        return;
    }
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/shop");
    let own = |name: &str| std::fs::read_to_string(files.join(name)).expect("it is in the repository");
    let port = free_port();
    let project = Project::new("shop", &own("compose.yaml").replace("${SHOP_PORT}", &port.to_string()));
    std::fs::write(project.directory.path("site.conf"), own("site.conf")).expect("the directory is ours");
    let load = {
        let (port, slowness) = (format!("PORT={port}"), slowness());
        let (limit, slowness) = ((90 * slowness).to_string(), format!("SLOWNESS={slowness}"));
        let words =
            ["docker", "run", "--rm", "--network", "host", "--env", &port, "--env", &slowness, CLIENTS];
        let script = ["timeout", &limit, "sh", "-c", SHOP_LOAD];
        shlex::try_join(words.into_iter().chain(script)).expect("no NUL in a constant")
    };
    let ready = format!("http:http://127.0.0.1:{port}/");
    let course = ["--ready", &ready, "--load", &load, "--stop-timeout", "20s"];
    project.composed(0, &course);
    project.nothing_is_left();

    // Each from its first instruction, each with what it alone did.
    for (service, op, path) in [
        ("web", "create", "/run/nginx.pid"),
        ("db", "create", "/var/lib/postgresql/data/PG_VERSION"),
        ("app", "rename", "/var/spool/app"),
        ("shipper", "rename", "/var/lib/shipper/position"),
    ] {
        let profile = project.profile(service);
        assert_eq!(profile["coverage"]["complete"], true, "{service}: {}", profile["coverage"]);
        let below = |write: &serde_json::Value| {
            write["op"] == op && write["path"].as_str().is_some_and(|found| found.starts_with(path))
        };
        let writes = profile["writes"].as_array().expect("a list");
        assert!(writes.iter().any(below), "{service}: no {op} of {path}");
        assert!(!has_write(&profile, "create", "/run/nginx.pid") || service == "web", "{service}");
        assert!(!profile.to_string().contains("writepath-test-shop-0"), "{service}");
    }
    let job = project.profile("migrate");
    assert_eq!((&job["run"]["exit"]["status"], &job["run"]["exit"]["stopped"]), (&0.into(), &false.into()));

    // Only what the file does not say already.
    let hardened = project.hardened();
    for service in ["web", "app", "migrate", "db", "cache", "shipper"] {
        assert!(section(&hardened, service).contains(&"read_only: true"), "{service}: {hardened}");
    }
    let cache = section(&hardened, "cache");
    assert!(!cache.iter().any(|line| line.contains("cap_drop") || line.contains("cap_add")), "{hardened}");
    assert!(hardened.contains("cache: not needed in training: cap_add DAC_OVERRIDE"), "{hardened}");
    let shipper = section(&hardened, "shipper");
    assert!(!shipper.iter().any(|line| line.contains("/tmp")), "its own tmpfs is repeated: {hardened}");
    assert!(shipper.contains(&"source: logs"), "what it only reads is read-only: {hardened}");
    assert!(!section(&hardened, "db").iter().any(|line| line.contains("/var/lib/postgresql/data")));

    let said = project.verified(0, &course);
    assert!(said.starts_with("holds:"), "{said}");
    project.nothing_is_left();

    // Without a part of it the service that needs it is named, and the others are reported.
    let broken: Vec<&str> = hardened.lines().filter(|line| !line.trim().starts_with("- /run:")).collect();
    let broken = broken.join("\n");
    std::fs::write(project.output().join("compose.hardened.yaml"), broken).expect("it is ours");
    let limits = ["--ready-timeout", "15s"];
    let said = project.verified(1, &[course.as_slice(), &limits].concat());
    assert!(said.starts_with("does not hold:"), "{said}");
    assert!(said.contains("web: does not hold") && said.contains("/run/nginx.pid"), "{said}");
    assert!(said.contains("db: holds"), "{said}");
    project.nothing_is_left();
}

#[test]
fn failing_and_finished_services_and_several_containers_of_one() {
    if !can_compose(&[CLIENTS]) {
        return;
    }
    let project = Project::new(
        "several",
        &r#"
services:
  many:
    image: IMAGE
    scale: 2
    init: true
    # Each writes a file of its own name, and only one of them another.
    command: sh -c 'mkdir -p /srv/$$HOSTNAME; touch /srv/both; touch "/srv/of-$$(hostname)"; exec sleep 1000'
  job:
    image: IMAGE
    command: touch /srv/done
  broken:
    image: IMAGE
    depends_on: { job: { condition: service_completed_successfully } }
    command: sh -c 'echo no configuration >&2; exit 3'
  waits:
    image: IMAGE
    depends_on: { broken: { condition: service_completed_successfully } }
    command: sleep 1000
  aside:
    image: IMAGE
    command: touch /srv/aside
"#
        .replace("IMAGE", CLIENTS),
    );
    let arguments = ["--service", "many", "--service", "job", "--service", "broken", "--service", "waits"];
    let said = project.composed(1, &[&arguments[..], &["--load", "sleep 1"]].concat());
    project.nothing_is_left();
    assert!(said.contains("service `broken`: the subject ended with status 3"), "{said}");
    assert!(said.contains("no configuration"), "{said}");
    assert!(said.contains("service `waits`: not started: it depends on `broken`"), "{said}");
    assert!(!said.contains("service `job`"), "a job that ends with 0 is fine: {said}");

    let many = project.profile("many");
    let names: BTreeSet<&str> = many["writes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|write| write["path"].as_str())
        .filter(|path| path.starts_with("/srv/of-"))
        .collect();
    assert_eq!(names.len(), 2, "{}", many["writes"]);
    assert!(has_write(&project.profile("job"), "create", "/srv/done"));
    assert!(project.has_profile("broken") && !project.has_profile("waits") && !project.has_profile("aside"));
}

#[test]
fn a_service_that_its_policy_restarts_under_the_override_is_named() {
    if !can_compose(&[CLIENTS]) {
        return;
    }
    let file = r#"
services:
  server:
    image: IMAGE
    init: true
    restart: always
    command: sh -c 'mkdir /srv/own && rmdir /srv/own || exit 1; exec sleep 1000'
  other:
    image: IMAGE
    init: true
    read_only: true
    command: sleep 1000
"#;
    let project = Project::new("restarted", &file.replace("IMAGE", CLIENTS));
    project.composed(0, &["--duration", "2s"]);
    let hardened = project.hardened();
    assert!(!section(&hardened, "other").contains(&"read_only: true"), "it has that already: {hardened}");
    assert!(project.verified(0, &["--duration", "2s"]).contains("server: holds"));
    let without = "services:\n  server:\n    read_only: true\n";
    std::fs::write(project.output().join("compose.hardened.yaml"), without).expect("it is ours");
    let said = project.verified(1, &["--duration", "2s"]);
    assert!(said.contains("server: does not hold") && said.contains("restarted by its policy"), "{said}");
    assert!(said.contains("mkdir /srv/own fails with EROFS") && said.contains("other: holds"), "{said}");
    project.nothing_is_left();
}

#[test]
fn a_project_that_is_up_is_left_alone_or_attached_to() {
    if !can_compose(&[CLIENTS]) {
        return;
    }
    let file = r#"
services:
  writer:
    image: IMAGE
    init: true
    command: sh -c 'while :; do touch /srv/tick; rm /srv/tick; sleep 0.2; done'
"#;
    let project = Project::new("up", &file.replace("IMAGE", CLIENTS));
    let said = project.composed(2, &["--attach"]);
    assert!(said.contains("is not up"), "{said}");
    let up = |verb: &[&str]| {
        let mut command = Command::new("docker-compose");
        command.arg("-f").arg(project.file()).args(["-p", &project.name]).args(verb);
        let output = command.output().expect("it is installed");
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    if Command::new("docker-compose").arg("version").output().is_err() {
        println!("skipped: docker-compose is not installed");
        return;
    }
    up(&["up", "--detach"]);
    let before = project.left();
    let refused = project.compose(["--load", "true"]);
    let attached = project.compose(["--attach", "--load", "sleep 2"]);
    let after = project.left();
    up(&["down", "--timeout", "1"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("is up already") && said.contains("--attach"), "{said}");
    assert_eq!(attached.status.code(), Some(4), "{}", text(&attached.stderr));
    let profile = project.profile("writer");
    assert_eq!(gap_codes(&profile), ["startup-not-seen", "shutdown-not-seen"]);
    assert!(has_write(&profile, "unlink", "/srv/tick"), "{}", profile["writes"]);
    assert_eq!(before, after, "it is left as it was");
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    if !can_compose(&[CLIENTS]) {
        return;
    }
    let file = r#"
services:
  one: { image: IMAGE, init: true, command: sleep 1000, volumes: ["data:/srv"] }
  two: { image: IMAGE, init: true, command: sleep 1000, depends_on: [one] }
volumes: { data: }
"#;
    let project = Project::new("interrupted", &file.replace("IMAGE", CLIENTS));
    let is_up =
        || docker_ok(["ps", "--quiet", "--filter", &format!("name={}", project.name)]).lines().count() == 2;
    for (times, is_written) in [(1, true), (2, false)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
        command.args(["compose", "--force", "-p", &project.name, "-o"]).arg(project.output());
        command.arg("-f").arg(project.file()).args(["--load", "sleep 1000"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = std::fs::remove_dir_all(project.output());
        let mut child = command.spawn().expect("it starts");
        assert!(eventually(is_up), "the project does not start");
        for _ in 0..times {
            signal(&child, Signal::INT);
        }
        assert!(eventually(|| matches!(child.try_wait(), Ok(Some(_)))), "it does not end");
        assert_eq!(child.wait().expect("it is ours").code(), Some(1));
        // Two that come at once may be taken for one.
        assert!(project.has_profile("one") || !is_written);
        project.nothing_is_left();
    }
}

#[test]
fn bad_input_is_named_before_anything_is_made() {
    if !can_compose(&[CLIENTS]) {
        return;
    }
    let good = format!("services: {{ a: {{ image: {CLIENTS}, command: 'true' }} }}");
    let good = good.as_str();
    for (file, arguments, words) in [
        ("services: [", &[][..], "the Compose project cannot be used"),
        ("services: { a: { imag: x } }", &[], "imag"),
        (
            "services: { a: { image: 'writepath-test/none:1' } }",
            &[],
            "service `a`: the image `writepath-test/none:1`",
        ),
        ("services: { a: { build: . } }", &[], "service `a`: its image"),
        (good, &["b"], "no service `b`"),
        (good, &["--service", "b"], "no service `b`"),
        (good, &["-f", "/nonexistent.yaml"], "/nonexistent.yaml: there is no such file"),
        (good, &["--attach"], "is not up"),
    ] {
        let project = Project::new("bad", file);
        let said = project.composed(2, arguments);
        assert!(said.contains(words), "{words:?} is not in: {said}");
        project.nothing_is_left();
        assert!(!project.output().exists(), "{file}");
    }
    let project = Project::new("there", good);
    project.composed(0, &[]);
    let said = project.composed(2, &[]);
    assert!(said.contains("a.json exists") && said.contains("--force"), "{said}");
    project.composed(0, &["--force"]);
    for (arguments, words) in
        [(&["--fix"][..], "--fix is for a single profile"), (&["--format", "junit"], "--format junit")]
    {
        let said = project.verified(2, arguments);
        assert!(said.contains(words), "{said}");
    }
    assert!(project.verified(0, &[]).starts_with("holds:"));
    std::fs::remove_file(project.output().join("compose.project.yaml")).expect("it was written");
    assert!(project.verified(2, &[]).contains("compose.project.yaml"));
    let file = project.directory.path("file");
    std::fs::write(&file, "").expect("it is ours");
    let mut command = project.command();
    command.args(["compose", "-o"]).arg(&file).arg("-f").arg(project.file());
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("it is no directory"));
}
