//! Who watches a subject while it is measured: nobody, an empty program at our hooks, our sensors, other tracers.
//!
//! Each is attached to a subject that is there already, and taken away again. Whether one works on this host is found
//! out by trying; one that does not is reported with its own words.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::footprint::{Footprint, Watched};
use super::helper::{Helper, following, has_perf_event};
use super::subject::{Held, Subject};
use crate::packages::{self, Package};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Observer {
    /// Nobody
    Bare,
    /// A program that returns 0 at the tracepoint of every system call's exit
    EmptyTracepoint,
    /// The same at the exits of openat and close
    EmptyFexit,
    /// writepath with --sensor tracepoint
    Tracepoint,
    /// writepath with --sensor fexit
    Fexit,
    /// strace -f -e trace=%file
    Strace,
    /// A bpftrace script that counts paths of the same calls by cgroup
    Bpftrace,
    /// perf trace of the same calls by process
    PerfTrace,
}

/// The system calls that the tracers look at: name, number on x86-64, which argument is the (first) path.
const CALLS: [(&str, u32, u32); 23] = [
    ("open", 2, 0),
    ("openat", 257, 1),
    ("openat2", 437, 1),
    ("creat", 85, 0),
    ("mkdir", 83, 0),
    ("mkdirat", 258, 1),
    ("mknodat", 259, 1),
    ("symlinkat", 266, 0),
    ("symlink", 88, 0),
    ("linkat", 265, 1),
    ("link", 86, 0),
    ("unlink", 87, 0),
    ("unlinkat", 263, 1),
    ("rmdir", 84, 0),
    ("rename", 82, 0),
    ("renameat", 264, 1),
    ("renameat2", 316, 1),
    ("truncate", 76, 0),
    ("chmod", 90, 0),
    ("fchmodat", 268, 1),
    ("chown", 92, 0),
    ("fchownat", 260, 1),
    ("utimensat", 280, 1),
];

/// Where the programs are that observers are made of.
pub(super) struct Tools {
    /// The release binary of writepath.
    pub(super) writepath: PathBuf,
    /// `empty-probe` of `xtask/subjects`.
    pub(super) empty_probe: PathBuf,
    /// Where profiles and outputs go.
    pub(super) scratch: PathBuf,
}

/// An observer at work.
pub(super) struct Attached {
    helper: Option<Helper>,
    watched: Option<Watched>,
}

impl Attached {
    /// Takes the observer away. What it cost since it was attached, where it is ours.
    pub(super) fn end(self) -> Result<Option<Footprint>> {
        let footprint = self.watched.as_ref().map(Watched::footprint).transpose()?;
        if let Some(helper) = self.helper {
            helper.end()?;
        }
        Ok(footprint)
    }
}

impl Observer {
    /// As on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it is writepath.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Tracepoint | Self::Fexit)
    }

    /// Whether it is a tracer of somebody else's.
    pub(super) fn is_foreign(self) -> bool {
        matches!(self, Self::Strace | Self::Bpftrace | Self::PerfTrace)
    }

    /// Installs what it takes, and attaches it to something that does nothing.
    ///
    /// # Errors
    /// Why it cannot be used here.
    pub(super) fn try_out(self, tools: &Tools, processors: &str) -> Result<()> {
        let package = match self {
            Self::Strace => Some(Package::program("strace", "strace")),
            Self::Bpftrace => Some(Package::program("bpftrace", "bpftrace")),
            Self::PerfTrace => Some(Package::program("linux-perf", "perf")),
            _ => None,
        };
        if let Some(package) = package {
            packages::ensure(&[package])?;
        }
        let mut held = Held::start(&Command::new("true"), processors)?;
        let attached = self.attach(tools, &held.subject)?;
        held.release()?;
        attached.end()?;
        Ok(())
    }

    /// Attaches it to the subject, and returns when it watches.
    pub(super) fn attach(self, tools: &Tools, subject: &Subject) -> Result<Attached> {
        let mut helper = match self {
            Self::Bare => return Ok(Attached { helper: None, watched: None }),
            Self::EmptyTracepoint => empty_probe(tools, &["tracepoint", "sys_exit"])?,
            Self::EmptyFexit => empty_probe(tools, &["exit", &function("openat"), &function("close")])?,
            Self::Tracepoint | Self::Fexit => ours(tools, self.name().as_str(), subject)?,
            Self::Strace => strace(subject)?,
            Self::Bpftrace => bpftrace(subject)?,
            Self::PerfTrace => perf_trace(subject)?,
        };
        let watched = if self.is_ours() { Some(Watched::begin(helper.pid())?) } else { None };
        // One that was refused may take a moment to say so.
        helper.wait_until(|_| true)?;
        Ok(Attached { helper: Some(helper), watched })
    }
}

/// The kernel's entry function of a system call.
fn function(call: &str) -> String {
    let prefix = if cfg!(target_arch = "aarch64") { "__arm64_sys_" } else { "__x64_sys_" };
    format!("{prefix}{call}")
}

fn empty_probe(tools: &Tools, arguments: &[&str]) -> Result<Helper> {
    let mut helper = Helper::start(following(&tools.empty_probe).args(arguments))?;
    helper.wait_for_words("attached")?;
    Ok(helper)
}

fn ours(tools: &Tools, sensor: &str, subject: &Subject) -> Result<Helper> {
    let mut command = following(&tools.writepath);
    command.args(["attach", "--sensor", sensor, "-o"]).arg(tools.scratch.join("attached.json"));
    match &subject.container {
        Some(container) => command.arg(container),
        None => command.arg("--cgroup").arg(&subject.cgroup),
    };
    let mut helper = Helper::start(&mut command)?;
    // The sensors are on before the first words, and the subject's phase begins with these.
    helper.wait_for_words("steady: watching")?;
    Ok(helper)
}

fn strace(subject: &Subject) -> Result<Helper> {
    let pids = subject.pids()?;
    let mut command = following("strace");
    // What it prints costs as little as can be.
    command.args(["-f", "-e", "trace=%file", "-o", "/dev/null"]);
    for pid in &pids {
        command.args(["-p", pid]);
    }
    let mut helper = Helper::start(&mut command)?;
    helper.wait_until(|helper| {
        let output = helper.output();
        pids.iter().all(|pid| output.contains(&format!("Process {pid} attached")))
    })?;
    Ok(helper)
}

/// A tracer that needs tracefs, which is built in more often than it is mounted: mounted for the tracer alone.
fn with_tracefs(program: &str) -> Command {
    let script = "test -e /sys/kernel/tracing/events || mount -t tracefs tracefs /sys/kernel/tracing; exec \"$0\" \"$@\"";
    let mut command = following("unshare");
    command.args(["--mount", "sh", "-c", script, program]);
    command
}

fn perf_trace(subject: &Subject) -> Result<Helper> {
    let calls: Vec<&str> = CALLS.iter().map(|(name, ..)| *name).collect();
    let mut command = with_tracefs("perf");
    command.args(["trace", "-o", "/dev/null", "-e", &calls.join(","), "-p", &subject.pids()?.join(",")]);
    let mut helper = Helper::start(&mut command)?;
    // It says nothing when it is ready; events that are open are enabled right after the last of them.
    helper.wait_until(|helper| has_perf_event(helper.pid()))?;
    crate::waiting::until("perf trace to sleep", Duration::from_secs(10), || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", helper.pid())).unwrap_or_default();
        Ok(stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('S')))
    })?;
    Ok(helper)
}

fn bpftrace(subject: &Subject) -> Result<Helper> {
    if !cfg!(target_arch = "x86_64") {
        bail!("the script has the numbers of x86-64's system calls");
    }
    let cgroup = fs::metadata(&subject.cgroup)?.ino();
    let mut helper = Helper::start(with_tracefs("bpftrace").args(["-e", &script(cgroup)]))?;
    helper.wait_for_words("probes-run")?;
    Ok(helper)
}

/// Remembers the path's address at the call and counts (call, path, result) at its exit, as a user would write it.
/// Arguments are read before the tests: between them, LLVM computes their address first, which the verifier refuses
/// ("dereference of modified ctx ptr").
fn script(cgroup: u64) -> String {
    let is_one_of = |argument: u32| {
        let calls = CALLS.iter().filter(|(_, _, path)| *path == argument);
        calls.map(|(_, number, _)| format!("$id == {number}")).collect::<Vec<_>>().join(" || ")
    };
    format!(
        "tracepoint:raw_syscalls:sys_enter /cgroup == {cgroup}/ {{\n\
         $id = args->id; $first = args->args[0]; $second = args->args[1];\n\
         if ({}) {{ @path[tid] = $first; }}\n\
         if ({}) {{ @path[tid] = $second; }}\n\
         }}\n\
         tracepoint:raw_syscalls:sys_exit /@path[tid]/ {{ @[args->id, str(@path[tid]), args->ret] = count(); delete(@path[tid]); }}\n\
         interval:ms:50 /@said == 0/ {{ printf(\"probes-run\\n\"); @said = 1; }}\n\
         END {{ clear(@); clear(@path); clear(@said); }}\n",
        is_one_of(0),
        is_one_of(1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observers_are_named_as_on_the_command_line() {
        assert_eq!(Observer::EmptyTracepoint.name(), "empty-tracepoint");
        assert_eq!(Observer::PerfTrace.name(), "perf-trace");
    }

    #[test]
    fn the_script_knows_every_call_and_the_cgroup() {
        let script = script(42);
        assert!(script.contains("cgroup == 42"));
        for (name, number, path) in CALLS {
            assert!(path < 2, "{name}");
            let uses = [" ||", ")"].map(|end| script.matches(&format!("$id == {number}{end}")).count());
            assert_eq!(uses[0] + uses[1], 1, "{name}");
        }
    }
}
