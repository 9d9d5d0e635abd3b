//! `exec` is as if the command had been started alone: its terminal, its signals, its streams and its exit status.
//! Needs root.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use common::background::Background;
use common::{Profiles, can_run, cgroup_root, eventually, has_write, read, text};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const WRITEPATH: &str = env!("CARGO_BIN_EXE_writepath");

/// A terminal with a program in it.
struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

impl Terminal {
    /// Starts a program as the leader of a session with a terminal of its own.
    fn start(program: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a terminal can be made");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let name = name.to_str().expect("it is ASCII");
        let side = || File::options().read(true).write(true).open(name).expect("the terminal can be opened");
        let (input, output, errors) = (side(), side(), side());
        let child = Command::new("setsid")
            .arg("--ctty")
            .args(program)
            .env("TERM", "dumb")
            .env("PS1", "prompt> ")
            .env("DOCKER_HOST", "unix:///nonexistent")
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(errors))
            .spawn()
            .expect("setsid is installed");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&screen);
        let keyboard = File::from(master);
        let mut reader = keyboard.try_clone().expect("a descriptor");
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            // It fails when the last program has closed the terminal.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                shown.lock().expect("no panic in here").extend_from_slice(&buffer[..count]);
            }
        });
        Self { keyboard, screen, child }
    }

    fn keys(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).expect("the terminal is open");
    }

    fn screen(&self) -> String {
        text(&self.screen.lock().expect("no panic in here"))
    }

    /// Waits until this is on the screen, `times` times.
    fn shows(&self, words: &str, times: usize) {
        let there = eventually(|| self.screen().matches(words).count() >= times);
        assert!(there, "{words:?} is not on the screen {times} times: {:?}", self.screen());
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keyboard, size).expect("it is a terminal");
    }

    /// Its exit status.
    fn finish(mut self) -> Option<i32> {
        let ended = eventually(|| matches!(self.child.try_wait(), Ok(Some(_))));
        assert!(ended, "it does not end: {:?}", self.screen());
        self.child.wait().expect("it is ours").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No cgroup of a process of ours that is gone.
fn nothing_is_left() {
    let of_the_dead = || {
        let entries = std::fs::read_dir(cgroup_root()).expect("it is mounted");
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names
            .filter_map(|name| name.strip_prefix("writepath-").map(str::to_owned))
            .filter_map(|rest| rest.split('-').next().and_then(|pid| pid.parse::<u32>().ok()))
            .filter(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
            .count()
    };
    assert!(eventually(|| of_the_dead() == 0), "a cgroup was left");
}

#[test]
fn the_terminal_is_the_commands() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let (path, file) = (profiles.path("p.json"), profiles.path("file"));
    let script = format!(
        "trap 'echo got-int; touch {}; exit 5' INT; trap 'stty size' WINCH; stty size; tty; echo ready; \
         while :; do sleep 0.05; done",
        file.display()
    );
    let terminal = Terminal::start(&[
        WRITEPATH,
        "exec",
        "--quiet",
        "-o",
        &path.to_string_lossy(),
        "--",
        "sh",
        "-c",
        &script,
    ]);
    terminal.shows("ready", 1);
    terminal.shows("/dev/pts/", 1);
    terminal.resize(33, 77);
    terminal.shows("33 77", 1);
    // Control-C, once: it is the command's to deal with.
    terminal.keys("\x03");
    terminal.shows("got-int", 1);
    assert_eq!(terminal.screen().matches("got-int").count(), 1, "{:?}", terminal.screen());
    assert_eq!(terminal.finish(), Some(5), "the command's own status");
    let profile = read(&path);
    assert!(has_write(&profile, "create", &file.canonicalize().expect("it was made").to_string_lossy()));
    assert_eq!(profile["run"]["exit"]["status"], 5);
    nothing_is_left();
}

#[test]
fn a_command_that_takes_no_notice_of_an_interrupt_is_ended_by_the_second() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let script = "trap 'echo taken' INT; echo ready; while :; do sleep 0.05; done";
    let path_text = path.to_string_lossy();
    let terminal =
        Terminal::start(&[WRITEPATH, "exec", "--quiet", "-o", &path_text, "--", "sh", "-c", script]);
    terminal.shows("ready", 1);
    terminal.keys("\x03");
    terminal.shows("taken", 1);
    terminal.keys("\x03");
    assert_eq!(terminal.finish(), Some(128 + 9));
    assert_eq!(read(&path)["run"]["exit"]["status"], 128 + 9);
    nothing_is_left();
}

#[test]
fn a_command_is_a_job_of_the_shell() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let terminal = Terminal::start(&["bash", "--norc", "-i"]);
    terminal.shows("prompt> ", 1);
    let command = "sh -c \"echo u''p; exec cat\"";
    terminal.keys(&format!("{WRITEPATH} exec --quiet -o {} -- {command}\n", path.display()));
    terminal.shows("up\r\n", 1);
    // The terminal shows what is typed as well.
    terminal.keys("before\n");
    terminal.shows("before", 2);
    terminal.keys("\x1a");
    terminal.shows("Stopped", 1);
    terminal.keys("fg\n");
    // What is typed before the shell has handed the terminal over waits for the next line.
    assert!(eventually(|| {
        terminal.keys("after\n");
        terminal.screen().contains("after\r\nafter\r\n")
    }));
    // The end of the input.
    terminal.keys("\x04");
    terminal.shows("prompt> ", 3);
    terminal.keys("echo status''-$?\n");
    terminal.shows("status-0", 1);
    terminal.keys("exit\n");
    assert_eq!(terminal.finish(), Some(0));
    assert!(path.exists());
    nothing_is_left();
}

#[test]
fn a_terminal_that_closes_ends_the_command() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let (path, marker) = (profiles.path("p.json"), profiles.path("hung-up"));
    let script =
        format!("trap 'touch {}; exit' HUP; echo ready; while :; do sleep 0.05; done", marker.display());
    let path_text = path.to_string_lossy();
    let mut terminal =
        Terminal::start(&[WRITEPATH, "exec", "--quiet", "-o", &path_text, "--", "sh", "-c", &script]);
    terminal.shows("ready", 1);
    // A reader of it stays open in a thread; so the signal comes by hand, as the kernel would send it.
    common::signal(&terminal.child, Signal::HUP);
    assert!(eventually(|| matches!(terminal.child.try_wait(), Ok(Some(_)))));
    assert!(marker.exists(), "the command was told");
    assert!(path.exists(), "the profile is kept");
    nothing_is_left();
}

#[test]
fn signals_are_passed_on_and_the_status_is_the_commands() {
    if !can_run(&[]) {
        return;
    }
    for (kind, status) in [(Signal::INT, 128 + 2), (Signal::TERM, 128 + 15), (Signal::HUP, 128 + 1)] {
        let arguments = ["--", "sh", "-c", "echo command-''runs >&2; exec sleep 1000"];
        let mut run = Background::start("exec", "", arguments, |command| {
            command.env("DOCKER_HOST", "unix:///nonexistent");
        });
        run.wait_for("command-runs");
        run.signal(kind);
        let profile = run.finish().expect(status, &[]);
        assert_eq!(profile["run"]["exit"]["status"], status);
        nothing_is_left();
    }
    // A command that ends by a signal of its own.
    let run = Background::start("exec", "", ["--", "sh", "-c", "kill -SEGV $$"], |_| {});
    assert_eq!(run.finish().expect(128 + 11, &[])["run"]["exit"]["status"], 128 + 11);
    // One that does not end when it is asked to, with a child of its own.
    let script = "trap '' TERM; echo command-''runs >&2; sleep 1000";
    let mut run =
        Background::start("exec", "", ["--stop-timeout", "200ms", "--", "sh", "-c", script], |_| {});
    run.wait_for("command-runs");
    run.signal(Signal::TERM);
    run.finish().expect(128 + 9, &[]);
    nothing_is_left();
}

#[test]
fn streams_are_untouched() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let mut child = Command::new(WRITEPATH)
        .args(["exec", "--quiet", "-o"])
        .arg(&path)
        .args(["--", "sh", "-c", "cat; echo from-the-command >&2"])
        .env("DOCKER_HOST", "unix:///nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("writepath can be started");
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut input = child.stdin.take().expect("it is piped");
    let sent = bytes.clone();
    let writer = thread::spawn(move || input.write_all(&sent));
    let output = child.wait_with_output().expect("it is ours");
    writer.join().expect("no panic").expect("the command reads");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stdout == bytes, "what the command writes is what comes out");
    assert_eq!(text(&output.stderr), "from-the-command\n");
}

#[test]
fn the_command_is_a_direct_child_in_a_cgroup_of_its_own() {
    if !can_run(&[]) {
        return;
    }
    let script = "echo parent=$PPID in=$(sed -n 's/^0:://p' /proc/self/cgroup)= >&2";
    let run = Background::start("exec", "", ["--", "sh", "-c", script], |_| {});
    let pid = run.child.id();
    let finished = run.finish();
    assert!(finished.message.contains(&format!("parent={pid} ")), "{}", finished.message);
    assert!(finished.message.contains(&format!("in=/writepath-{pid}-")), "{}", finished.message);
    finished.expect(0, &[]);
    nothing_is_left();
}
