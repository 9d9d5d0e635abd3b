//! A run ends in order whatever happens: the right message and status, a profile where there is one, and nothing left
//! behind. Needs root, a Docker daemon and the images that `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{
    CLIENTS, Profiles, SUBJECT, can_run, docker, docker_ok, eventually, plan, read, signal, strings, text,
    unique_name, writepath, writepath_status,
};
use rustix::process::Signal;
use serde_json::Value;

/// Whether a container of this name exists.
fn exists(name: &str) -> bool {
    docker(["container", "inspect", name]).is_ok_and(|output| output.status.success())
}

fn is_running(name: &str) -> bool {
    docker(["container", "inspect", "--format", "{{.State.Running}}", name])
        .is_ok_and(|output| text(&output.stdout).trim() == "true")
}

/// Runs to its end; status and messages.
fn run(name: &str, output: &Path, options: &[&str], subject: &[&str]) -> (Option<i32>, String) {
    let output_path = output.to_string_lossy();
    let mut arguments = vec!["run", "-o", &output_path, "--name", name];
    arguments.extend(options);
    arguments.push(SUBJECT);
    arguments.extend(subject);
    let output = writepath(&arguments);
    assert!(!exists(name), "the container {name} was left behind");
    (output.status.code(), text(&output.stderr))
}

/// A run in the background, whose container has started.
fn start(name: &str, output: &Path, options: &[&str]) -> Child {
    let child = Command::new(env!("CARGO_BIN_EXE_writepath"))
        .args(["run", "--quiet", "--name", name, "-o"])
        .arg(output)
        .args(options)
        .args([SUBJECT, "sleep"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("writepath can be started");
    assert!(eventually(|| is_running(name)), "the container {name} did not start");
    child
}

#[test]
fn an_image_that_does_not_exist_is_named() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let profile = profiles.path("p.json");
    let output = writepath([
        "run",
        "--pull",
        "never",
        "-o",
        &profile.to_string_lossy(),
        "writepath-test/no-such-image:1",
    ]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("writepath-test/no-such-image:1"));
    assert!(!profile.exists());
}

#[test]
fn a_subject_that_crashes_at_once_is_a_finding_with_a_profile() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let (status, message) = run(&unique_name("crash"), &path, &["--ready", "tcp:1"], &["exit", "3"]);
    assert_eq!(status, Some(1), "{message}");
    assert!(message.contains("status 3"), "{message}");
    assert_eq!(read(&path)["run"]["exit"]["status"], 3);

    // What it printed helps to see why.
    let (status, message) = run(&unique_name("crash"), &path, &[], &["mkdir", "/no/such/place"]);
    assert_eq!(status, Some(1), "{message}");
    assert!(message.contains("/no/such/place"), "{message}");
}

#[test]
fn a_program_that_does_not_exist_in_the_image_is_refused_and_removed() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let (status, message) = run(&unique_name("noexec"), &path, &["--entrypoint", "/no/such/program"], &[]);
    assert_eq!(status, Some(3), "{message}");
    assert!(message.contains("/no/such/program"), "{message}");
}

#[test]
fn a_program_that_writes_nothing_yields_an_empty_profile_and_plan() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let (status, message) = run(&unique_name("nothing"), &path, &[], &["nothing"]);
    assert_eq!(status, Some(0), "{message}");
    let profile = read(&path);
    assert_eq!(profile["coverage"]["complete"], true, "{profile}");
    assert_eq!(profile["writes"], Value::Array(Vec::new()), "what the runtime did is not the subject's");
    assert_eq!(profile["run"]["executions"][0]["path"], "/subject");
    let capabilities = profile["capabilities"].as_array().expect("a list");
    assert!(capabilities.iter().all(|capability| capability["verdict"] != "required"), "{profile}");
    let plan = plan(&path);
    for list in ["tmpfs", "volumes", "cap_add", "mounts_read_only"] {
        assert_eq!(plan[list], Value::Array(Vec::new()), "{plan}");
    }
    assert_eq!(plan["read_only"], true);
}

#[test]
fn a_load_test_that_fails_is_a_finding_with_a_profile() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let (status, message) =
        run(&unique_name("load"), &path, &["--load", "echo to be seen; exit 9"], &["sleep"]);
    assert_eq!(status, Some(1), "{message}");
    assert!(message.contains("status 9") && message.contains("to be seen"), "{message}");
    let profile = read(&path);
    assert_eq!(profile["run"]["load"]["exit_status"], 9);
    assert_eq!(profile["run"]["exit"]["stopped"], true);
}

#[test]
fn phases_are_told_apart() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let name = unique_name("phases");
    // The load writes inside the container: that is the steady phase. Program and container have no shell.
    let load = format!("docker exec {name} /subject write /tmp/steady");
    let script = ["script", "create", "/tmp/startup"];
    let options = ["--ready", "delay:300ms", "--load", &load];
    let (status, message) = run(&name, &path, &options, &["serve", "8080"]);
    assert_eq!(status, Some(0), "{message}");
    let profile = read(&path);
    let writes = profile["writes"].as_array().expect("a list");
    let steady =
        writes.iter().find(|write| write["path"] == "/tmp/steady").expect("the load's write was seen");
    assert_eq!(steady["phases"], serde_json::json!(["steady"]));
    assert_eq!(writes.len(), 1, "`docker exec` itself is no part of the subject: {profile}");
    let phases: Vec<_> =
        profile["run"]["phases"].as_array().expect("a list").iter().map(|p| &p["phase"]).collect();
    assert_eq!(phases, ["startup", "steady", "shutdown"]);

    let (status, message) = run(&unique_name("startup"), &path, &["--ready", "delay:1ms"], &script);
    assert!(matches!(status, Some(0 | 1)), "{message}");
    let profile = read(&path);
    assert_eq!(profile["writes"][0]["path"], "/tmp/startup");
}

#[test]
fn an_interrupt_stops_the_subject_and_keeps_the_profile() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    for kind in [Signal::INT, Signal::TERM] {
        let name = unique_name("interrupt");
        let mut child = start(&name, &path, &[]);
        signal(&child, kind);
        let status = child.wait().expect("it is ours");
        assert_eq!(status.code(), Some(0));
        assert!(!exists(&name), "the container was left behind");
        let profile = read(&path);
        assert_eq!(profile["run"]["exit"]["stopped"], true);
        std::fs::remove_file(&path).expect("it was there");
    }
}

#[test]
fn an_interrupt_ends_the_load_test_too() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let marker = profiles.path("load-runs");
    let load = format!("echo $$ > '{}'; exec sleep 1000", marker.display());
    let name = unique_name("interrupt-load");
    let mut child = start(&name, &path, &["--load", &load]);
    let mut pid = String::new();
    assert!(eventually(|| {
        pid = std::fs::read_to_string(&marker).unwrap_or_default();
        pid.ends_with('\n')
    }));
    signal(&child, Signal::INT);
    assert_eq!(child.wait().expect("it is ours").code(), Some(1), "the training was cut short");
    assert!(!exists(&name), "the container was left behind");
    assert!(path.exists(), "the profile is kept");
    assert!(
        eventually(|| !Path::new(&format!("/proc/{}", pid.trim())).exists()),
        "the load test was left running"
    );
}

#[test]
fn two_interrupts_leave_at_once_and_remove_what_was_created() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let name = unique_name("twice");
    // A subject that takes its time: it does not know the signal, and has a minute.
    let mut child = start(&name, &path, &["--stop-timeout", "60s", "--load", "sleep 1000"]);
    docker_ok(["pause", &name]);
    signal(&child, Signal::INT);
    signal(&child, Signal::INT);
    // Signals of one kind merge while they are pending.
    assert!(eventually(|| {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return true;
        }
        signal(&child, Signal::INT);
        false
    }));
    assert!(!exists(&name), "the container was left behind");
}

#[test]
fn what_a_killed_run_left_behind_is_cleared_by_the_next() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let name = unique_name("killed");
    let mut child = start(&name, &profiles.path("p.json"), &[]);
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    assert!(is_running(&name), "nobody was there to remove it");
    let living = unique_name("living");
    let mut other = start(&living, &profiles.path("other.json"), &[]);
    assert!(!exists(&name), "the next run removes it");
    let (status, message) = run(&unique_name("next"), &profiles.path("q.json"), &[], &["nothing"]);
    assert_eq!(status, Some(0), "{message}");
    assert!(is_running(&living), "a run that is still on is left alone");
    signal(&other, Signal::INT);
    other.wait().expect("it is ours");
}

#[test]
fn ten_thousand_processes_are_followed_without_loss() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let (status, message) = run(&unique_name("fork"), &path, &[], &["fork", "10000"]);
    assert_eq!(status, Some(0), "{message}");
    assert_eq!(read(&path)["coverage"]["complete"], true);
    assert_eq!(plan(&path)["tmpfs"], Value::Array(Vec::new()));
}

#[test]
fn hostile_names_survive_every_format() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let (status, message) = run(&unique_name("hostile"), &path, &[], &["hostile", "/tmp"]);
    assert_eq!(status, Some(0), "{message}");
    let profile = read(&path);
    let writes = profile["writes"].as_array().expect("a list");
    assert!(writes.len() >= 14, "{profile}");
    let paths: Vec<_> = writes.iter().filter_map(|write| write["path"].as_str()).collect();
    assert!(paths.contains(&"/tmp/line\nbreak"), "{paths:?}");
    assert!(paths.contains(&r"/tmp/not utf-8 \xff\xfe\x80"), "{paths:?}");
    for format in ["text", "json", "compose", "docker"] {
        let output = writepath(["recommend", "--format", format, &path.to_string_lossy()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let shown = text(&output.stdout);
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!shown.contains(control), "a control character got through {format}: {shown:?}");
    }
    assert_eq!(plan(&path)["tmpfs"][0]["target"], "/tmp");
}

#[test]
fn a_plain_command_is_profiled_without_a_runtime() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let (path, folder) = (profiles.path("p.json"), profiles.path("folder"));
    let script = format!("mkdir '{0}' && echo x > '{0}/file' && exit 7", folder.display());
    let output = Command::new(env!("CARGO_BIN_EXE_writepath"))
        .args(["exec", "--quiet", "-o"])
        .arg(&path)
        .args(["--", "sh", "-c", &script])
        .env("DOCKER_HOST", "unix:///nonexistent")
        .output()
        .expect("writepath can be started");
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let profile = read(&path);
    let seen: Vec<_> = profile["writes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|write| {
            format!("{} {}", write["op"].as_str().unwrap_or(""), write["path"].as_str().unwrap_or(""))
        })
        .collect();
    let folder = folder.canonicalize().expect("it was made");
    for operation in [format!("mkdir {}", folder.display()), format!("create {}/file", folder.display())] {
        assert!(seen.contains(&operation), "{operation} is not among {seen:?}");
    }
}

/// A file that nobody can see any more takes room as long as it is open, and a tmpfs must have that.
#[test]
fn the_size_of_a_tmpfs_has_room_for_files_without_a_name() {
    const MIB: u64 = 1 << 20;
    if !can_run(&[CLIENTS]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let script = "trap 'exit 0' TERM; exec 3>/tmp/large; rm /tmp/large; head -c 48M /dev/zero >&3; echo written; \
                  sleep 1000 & wait";
    let output = path.to_string_lossy();
    let options = ["run", "-o", &output, "--ready", "log:written", "--load", "true"];
    writepath_status(0, options.into_iter().chain(["--entrypoint", "sh", CLIENTS, "-c", script]));
    let profile = read(&path);
    let sizes = profile["run"]["sizes"].as_array().expect("a list");
    let peak = sizes.iter().find(|size| size["path"] == "/tmp").and_then(|size| size["peak_bytes"].as_u64());
    assert!(peak >= Some(48 * MIB), "{sizes:?}");
    // Twice, and twice again, because such files are seldom seen when they are largest.
    assert_eq!(plan(&path)["tmpfs"][0]["size"], 256 * MIB);
}

/// Of many files only some are known by name; all of them take room.
#[test]
fn the_size_of_a_tmpfs_has_room_for_files_whose_names_are_not_kept() {
    const MIB: u64 = 1 << 20;
    if !can_run(&[CLIENTS]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let script = "trap 'exit 0' TERM; for n in $(seq 300); do head -c 128K /dev/zero >/tmp/$n; done; echo written; \
                  sleep 1000 & wait";
    let output = path.to_string_lossy();
    let options = ["run", "-o", &output, "--ready", "log:written", "--load", "true"];
    writepath_status(0, options.into_iter().chain(["--entrypoint", "sh", CLIENTS, "-c", script]));
    let profile = read(&path);
    assert!(strings(&profile, "writes", "path").len() < 300);
    let sizes = profile["run"]["sizes"].as_array().expect("a list");
    let peak = sizes.iter().find(|size| size["path"] == "/tmp").and_then(|size| size["peak_bytes"].as_u64());
    assert!(peak >= Some(300 * MIB / 8), "{sizes:?}");
    assert_eq!(plan(&path)["tmpfs"][0]["size"], 128 * MIB);
}
