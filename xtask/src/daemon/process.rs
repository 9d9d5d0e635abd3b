//! Processes by their ids: identity that survives the reuse of an id, and an end that is certain.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::waiting;

/// A process that a daemon was started as. The start time tells it from a later process with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pid: u32,
    start_ticks: u64,
    /// Inode of its network namespace.
    net: u64,
}

impl Process {
    /// The running process with this id.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start_ticks =
            start_ticks(&stat).with_context(|| format!("/proc/{pid}/stat is not understood"))?;
        Ok(Self { pid, start_ticks, net: network_of(pid)? })
    }

    pub(super) fn pid(self) -> u32 {
        self.pid
    }

    /// Inode of the network namespace it was seen in.
    pub(super) fn network(self) -> u64 {
        self.net
    }

    /// One line for a state file.
    pub(super) fn to_line(self) -> String {
        format!("{} {} {}\n", self.pid, self.start_ticks, self.net)
    }

    /// The inverse of [`Process::to_line`].
    pub(super) fn from_line(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace();
        let process = Self {
            pid: numbers.next()?.parse().ok()?,
            start_ticks: numbers.next()?.parse().ok()?,
            net: numbers.next()?.parse().ok()?,
        };
        numbers.next().is_none().then_some(process)
    }

    /// Whether this very process still runs (a zombie does not).
    pub(super) fn runs(self) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .is_ok_and(|stat| start_ticks(&stat) == Some(self.start_ticks) && state(&stat) != Some("Z"))
    }

    /// Asks it to end, and ends it where it has not within the limit.
    pub(super) fn end(self, limit: Duration) -> Result<()> {
        self.signal(Signal::TERM);
        if waiting::until("the end of a process", limit, || Ok(!self.runs())).is_ok() {
            return Ok(());
        }
        self.signal(Signal::KILL);
        waiting::until(&format!("the end of process {}", self.pid), limit, || Ok(!self.runs()))
    }

    fn signal(self, signal: Signal) {
        let id = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(id) = id
            && self.runs()
        {
            // It may end between the look and the signal; then there is nothing left to do.
            let _ = kill_process(id, signal);
        }
    }
}

/// Ends a child and reaps it.
pub(super) fn end_child(child: &mut Child, limit: Duration) -> Result<()> {
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    Process::of(child.id())?.end(limit)?;
    child.wait()?;
    Ok(())
}

/// Every process in the network namespace and every descendant of one: the processes in containers have namespaces
/// of their own, but are children of a shim that has not. Descendants come before their ancestors.
pub(super) fn around_network(net: u64) -> Result<Vec<Process>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Processes come and go meanwhile, and zombies have no namespaces.
        if let (Ok(process), Some(parent)) = (Process::of(pid), parent_of(pid)) {
            all.push((process, parent));
        }
    }
    let (mut found, mut rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(process, _)| process.net == net);
    let mut next = 0;
    while let Some(&(ancestor, _)) = found.get(next) {
        let (children, others) = rest.into_iter().partition(|&(_, parent)| parent == ancestor.pid);
        found.extend::<Vec<_>>(children);
        rest = others;
        next += 1;
    }
    Ok(found.into_iter().rev().map(|(process, _)| process).collect())
}

fn parent_of(pid: u32) -> Option<u32> {
    fields(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?.nth(1)?.parse().ok()
}

/// Inode of the network namespace of a process.
pub(super) fn network_of(pid: u32) -> Result<u64> {
    Ok(fs::metadata(format!("/proc/{pid}/ns/net"))?.ino())
}

/// The fields of `/proc/PID/stat` behind the name, which stands in parentheses and may itself hold spaces and
/// parentheses.
fn fields(stat: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

fn state(stat: &str) -> Option<&str> {
    fields(stat)?.next()
}

/// Field 22: start time since boot, in clock ticks.
fn start_ticks(stat: &str) -> Option<u64> {
    fields(stat)?.nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_known_by_id_and_start() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.runs());
        assert_eq!(Process::from_line(&own.to_line()), Some(own));
        assert!(!Process { start_ticks: own.start_ticks + 1, ..own }.runs());
        assert!(around_network(own.network()).unwrap().iter().any(|process| process.pid() == own.pid()));
    }

    #[test]
    fn stat_is_read_behind_a_hostile_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!((state(stat), start_ticks(stat)), (Some("S"), Some(4242)));
        assert_eq!(Process::from_line("1 2"), None);
    }

    #[test]
    fn a_child_is_ended_and_reaped() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        end_child(&mut child, Duration::from_secs(5)).unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{}", child.id())).exists());
    }
}
