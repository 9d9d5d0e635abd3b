//! Ctrl-C at every stage of `run`, `attach` and `exec`: the first ends in order and writes what was seen, the second
//! leaves at once, and nothing is left. More of them, at the terminal, in `terminal.rs`. Needs root, a Docker daemon
//! and the images that `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::path::Path;

use common::background::{Background, Finished};
use common::{CLIENTS, Container, SUBJECT, can_run, cgroup_root, docker, gap_codes, text, unique_name};
use rustix::process::Signal;

/// Nothing was seen, so there is no profile.
fn without_profile(finished: &Finished, words: &str) {
    assert_eq!(finished.status, Some(1), "{}", finished.message);
    assert!(finished.message.contains(words), "{words:?} is not in {}", finished.message);
    assert!(finished.profile.is_none(), "{}", finished.message);
}

/// No container of this image that a process of ours made which is gone, and none of its cgroups.
fn nothing_is_left(pid: u32) {
    let output = docker(["ps", "--all", "--format", "{{.Label \"io.writepath.owner\"}}"]);
    let owners = text(&output.expect("docker is installed").stdout);
    assert!(!owners.lines().any(|owner| owner.starts_with(&format!("{pid} "))), "{owners}");
    let cgroups = std::fs::read_dir(cgroup_root()).expect("it is mounted").flatten();
    for cgroup in cgroups {
        let name = cgroup.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with(&format!("writepath-{pid}-")), "{name} is left");
    }
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

fn sleeper() -> Container {
    let line = ["docker", "run", SUBJECT, "sleep"].map(str::to_owned);
    Container::start(&line, "127.0.0.1::9").expect("it starts")
}

#[test]
fn before_the_subject_is_started_there_is_nothing_to_write() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let name = unique_name("early");
    let container = sleeper();
    for (verb, arguments) in [
        ("run", vec!["--name", &name, SUBJECT, "sleep"]),
        ("attach", vec![container.name.as_str()]),
        ("exec", vec!["--", "sleep", "1000"]),
    ] {
        let run = Background::start(verb, "", arguments, |_| {});
        let pid = run.child.id();
        run.wait_for_sensors();
        run.signal(Signal::INT);
        without_profile(&run.finish(), "interrupted before the subject was started");
        nothing_is_left(pid);
    }
    assert!(container.runs());
}

#[test]
fn while_it_is_not_ready() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let ready = ["--ready", "delay:1000s"];
    let run = Background::run(&ready, &[SUBJECT, "sleep"]);
    let pid = run.child.id();
    run.signal(Signal::INT);
    let profile = run.finish_and_removed().expect(0, &[]);
    assert_eq!(profile["run"]["exit"]["stopped"], true);
    assert_eq!(profile["coverage"]["complete"], true);
    nothing_is_left(pid);

    let container = sleeper();
    let run = Background::attach(&ready, &container.name);
    run.signal(Signal::INT);
    let profile = run.finish().expect(4, &[]);
    assert_eq!(gap_codes(&profile), ["startup-not-seen", "shutdown-not-seen"]);
    assert!(container.runs());

    let command = ["--", "sh", "-c", "echo command-''runs >&2; exec sleep 1000"];
    let mut run = Background::start("exec", "", ready.into_iter().chain(command), |_| {});
    let pid = run.child.id();
    run.wait_for("command-runs");
    run.signal(Signal::INT);
    run.finish().expect(128 + 2, &[]);
    nothing_is_left(pid);
}

#[test]
fn while_the_load_test_runs() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let words = ["interrupted: the training was cut short"];
    let load = ["--load", "echo load''-runs; exec sleep 1000"];
    let mut run = Background::run(&load, &[SUBJECT, "sleep"]);
    run.wait_for("load-runs");
    run.signal(Signal::INT);
    let profile = run.finish_and_removed().expect(1, &words);
    assert_eq!(profile["run"]["exit"]["stopped"], true);

    let container = sleeper();
    let mut run = Background::attach(&load, &container.name);
    run.wait_for("load-runs");
    run.signal(Signal::INT);
    run.finish().expect(1, &words);
    assert!(container.runs());

    let mut run = Background::start("exec", "", load.into_iter().chain(["--", "sleep", "1000"]), |_| {});
    run.wait_for("load-runs");
    run.signal(Signal::INT);
    run.finish().expect(128 + 2, &words);
}

#[test]
fn the_second_leaves_while_the_subject_is_stopped() {
    if !can_run(&[CLIENTS]) {
        return;
    }
    // The first process of a container knows no signal that it has no handler for.
    let timeout = ["--stop-timeout", "1000s"];
    let options = timeout.into_iter().chain(["--entrypoint", "sleep"]).collect::<Vec<_>>();
    let mut run = Background::run(&options, &[CLIENTS, "1000"]);
    let pid = run.child.id();
    run.signal(Signal::INT);
    run.wait_for("shutdown");
    run.signal(Signal::INT);
    without_profile(&run.finish_and_removed(), "interrupted twice");
    nothing_is_left(pid);

    // What a command did is known when it is killed: its profile takes no time.
    let command = ["--", "sh", "-c", "trap '' TERM; echo command-''runs >&2; sleep 1000"];
    let mut run = Background::start("exec", "", timeout.into_iter().chain(command), |_| {});
    let pid = run.child.id();
    run.wait_for("command-runs");
    run.signal(Signal::TERM);
    run.wait_for("shutdown");
    run.signal(Signal::TERM);
    run.finish().expect(128 + 9, &[]);
    nothing_is_left(pid);
}

#[test]
fn two_at_once() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let container = sleeper();
    let own = Background::run(&["--load", "sleep 1000"], &[SUBJECT, "sleep"]);
    let attached = Background::attach(&["--load", "sleep 1000"], &container.name);
    for run in [own, attached] {
        let pid = run.child.id();
        // Signals of one kind merge while they are pending.
        run.signal(Signal::STOP);
        run.signal(Signal::INT);
        run.signal(Signal::TERM);
        run.signal(Signal::CONT);
        without_profile(&run.finish(), "interrupted twice");
        nothing_is_left(pid);
    }
    assert!(container.runs());
}

#[test]
fn messages_that_nobody_reads_any_more_end_nothing() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let run = Background::run_with(&[], &[SUBJECT, "sleep"], |command| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        command.stderr(writer);
    });
    let pid = run.child.id();
    run.signal(Signal::INT);
    let finished = run.finish_and_removed();
    assert_eq!(finished.status, Some(0));
    assert!(finished.profile.is_some());
    nothing_is_left(pid);
}
