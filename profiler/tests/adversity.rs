//! What others do to a subject while it is watched: it is restarted, paused, killed, removed, its daemon or its cgroup
//! vanishes. Each ends with the right words and status, with a profile that says what it lacks, and leaves nothing
//! behind. Needs root, a Docker daemon and the images that `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{
    Arc, Condvar, Mutex,
    atomic::{AtomicBool, Ordering},
};
use std::thread;

use common::background::Background;
use common::{
    CLIENTS, Container, Profiles, SUBJECT, can_run, cgroup_root, docker_ok, eventually, gap_codes, has_write,
    inspect, strings, text, unique_name, writepath,
};
use rustix::process::Signal;

const SLEEP: [&str; 2] = [SUBJECT, "sleep"];

/// A container that is not of `writepath run`.
fn sleeper(options: &[&str]) -> Container {
    let line: Vec<String> =
        ["docker", "run"].iter().chain(options).chain(&SLEEP).map(|word| (*word).to_owned()).collect();
    Container::start(&line, "127.0.0.1::9").expect("it starts")
}

#[test]
fn a_restart_is_no_end() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    // A link on the way is resolved in the root of the second start, which is another mount.
    let script = ["script", "?symlink", "/data", "/srv/link"];
    let run = Background::run(&[], &[SUBJECT, "serve", "8080"]);
    run.subject_writes("/tmp/first");
    docker_ok(["restart", &run.name]);
    run.subject_writes("/tmp/second");
    docker_ok(["exec", &run.name, "/subject"].into_iter().chain(script));
    run.subject_writes("/srv/link/third");
    run.signal(Signal::INT);
    let profile = run.finish_and_removed().expect(0, &["restarted during the run"]);
    assert_eq!(profile["coverage"]["complete"], true, "{profile}");
    assert_eq!(profile["run"]["exit"]["stopped"], true);
    for path in ["/tmp/first", "/tmp/second", "/data/third"] {
        assert!(has_write(&profile, "create", path), "{path}: {profile}");
    }
    // The program was started twice, and by `docker exec`.
    assert!(profile["run"]["executions"][0]["count"].as_u64() >= Some(6), "{profile}");
}

#[test]
fn a_restart_is_followed_when_attached() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let container = sleeper(&[]);
    let run = Background::attach(&[], &container.name);
    run.subject_writes("/tmp/first");
    docker_ok(["restart", &run.name]);
    run.subject_writes("/tmp/second");
    run.signal(Signal::INT);
    let profile = run.finish().expect(4, &["restarted during the run"]);
    assert_eq!(gap_codes(&profile), ["startup-not-seen", "shutdown-not-seen"]);
    for path in ["/tmp/first", "/tmp/second"] {
        assert!(has_write(&profile, "create", path), "{path}: {profile}");
    }
    assert!(container.runs());
}

#[test]
fn a_container_with_a_restart_policy_is_followed_through_its_crashes() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let container = sleeper(&["--restart", "always"]);
    let run = Background::attach(&[], &container.name);
    let started = inspect(&run.name, "{{.State.StartedAt}}");
    // Not by the daemon, which would not restart it then.
    let pid = inspect(&run.name, "{{.State.Pid}}").parse().expect("a process id");
    let pid = rustix::process::Pid::from_raw(pid).expect("it runs");
    rustix::process::kill_process(pid, Signal::KILL).expect("it runs");
    assert!(eventually(|| {
        inspect(&run.name, "{{.State.Status}}") == "running"
            && inspect(&run.name, "{{.State.StartedAt}}") != started
    }));
    run.subject_writes("/tmp/second");
    run.signal(Signal::INT);
    let profile = run.finish().expect(4, &["restarted during the run"]);
    assert!(has_write(&profile, "create", "/tmp/second"), "{profile}");
}

#[test]
fn a_pause_is_no_end() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let run = Background::run(&[], &SLEEP);
    run.subject_writes("/tmp/before");
    docker_ok(["pause", &run.name]);
    docker_ok(["unpause", &run.name]);
    run.subject_writes("/tmp/after");
    // Paused at the end as well: it is stopped all the same.
    docker_ok(["pause", &run.name]);
    run.signal(Signal::INT);
    let profile = run.finish_and_removed().expect(0, &[]);
    assert_eq!(profile["coverage"]["complete"], true, "{profile}");
    assert_eq!(profile["run"]["exit"]["stopped"], true);
    assert!(has_write(&profile, "create", "/tmp/before") && has_write(&profile, "create", "/tmp/after"));
}

/// As the runtime may be there, which is executed outside of the container and moved into its cgroup.
#[test]
fn a_program_of_the_hosts_in_the_cgroup_is_none_of_the_subjects() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let run = Background::run(&[], &SLEEP);
    let pid = inspect(&run.name, "{{.State.Pid}}");
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    let cgroup =
        cgroups.lines().find_map(|line| line.strip_prefix("0::/")).expect("a hierarchy of version 2");
    let cgroup = cgroup_root().join(cgroup);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo 0 >\"$1/cgroup.procs\" && exec mkdir \"$2\"", "sh"]);
    let status = shell.arg(&cgroup).arg(folder.path().join("made")).status();
    assert!(status.is_ok_and(|status| status.success()), "{}", cgroup.display());
    run.subject_writes("/tmp/after");
    run.signal(Signal::INT);
    let profile = run.finish_and_removed().expect(0, &[]);
    assert!(has_write(&profile, "create", "/tmp/after"), "{profile}");
    let paths = strings(&profile, "writes", "path");
    assert!(paths.iter().all(|path| path.starts_with("/tmp/after")), "{paths:?}");
}

#[test]
fn a_paused_container_cannot_be_asked_whether_it_is_ready() {
    if !can_run(&[CLIENTS]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let proxy = Proxy::start(folder.path().join("docker.sock"));
    let address = proxy.address();
    let ready = ["--ready", "exec:test -e /ready", "--load", "true"];
    let subject = ["--entrypoint", "sleep", CLIENTS, "1000"];
    // A freezer that catches a command while Docker starts it in the container would never let go of it: Docker waits for
    // the command, holding the lock that `docker unpause` wants. So each question is held back while one changes the state.
    proxy.hold(is_question);
    let mut run = Background::run_with(&ready, &subject, |command| {
        command.env("DOCKER_HOST", &address);
    });
    proxy.wait_for_held();
    docker_ok(["pause", &run.name]);
    proxy.pass();
    // The answer was that it is paused; it goes on asking.
    proxy.wait_for_held();
    assert!(matches!(run.child.try_wait(), Ok(None)));
    docker_ok(["unpause", &run.name]);
    docker_ok(["exec", &run.name, "touch", "/ready"]);
    proxy.pass();
    run.wait_for("running the load test");
    let name = run.name.clone();
    // `sleep` as the first process knows no signal.
    docker_ok(["kill", &name]);
    run.finish_and_removed();
}

#[test]
fn the_oom_killer_is_named() {
    if !can_run(&[CLIENTS]) {
        return;
    }
    // Where a hierarchy of version 1 holds the controller, one of version 2 has none.
    if docker_ok(["info", "--format", "{{.MemoryLimit}}"]) != "true" {
        println!("skipped: this daemon has no memory controller");
        return;
    }
    let script = "until [ -e /go ]; do sleep 0.1; done; exec tail /dev/zero";
    let run = Background::run(&["--entrypoint", "sh"], &[CLIENTS, "-c", script]);
    docker_ok(["update", "--memory", "24m", "--memory-swap", "24m", &run.name]);
    docker_ok(["exec", &run.name, "touch", "/go"]);
    let profile = run.finish_and_removed().expect(1, &["OOM killer", "status 137", "hint:", "memory"]);
    assert_eq!(
        profile["run"]["exit"],
        serde_json::json!({"status": 137, "oom_killed": true, "stopped": false})
    );
    assert_eq!(gap_codes(&profile), ["shutdown-not-seen"]);
    assert!(has_write(&profile, "create", "/go"), "{profile}");
}

#[test]
fn a_removal_from_outside_is_named() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let run = Background::run(&[], &SLEEP);
    run.subject_writes("/tmp/file");
    docker_ok(["rm", "--force", &run.name]);
    let profile = run.finish_and_removed().expect(1, &["removed from outside", "hint:"]);
    assert_eq!(gap_codes(&profile), ["shutdown-not-seen"]);
    assert!(has_write(&profile, "create", "/tmp/file"), "{profile}");
    assert!(!profile["subject"]["mounts"].as_array().expect("a list").is_empty(), "they were known before");

    let container = sleeper(&[]);
    let run = Background::attach(&["--load", "sleep 1000"], &container.name);
    docker_ok(["rm", "--force", &container.name]);
    let profile = run.finish().expect(1, &["removed from outside while the load test was running"]);
    assert_eq!(gap_codes(&profile), ["startup-not-seen", "shutdown-not-seen"]);
}

#[test]
fn a_load_test_that_ends_the_subject_is_told() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    for (verb, gaps, words) in [
        ("kill", vec!["shutdown-not-seen"], "stopped from outside"),
        ("rm --force", vec!["shutdown-not-seen"], "removed from outside"),
        ("stop", vec![], "stopped from outside"),
    ] {
        let name = unique_name("suicide");
        let load = format!("docker {verb} {name}");
        let arguments = ["--name", &name, "--load", &load, SUBJECT, "sleep"];
        let profile =
            Background::start("run", &name, arguments, |_| {}).finish_and_removed().expect(1, &[words]);
        assert_eq!(gap_codes(&profile), gaps, "{verb}");
        // Of what was removed nobody may know how it ended.
        assert_ne!(profile["run"]["exit"]["stopped"], true, "{verb}");
    }
}

#[test]
fn a_directory_that_is_renamed_has_the_name_of_the_time() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let run = Background::run(&[], &SLEEP);
    let script = |words: &[&str]| {
        docker_ok(["exec", &run.name, "/subject", "script"].iter().chain(words));
    };
    // The one that the subject is in.
    script(&[
        "mkdirat", "/tmp/old", "chdir", "/tmp/old", "create", "one", "rename", "/tmp/old", "/tmp/new",
        "create", "two", "mkdirat", "../three",
    ]);
    // One that has another name by the time that the profiler looks: nothing is resolved while it stands still.
    run.signal(Signal::STOP);
    script(&["mkdirat", "/srv/old", "create", "/srv/old/one", "rename", "/srv/old", "/srv/new"]);
    script(&["symlink", "/srv/new", "/srv/link", "create", "/srv/link/two", "unlink", "/srv/link"]);
    run.signal(Signal::CONT);
    run.signal(Signal::INT);
    let profile = run.finish_and_removed().expect(0, &[]);
    for (op, path) in [
        ("create", "/tmp/old/one"),
        ("rename", "/tmp/new"),
        ("create", "/tmp/new/two"),
        ("mkdir", "/tmp/three"),
        ("create", "/srv/old/one"),
        ("rename", "/srv/new"),
        ("unlink", "/srv/link"),
    ] {
        assert!(has_write(&profile, op, path), "{op} {path}: {profile}");
    }
}

/// A socket in front of the daemon's that can be closed, and that can hold back what is sent.
struct Proxy {
    path: PathBuf,
    closed: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<UnixStream>>>,
    gate: Arc<Gate>,
}

/// Holds back some of what is sent.
#[derive(Default)]
struct Gate {
    state: Mutex<Held>,
    passed: Condvar,
}

#[derive(Default)]
struct Held {
    /// What is held back.
    what: Option<fn(&[u8]) -> bool>,
    /// Whether something waits.
    waits: bool,
}

impl Gate {
    fn pass(&self, sent: &[u8]) {
        let mut state = self.state.lock().expect("no panic in here");
        if state.what.is_some_and(|is_held| is_held(sent)) {
            state.waits = true;
            drop(self.passed.wait_while(state, |held| held.waits).expect("no panic in here"));
        }
    }
}

/// Whether this is a request for a command in a container: `POST /containers/ID/exec`.
fn is_question(sent: &[u8]) -> bool {
    let line = sent.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let target = line.split(|byte| matches!(byte, b'?' | b' ')).nth(1).unwrap_or_default();
    line.starts_with(b"POST ") && target.ends_with(b"/exec")
}

impl Proxy {
    fn start(path: PathBuf) -> Self {
        let address = std::env::var("DOCKER_HOST").unwrap_or_default();
        let daemon = address.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
        let listener = UnixListener::bind(&path).expect("a socket can be made");
        let (closed, streams) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let gate = Arc::new(Gate::default());
        let proxy = Self {
            path,
            closed: Arc::clone(&closed),
            streams: Arc::clone(&streams),
            gate: Arc::clone(&gate),
        };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a client");
                if closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = UnixStream::connect(&daemon) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone(), to.try_clone());
                    let (from, to) = (from.expect("a descriptor"), to.expect("a descriptor"));
                    let gate = Arc::clone(&gate);
                    thread::spawn(move || forward(from, to, &gate));
                }
                streams.lock().expect("no panic in here").extend([client, server]);
            }
        });
        proxy
    }

    fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// From now on all that is sent and like this waits.
    fn hold(&self, is_held: fn(&[u8]) -> bool) {
        self.gate.state.lock().expect("no panic in here").what = Some(is_held);
    }

    fn wait_for_held(&self) {
        assert!(eventually(|| self.gate.state.lock().expect("no panic in here").waits), "nothing is sent");
    }

    /// Lets what waits pass; the next waits again.
    fn pass(&self) {
        self.gate.state.lock().expect("no panic in here").waits = false;
        self.gate.passed.notify_all();
    }

    /// Closes what is open; what is opened later is served.
    fn interrupt(&self) {
        for stream in self.streams.lock().expect("no panic in here").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Serves nobody any more.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.interrupt();
    }
}

fn forward(mut from: UnixStream, mut to: UnixStream, gate: &Gate) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        gate.pass(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// A run whose connection to the daemon leads through a proxy in this folder, once it is steady.
fn steady_behind_proxy(folder: &Path) -> (Proxy, Background) {
    let proxy = Proxy::start(folder.join("docker.sock"));
    let address = proxy.address();
    let mut run = Background::run_with(&[], &SLEEP, |command| {
        command.env("DOCKER_HOST", &address);
    });
    run.wait_for("steady");
    (proxy, run)
}

#[test]
fn a_connection_that_fails_for_a_moment_is_taken_up_again() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (proxy, run) = steady_behind_proxy(folder.path());
    proxy.interrupt();
    run.subject_writes("/tmp/file");
    run.signal(Signal::INT);
    let profile = run.finish_and_removed().expect(0, &[]);
    assert_eq!(profile["coverage"]["complete"], true, "{profile}");
    assert_eq!(profile["run"]["exit"]["stopped"], true, "{profile}");
    assert!(has_write(&profile, "create", "/tmp/file"), "{profile}");
}

#[test]
fn a_daemon_that_is_gone_leaves_a_profile_and_says_what_to_remove() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (proxy, run) = steady_behind_proxy(folder.path());
    run.subject_writes("/tmp/file");
    let name = run.name.clone();
    let id = inspect(&name, "{{.Id}}");
    proxy.close();
    let hint = format!("docker rm -fv {id}");
    let profile = run.finish().expect(4, &["does not answer any more", &hint]);
    assert_eq!(gap_codes(&profile), ["end-not-seen"]);
    assert!(has_write(&profile, "create", "/tmp/file"), "{profile}");
    // Nobody could remove it. The next run does, over a daemon that answers.
    let next = unique_name("next");
    let arguments = ["--name", &next, SUBJECT, "nothing"];
    Background::start("run", &next, arguments, |_| {}).finish_and_removed().expect(0, &[]);
    assert_eq!(inspect(&name, "{{.Id}}"), "", "it is cleared by the next run");
}

#[test]
fn a_daemon_that_hangs_does_not_keep_who_interrupts_twice() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (proxy, run) = steady_behind_proxy(folder.path());
    let id = inspect(&run.name, "{{.Id}}");
    proxy.hold(|_| true);
    run.signal(Signal::INT);
    // The order to stop the subject.
    proxy.wait_for_held();
    run.signal(Signal::INT);
    let name = run.name.clone();
    let finished = run.finish();
    assert_eq!(finished.status, Some(1), "{}", finished.message);
    for words in ["interrupted twice", "does not answer", &format!("docker rm -fv {id}")] {
        assert!(finished.message.contains(words), "{words:?} is not in {}", finished.message);
    }
    assert!(finished.profile.is_none());
    docker_ok(["rm", "--force", "--volumes", &name]);
}

/// A cgroup of the test's own that is removed at the end.
struct OwnCgroup(PathBuf);

impl OwnCgroup {
    fn create() -> Self {
        let path = cgroup_root().join(unique_name("adversity"));
        std::fs::create_dir(&path).expect("the hierarchy is writable");
        Self(path)
    }

    /// Runs a shell script in it.
    fn run(&self, script: &str) {
        let script = format!("echo $$ > '{}/cgroup.procs'; {script}", self.0.display());
        let status = std::process::Command::new("sh").args(["-c", &script]).status().expect("a shell");
        assert!(status.success());
    }

    fn remove(&self) {
        assert!(eventually(|| std::fs::remove_dir(&self.0).is_ok()));
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn attach_to_cgroup(cgroup: &Path, options: &[&str]) -> Background {
    let path = cgroup.to_string_lossy();
    let arguments = options.iter().copied().chain(["--cgroup", &path]);
    Background::start("attach", "", arguments, |_| {})
}

#[test]
fn a_cgroup_that_vanishes_ends_the_run() {
    if !can_run(&[]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().canonicalize().expect("it is there").join("file");
    for (again, load, status) in [(false, None, 4), (true, None, 4), (false, Some("sleep 1000"), 1)] {
        let cgroup = OwnCgroup::create();
        let options: Vec<&str> = load.map_or(vec![], |load| vec!["--load", load]);
        let mut run = attach_to_cgroup(&cgroup.0, &options);
        run.wait_for("steady");
        cgroup.run(&format!("cp /dev/null '{}'", file.display()));
        cgroup.remove();
        if again {
            // Another one of the same name is another subject.
            std::fs::create_dir(&cgroup.0).expect("the hierarchy is writable");
        }
        let words = load.map_or("", |_| "the cgroup was removed while the load test was running");
        let profile = run.finish().expect(status, &[words]);
        assert_eq!(gap_codes(&profile), ["startup-not-seen"]);
        assert!(has_write(&profile, "create", &file.to_string_lossy()), "{profile}");
        std::fs::remove_file(&file).expect("it was made");
    }
}

#[test]
fn a_cgroup_that_vanishes_before_anything_is_seen_is_named() {
    if !can_run(&[]) {
        return;
    }
    let cgroup = OwnCgroup::create();
    let run = attach_to_cgroup(&cgroup.0, &[]);
    // It is looked for first, then the sensors are loaded.
    run.wait_for_sensors();
    cgroup.remove();
    let finished = run.finish();
    assert_eq!(finished.status, Some(2), "{}", finished.message);
    assert!(finished.message.contains(&*cgroup.0.to_string_lossy()), "{}", finished.message);
    assert!(finished.message.contains("was removed") && finished.message.contains("hint:"));
    assert!(finished.profile.is_none());
}

#[test]
fn a_container_that_stopped_or_is_not_one_alone_is_named() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json").to_string_lossy().into_owned();
    let stopped = sleeper(&[]);
    assert_eq!(stopped.stop(), "0");
    let refused = |container: &str, words: &[&str]| {
        let output = writepath(["attach", "-o", &path, container]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        for word in words.iter().chain(&["hint:"]) {
            assert!(message.contains(word), "{word:?} is not in {message}");
        }
    };
    refused(&stopped.name, &[&stopped.name, "is not running", "docker start"]);
    // Until two ids begin with the same digit.
    let mut containers = vec![stopped];
    let ambiguous = loop {
        let ids: Vec<String> = docker_ok(["ps", "--all", "--quiet", "--no-trunc"])
            .lines()
            .map(|id| id[..1].to_owned())
            .collect();
        if let Some(digit) = ids.iter().find(|digit| ids.iter().filter(|other| other == digit).count() > 1) {
            break digit.clone();
        }
        let line = ["docker", "run", SUBJECT, "nothing"].map(str::to_owned);
        containers.push(Container::start(&line, "127.0.0.1::9").expect("it starts"));
    };
    refused(&ambiguous, &["more than one container", &ambiguous]);
}
