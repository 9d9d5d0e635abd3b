//! The kernel itself as the oracle of completeness: every call of the `mnt_want_write` family that the subject makes must
//! belong to an operation that the profile reports.
//!
//! While one container performs the table of tests/operations.rs, the kernel traces with kprobes, and so without BPF,
//! which system calls of the subject take write access to a mount. For each row and each kind of operation there must be
//! at least as many reported operations as such calls, and a call that no kind of operation is known for must not
//! take write access at all. The subject marks where each row begins.
//!
//! Not counted is what the kernel does by itself: the time of the last access, which reading sets (`touch_atime`; an
//! open, too, of the links on its way), and opens that ask for write access only in case that a file is to be created,
//! find it, and only read.
//!
//! Needs root, a Docker daemon, the images that `cargo xtask test` makes, and a kernel with kprobes and tracefs, such as
//! those of `cargo xtask vm-test`; elsewhere it says so and passes.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper that cannot go on fails its test")]

mod common;
mod performance;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::{SUBJECT, can_run};
use performance::{OPTIONS, profile_of, rows, script_of};
use serde_json::Value;
use table::Row;

const TRACEFS: &str = "/sys/kernel/tracing";
/// Group and prefix of the events, and name of the tracing instance.
const OWN: &str = "writepath_oracle";
/// Functions that take write access to a mount. Opens of existing objects take it by the last one that the kernel has:
/// `__mnt_want_write` became `mnt_get_write_access` in Linux 6.8.
const FAMILY: [&str; 2] = ["mnt_want_write", "mnt_want_write_file"];
const OF_OPENS: [&str; 2] = ["mnt_get_write_access", "__mnt_want_write"];

/// Kprobes and a tracing instance of their own, removed at the end.
struct Trace {
    instance: PathBuf,
    probes: Vec<String>,
}

impl Trace {
    /// Starts to trace the tasks that are called `subject`.
    fn start() -> Result<Self, String> {
        let instance = Path::new(TRACEFS).join("instances").join(OWN);
        let mut trace = Self { instance, probes: Vec::new() };
        for function in FAMILY {
            trace.probe(function)?;
        }
        if !OF_OPENS.iter().any(|function| trace.probe(function).is_ok()) {
            return Err("the kernel has none of the functions that an open takes write access by".to_owned());
        }
        fs::create_dir(&trace.instance)
            .map_err(|error| format!("no tracing instance can be made: {error}"))?;
        trace.set("buffer_size_kb", "16384");
        for event in ["raw_syscalls/sys_enter", OWN] {
            trace.set(&format!("events/{event}/filter"), "comm == \"subject\"");
            trace.set(&format!("events/{event}/enable"), "1");
        }
        Ok(trace)
    }

    fn probe(&mut self, function: &str) -> Result<(), String> {
        let probes = Path::new(TRACEFS).join("kprobe_events");
        let event = format!("{OWN}/{function}");
        let line = format!("p:{event} {function}");
        append(&probes, &line).map_err(|error| format!("kprobes are not to be had: {error}"))?;
        self.probes.push(event);
        Ok(())
    }

    fn set(&self, file: &str, value: &str) {
        fs::write(self.instance.join(file), value)
            .unwrap_or_else(|error| panic!("{file} = {value}: {error}"));
    }

    /// What was traced, a line for each event.
    fn read(&self) -> String {
        for file in fs::read_dir(self.instance.join("per_cpu")).expect("an instance has processors") {
            let stats = fs::read_to_string(file.expect("it can be listed").path().join("stats"));
            let stats = stats.expect("a processor has figures");
            assert!(stats.contains("overrun: 0\n"), "the trace's buffer was too small: {stats}");
        }
        fs::read_to_string(self.instance.join("trace")).expect("the trace can be read")
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        for event in ["raw_syscalls/sys_enter", OWN] {
            let _ = fs::write(self.instance.join(format!("events/{event}/enable")), "0");
        }
        let _ = fs::remove_dir(&self.instance);
        for event in &self.probes {
            let _ = append(&Path::new(TRACEFS).join("kprobe_events"), &format!("-:{event}"));
        }
    }
}

/// A file of tracefs takes a command a write.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    fs::OpenOptions::new().append(true).open(file)?.write_all(line.as_bytes())
}

/// A system call that took write access to a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    /// The row, by its number.
    row: usize,
    /// The call's number.
    number: usize,
    /// Only as an open does for an object that exists, or for the time of an access.
    by_open: bool,
    /// The call's second and third argument.
    arguments: (u64, u64),
}

/// `COMM-PID [CPU] FLAGS TIME: EVENT: …`
fn parse(trace: &str) -> Vec<Taken> {
    let mut row = None;
    let mut current: BTreeMap<&str, Taken> = BTreeMap::new();
    let mut all = Vec::new();
    let mut noted: BTreeMap<&str, usize> = BTreeMap::new();
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        let Some((task, rest)) = line.trim_start().split_once(" [") else { continue };
        let pid = task.rsplit('-').next().expect("a task has a number").trim();
        let Some((_, event)) = rest.split_once(": ") else { continue };
        let (name, detail) = event.split_once(": ").unwrap_or((event, ""));
        if name == "sys_enter" {
            let detail = detail.trim_start_matches("NR ");
            let (number, arguments) = detail.split_once(' ').expect("a call has arguments");
            let number: usize = number.parse().expect("a call has a number");
            let arguments: Vec<u64> = arguments
                .trim_matches(|c| c == '(' || c == ')')
                .split(", ")
                .map(|word| u64::from_str_radix(word, 16).unwrap_or(0))
                .collect();
            if number == mark_number() {
                row = usize::try_from(arguments[0]).ok().and_then(|number| number.checked_sub(MARK));
            }
            noted.remove(pid);
            if let Some(row) = row {
                let taken = Taken { row, number, by_open: true, arguments: (arguments[1], arguments[2]) };
                current.insert(pid, taken);
            }
        } else if let Some(taken) = current.get_mut(pid) {
            taken.by_open &= OF_OPENS.contains(&name);
            // Once for each call, as it takes access several times on a file system above another.
            match noted.get(pid) {
                Some(&at) => all[at] = taken.clone(),
                None => {
                    noted.insert(pid, all.len());
                    all.push(taken.clone());
                }
            }
        }
    }
    all
}

/// Where rows are marked from: beyond any scheduling policy.
const MARK: usize = 1000;

/// sched_get_priority_max, see `mark` in xtask/subjects/src/calls.rs.
fn mark_number() -> usize {
    syscalls::Sysno::sched_get_priority_max as usize
}

/// The operations that a system call amounts to; this list is the test's own.
fn operations_of(call: &str) -> Option<&'static [&'static str]> {
    Some(match call {
        "open" | "openat" | "openat2" | "creat" | "open_by_handle_at" => &["open", "create", "tmpfile"],
        "mkdir" | "mkdirat" => &["mkdir"],
        "mknod" | "mknodat" => &["mknod"],
        "symlink" | "symlinkat" => &["symlink"],
        "link" | "linkat" => &["link"],
        "unlink" => &["unlink"],
        "unlinkat" => &["unlink", "rmdir"],
        "rmdir" => &["rmdir"],
        "rename" | "renameat" | "renameat2" => &["rename"],
        "truncate" | "ftruncate" | "fallocate" => &["truncate"],
        "chmod" | "fchmod" | "fchmodat" | "fchmodat2" => &["chmod"],
        "chown" | "lchown" | "fchown" | "fchownat" => &["chown"],
        "utime" | "utimes" | "futimesat" | "utimensat" => &["utimes"],
        "setxattr" | "lsetxattr" | "fsetxattr" | "setxattrat" | "ioctl" | "file_setattr" => &["setxattr"],
        "removexattr" | "lremovexattr" | "fremovexattr" | "removexattrat" => &["removexattr"],
        "bind" => &["bind"],
        _ => return None,
    })
}

/// Whether it is nothing that the subject asked for.
fn is_the_kernels_own(call: &str, taken: &Taken) -> bool {
    const O_CREAT: u64 = 0o100;
    const WRITES: u64 = 0o3 | 0o1000 | 0o20_000_000;
    let flags = match call {
        "open" => taken.arguments.0,
        "openat" | "open_by_handle_at" => taken.arguments.1,
        "openat2" | "creat" => return false,
        // Whoever reads, executes or maps sets the time of the last access, and whoever writes that of the last change.
        _ => return taken.by_open,
    };
    flags & (WRITES | O_CREAT) == 0
}

/// How often each kind of operation is reported in each row's directory.
fn reported(profile: &Value, rows: &[&Row]) -> BTreeMap<(usize, String), u64> {
    let mut counts = BTreeMap::new();
    for write in profile["writes"].as_array().expect("a list") {
        let path = write["path"].as_str().expect("a path");
        let in_row = |row: &&&Row| {
            let inside = path
                .strip_prefix(&row.directory())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            // What a row does elsewhere it does to a name that no other row uses.
            inside || row.operations().any(|(_, names)| names.split('<').next() == Some(path))
        };
        let Some(row) = rows.iter().position(|row| in_row(&row)) else { continue };
        let op = write["op"].as_str().expect("text").to_owned();
        *counts.entry((row, op)).or_default() += write["count"].as_u64().expect("a number");
    }
    counts
}

/// What the kernel saw and the profile does not report.
fn problems(taken: &[Taken], reported: &BTreeMap<(usize, String), u64>, rows: &[&Row]) -> Vec<String> {
    let mut needed: BTreeMap<(usize, &[&str]), u64> = BTreeMap::new();
    let mut problems = Vec::new();
    for call in taken {
        let name = syscalls::Sysno::new(call.number).map_or("?", |number| number.name());
        if is_the_kernels_own(name, call) {
            continue;
        }
        match operations_of(name) {
            Some(operations) => *needed.entry((call.row, operations)).or_default() += 1,
            None => {
                problems.push(format!("row {}: {name} takes write access to a mount", rows[call.row].name));
            }
        }
    }
    for ((row, operations), times) in needed {
        let seen: u64 = operations.iter().filter_map(|op| reported.get(&(row, (*op).to_owned()))).sum();
        // O_CREAT of an existing file that is only read asks for write access and goes on without.
        let tolerated = u64::from(rows[row].script.contains("create-to-read") && seen + 1 == times);
        if seen + tolerated < times {
            problems.push(format!(
                "row {}: {times} calls for {} took write access, and {seen} operations are reported",
                rows[row].name,
                operations.join(", ")
            ));
        }
    }
    problems
}

#[test]
fn whatever_takes_write_access_is_reported() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trace = match Trace::start() {
        Ok(trace) => trace,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let rows = rows();
    let profile = profile_of(&OPTIONS, script_of(&rows, Some(MARK)));
    let taken = parse(&trace.read());
    drop(trace);
    let reported = reported(&profile, &rows);

    let problems = problems(&taken, &reported, &rows);
    let seen: BTreeSet<usize> = taken.iter().map(|call| call.row).collect();
    assert!(seen.len() * 10 > rows.len() * 9, "the trace lacks most rows: {seen:?} of {}", rows.len());
    println!("{} system calls took write access to a mount in {} rows", taken.len(), rows.len());
    assert!(problems.is_empty(), "{problems:#?}");
}

/// A trace as the kernel writes it: two rows, in the first of which a chown and an unknown call take write access.
#[cfg(target_arch = "x86_64")]
const TRACE: &str = "# tracer: nop
         subject-7     [000] .....     1.000001: sys_enter: NR 146 (3e8, 0, 0, 0, 0, 0)
         subject-7     [000] .....     1.000002: sys_enter: NR 260 (ffffff9c, 1, 7, 7, 0, 0)
         subject-7     [000] .....     1.000003: mnt_want_write: (mnt_want_write+0x0/0x1d0)
         subject-7     [000] .....     1.000004: mnt_want_write: (mnt_want_write+0x0/0x1d0)
         subject-8     [001] .....     1.000005: sys_enter: NR 0 (3, 1, 7, 7, 0, 0)
         subject-8     [001] .....     1.000006: __mnt_want_write: (__mnt_want_write+0x0/0x100)
         subject-7     [000] .....     1.000007: sys_enter: NR 39 (0, 0, 0, 0, 0, 0)
         subject-7     [000] .....     1.000008: mnt_want_write_file: (mnt_want_write_file+0x0/0x80)
         subject-7     [000] .....     1.000009: sys_enter: NR 146 (3e9, 0, 0, 0, 0, 0)
         subject-7     [000] .....     1.000010: sys_enter: NR 257 (ffffff9c, 1, 1, 0, 0, 0)
         subject-7     [000] .....     1.000011: __mnt_want_write: (__mnt_want_write+0x0/0x100)
";

#[cfg(target_arch = "x86_64")]
#[test]
fn what_is_not_reported_is_found() {
    let rows: Vec<&Row> = table::TABLE.iter().take(2).collect();
    let taken = parse(TRACE);
    let calls: Vec<_> = taken.iter().map(|call| (call.row, call.number, call.by_open)).collect();
    assert_eq!(calls, [(0, 260, false), (0, 0, true), (0, 39, false), (1, 257, true)]);
    let unknown = format!("row {}: getpid takes write access to a mount", rows[0].name);
    let mut reported = BTreeMap::from([((0, "chown".to_owned()), 1), ((1, "open".to_owned()), 1)]);
    assert_eq!(problems(&taken, &reported, &rows), [unknown.as_str()]);
    reported.remove(&(0, "chown".to_owned()));
    let lacking = problems(&taken, &reported, &rows);
    assert_eq!(lacking.len(), 2, "{lacking:?}");
    assert!(lacking[1].contains("chown"), "{lacking:?}");
}
