//! What the integration tests share: whether this host can run them, containers that clean up after themselves, and
//! the `writepath` binary.
//!
//! The tests talk to the daemon at `DOCKER_HOST` with images that `cargo xtask test` made there. Where root, the
//! daemon or an image is missing, a test prints why and passes, unless `WRITEPATH_TEST_REQUIRE=1` says that nothing may
//! be missing. Nothing here waits for a time: conditions are polled, up to a deadline.

// Each test target compiles this file for itself and uses its own part of it, so nothing can be expected of all.
#![allow(dead_code, clippy::allow_attributes, reason = "not every test target uses every helper")]
#![allow(clippy::expect_used, clippy::panic, reason = "a helper that cannot go on fails its test")]

pub(crate) mod background;

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The image whose verbs do one thing each.
pub(crate) const SUBJECT: &str = "writepath-test/subject";
/// The image with the clients that put load on the applications.
pub(crate) const CLIENTS: &str = "writepath-test/base";
/// What every container made by a test is labelled with.
const LABEL: &str = "io.writepath.test=1";
/// Longest time any one condition may take, where the host is as fast as usual.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest time all tests of one program may take, where the host is as fast as usual.
const PROGRAM_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Whether the host has what a test with these images needs. Prints what is missing.
///
/// # Panics
/// Where something is missing and `WRITEPATH_TEST_REQUIRE=1`.
pub(crate) fn can_run(images: &[&str]) -> bool {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        thread::spawn(|| {
            thread::sleep(PROGRAM_LIMIT * slowness());
            eprintln!("a test of this program hangs: it has taken {PROGRAM_LIMIT:?} × {}", slowness());
            std::process::abort();
        });
    });
    lacks(images).is_none_or(|reason| skip(&reason))
}

/// Whether the host has a program that a test needs besides. Prints that it is missing. The kernel matrix's machines
/// have only what concerns a kernel.
///
/// # Panics
/// Where it is missing and `WRITEPATH_TEST_REQUIRE=1`, but for those machines.
pub(crate) fn has_program(program: &str) -> bool {
    if Path::new(program).is_file() {
        return true;
    }
    let reason = format!("{program} is missing");
    if env::var("WRITEPATH_TEST_DAEMON").as_deref() == Ok("vm") {
        println!("skipped: {reason}");
        return false;
    }
    skip(&reason)
}

/// Says why a test is skipped; false.
fn skip(reason: &str) -> bool {
    assert!(env::var("WRITEPATH_TEST_REQUIRE").as_deref() != Ok("1"), "cannot run here: {reason}");
    println!("skipped: {reason}");
    false
}

fn lacks(images: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root".to_owned());
    }
    if !docker(["version"]).is_ok_and(|output| output.status.success()) {
        return Some("no Docker daemon answers".to_owned());
    }
    images
        .iter()
        .find(|image| !docker(["image", "inspect", image]).is_ok_and(|output| output.status.success()))
        .map(|image| format!("the image {image} is missing (cargo xtask images)"))
}

/// The Docker client, on the daemon under test.
pub(crate) fn docker<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> std::io::Result<Output> {
    bounded("docker", LIMIT * 2 * slowness()).args(arguments).output()
}

/// A command that is killed where it takes longer than this, by coreutils' `timeout`: what hangs fails its test, and
/// not the tests behind it.
pub(crate) fn bounded(program: impl AsRef<OsStr>, limit: Duration) -> Command {
    let mut command = Command::new("timeout");
    // In the foreground: signals and the terminal are the command's as without it.
    command.args(["--foreground", "--signal=KILL", &limit.as_secs().to_string()]).arg(program);
    command
}

/// As [`docker`], for commands that must succeed: their trimmed standard output.
pub(crate) fn docker_ok<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = docker(arguments).expect("docker is installed");
    assert!(output.status.success(), "docker failed: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// The `writepath` binary under test.
pub(crate) fn writepath<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    let mut command = bounded(env!("CARGO_BIN_EXE_writepath"), LIMIT * 10 * slowness());
    command.args(arguments).output().expect("writepath can be started")
}

/// As [`writepath`], for runs that must end with this status: their standard output.
pub(crate) fn writepath_status<S: AsRef<OsStr>>(
    status: i32,
    arguments: impl IntoIterator<Item = S>,
) -> String {
    let arguments: Vec<S> = arguments.into_iter().collect();
    let output = writepath(&arguments);
    assert_eq!(
        output.status.code(),
        Some(status),
        "writepath {:?}\n--- standard error\n{}\n--- standard output\n{}",
        arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        text(&output.stderr),
        text(&output.stdout),
    );
    text(&output.stdout)
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How many times slower than usual this host is, as `WRITEPATH_TEST_SLOWNESS` says: a processor that is translated is. Limits
/// are multiplied by it and loads divided.
pub(crate) fn slowness() -> u32 {
    env::var("WRITEPATH_TEST_SLOWNESS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Polls until the condition holds; false when it did not within [`LIMIT`] (times [`slowness`]).
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + LIMIT * slowness();
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A port on the loopback address that nothing listens on, and that no other test of this process was given.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        if GIVEN.lock().expect("no test panics in here").insert(port) {
            return port;
        }
    }
}

/// A name that no other test uses.
pub(crate) fn unique_name(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("writepath-test-{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A directory for profiles, removed at the end.
pub(crate) struct Profiles(tempfile::TempDir);

impl Profiles {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    /// Where the profile of this name is written.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A profile that was written.
pub(crate) fn read(profile: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(profile).expect("the profile was written")).expect("it is JSON")
}

/// Keeps a result where `WRITEPATH_TEST_RESULTS` names a directory: what must come out the same on every kernel, with
/// every kind of sensors and with every daemon. `cargo xtask` compares them.
pub(crate) fn keep(name: &str, result: &Value) {
    let Some(directory) = env::var_os("WRITEPATH_TEST_RESULTS") else { return };
    let directory = PathBuf::from(directory);
    std::fs::create_dir_all(&directory).expect("results can be kept");
    std::fs::write(directory.join(format!("{name}.json")), result.to_string()).expect("results can be kept");
}

/// The codes of a profile's gaps.
pub(crate) fn gap_codes(profile: &Value) -> Vec<&str> {
    let gaps = profile["coverage"]["gaps"].as_array().expect("a list");
    gaps.iter().filter_map(|gap| gap["code"].as_str()).collect()
}

/// Whether a profile has this operation on this path.
pub(crate) fn has_write(profile: &Value, op: &str, path: &str) -> bool {
    let writes = profile["writes"].as_array().expect("a list");
    writes.iter().any(|write| write["op"] == op && write["path"] == path)
}

/// What the daemon says of a container; empty where there is none.
pub(crate) fn inspect(name: &str, format: &str) -> String {
    docker(["container", "inspect", "--format", format, name])
        .ok()
        .filter(|output| output.status.success())
        .map(|output| text(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// Where the cgroup hierarchy of version 2 is mounted.
pub(crate) fn cgroup_root() -> &'static Path {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .map(Path::new)
        .into_iter()
        .find(|root| root.join("cgroup.controllers").is_file())
        .expect("a hierarchy of version 2 is mounted")
}

/// Sends a signal to a process that the test started.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process is ours");
}

/// The plan that `recommend --format json` makes of a profile.
pub(crate) fn plan(profile: &Path) -> Value {
    let json = writepath_status(
        0,
        [OsStr::new("recommend"), "--format".as_ref(), "json".as_ref(), profile.as_ref()],
    );
    serde_json::from_str(&json).expect("the plan is JSON")
}

/// The words of the command line that `recommend --format docker` prints, as a shell takes it.
pub(crate) fn docker_line(profile: &Path) -> Vec<String> {
    let line = writepath_status(
        0,
        [OsStr::new("recommend"), "--format".as_ref(), "docker".as_ref(), profile.as_ref()],
    );
    let script = format!("docker() {{ printf '%s\\0' docker \"$@\"; }}\n{line}");
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert!(output.status.success(), "not a command line: {line}");
    let words: Vec<String> = text(&output.stdout).split_terminator('\0').map(str::to_owned).collect();
    assert!(words.starts_with(&["docker".to_owned(), "run".to_owned()]), "not a docker command line: {line}");
    words
}

/// The strings under `key` of every element of the plan's list `list`.
pub(crate) fn strings(plan: &Value, list: &str, key: &str) -> BTreeSet<String> {
    let elements = plan[list].as_array().unwrap_or_else(|| panic!("the plan has no list {list}: {plan}"));
    elements.iter().map(|element| element[key].as_str().expect("a string").to_owned()).collect()
}

/// A set of strings, for comparisons.
pub(crate) fn set<const N: usize>(elements: [&str; N]) -> BTreeSet<String> {
    elements.map(str::to_owned).into()
}

/// The command line without the one option for which `drop` holds. Options are `(--name, value)`.
///
/// # Panics
/// Where not exactly one option is dropped.
pub(crate) fn without(words: &[String], drop: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut kept = Vec::new();
    let mut dropped = 0;
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        let inline = word.split_once('=').filter(|_| word.starts_with("--"));
        let (name, value) = inline.unwrap_or((word, rest.peek().map_or("", |next| next.as_str())));
        if word.starts_with('-') && drop(name, value) {
            dropped += 1;
            if inline.is_none() {
                rest.next();
            }
        } else {
            kept.push(word.clone());
        }
    }
    assert_eq!(dropped, 1, "exactly one option is to be dropped from {words:?}");
    kept
}

/// A container that is removed, with the volumes that it brought into being, at the end.
pub(crate) struct Container {
    pub(crate) name: String,
    /// Volumes that were there before it, and stay.
    older_volumes: BTreeSet<String>,
}

impl Container {
    /// Starts what a `docker run` command line says, detached and named. `publish` is added where the line publishes
    /// nothing itself.
    ///
    /// # Errors
    /// What `docker run` says when it fails.
    pub(crate) fn start(line: &[String], publish: &str) -> Result<Self, String> {
        let older_volumes = docker_ok(["volume", "ls", "--quiet"]).lines().map(str::to_owned).collect();
        let container = Self { name: unique_name("planned"), older_volumes };
        let options = &line[2..];
        let mut command = vec!["run", "--detach", "--name", &container.name, "--label", LABEL];
        if !options.iter().any(|word| word == "-p" || word.starts_with("--publish")) {
            command.extend(["--publish", publish]);
        }
        command.extend(options.iter().map(String::as_str));
        let output = docker(command).map_err(|error| error.to_string())?;
        if output.status.success() { Ok(container) } else { Err(text(&output.stderr)) }
    }

    /// What it wrote on both streams.
    pub(crate) fn log(&self) -> String {
        let output = docker(["logs", &self.name]).expect("docker is installed");
        text(&output.stdout) + &text(&output.stderr)
    }

    fn inspect(&self, format: &str) -> String {
        docker(["container", "inspect", "--format", format, &self.name])
            .map(|output| text(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    }

    /// Whether it runs.
    pub(crate) fn runs(&self) -> bool {
        self.inspect("{{.State.Running}}") == "true"
    }

    /// Stops it with its stop signal and returns its exit status.
    pub(crate) fn stop(&self) -> String {
        docker_ok(["stop", "--time", &(20 * slowness()).to_string(), &self.name]);
        self.inspect("{{.State.ExitCode}}")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let volumes = self.inspect("{{range .Mounts}}{{if eq .Type \"volume\"}}{{.Name}}\n{{end}}{{end}}");
        let _ = docker(["rm", "--force", "--volumes", &self.name]);
        for volume in volumes.lines().filter(|&name| !name.is_empty() && !self.older_volumes.contains(name)) {
            let _ = docker(["volume", "rm", "--force", volume]);
        }
    }
}
