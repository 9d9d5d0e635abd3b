//! What a subject needs capabilities for is in its plan, and nothing else is.
//!
//! Each row of the tables is a script of raw system calls (`subject script`, see xtask/subjects/src/privileges.rs). What
//! the table claims is checked against the kernel: a step that needs a capability fails in a container without it, a
//! script that needs none succeeds in a container that has none. Needs root, a Docker daemon and the images that
//! `cargo xtask test` makes; a row whose capability the host itself lacks is left out, and said to be.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::collections::BTreeSet;

use common::{Profiles, SUBJECT, can_run, docker, plan, read, set, strings, text, writepath_status};
use serde_json::Value;

/// A capability, and a script whose last step needs it.
struct Needed {
    cap: &'static str,
    /// Its bit in the capability sets of /proc/PID/status.
    number: u32,
    /// Steps, separated by commas.
    script: &'static str,
}

/// In an order in which one process can do all of it: what changes the process comes last.
const NEEDED: &[Needed] = &[
    Needed { cap: "CHOWN", number: 0, script: "create /tmp/chown, fchownat /tmp/chown" },
    Needed {
        cap: "FOWNER",
        number: 3,
        script: "create /tmp/fowner, fchownat /tmp/fowner, fchmodat /tmp/fowner",
    },
    Needed {
        cap: "DAC_OVERRIDE",
        number: 1,
        script: "create /tmp/dac, fchmodat /tmp/dac, fchownat /tmp/dac, openat:write /tmp/dac",
    },
    Needed { cap: "KILL", number: 5, script: "kill-other" },
    Needed { cap: "NET_BIND_SERVICE", number: 10, script: "bind-port 80" },
    Needed { cap: "NET_RAW", number: 13, script: "raw-socket" },
    Needed { cap: "MKNOD", number: 27, script: "mknod-device /tmp/null" },
    Needed {
        cap: "SETFCAP",
        number: 31,
        script: "create /dev/shm/setfcap, set-file-capability /dev/shm/setfcap",
    },
    Needed { cap: "SYS_NICE", number: 23, script: "raise-priority" },
    Needed { cap: "SYS_PTRACE", number: 19, script: "environment-of-other" },
    Needed { cap: "SYS_RESOURCE", number: 24, script: "raise-hard-limit" },
    Needed { cap: "SYS_ADMIN", number: 21, script: "mkdirat /tmp/mount, mount-tmpfs /tmp/mount" },
    Needed { cap: "SETPCAP", number: 8, script: "drop-from-bounding-set" },
    Needed { cap: "IPC_LOCK", number: 14, script: "lock-beyond-limit" },
    Needed { cap: "SYS_CHROOT", number: 18, script: "mkdirat /tmp/root, chroot /tmp/root" },
    Needed { cap: "SETGID", number: 6, script: "setgroups, setgid-other" },
    Needed { cap: "SETUID", number: 7, script: "setuid-other" },
];

/// What every container of these rows gets: no filter of system calls and no security module in the way, and low ports
/// privileged, as they are outside Docker's private networks.
const OPEN: &[&str] = &[
    "--security-opt",
    "seccomp=unconfined",
    "--security-opt",
    "apparmor=unconfined",
    "--sysctl",
    "net.ipv4.ip_unprivileged_port_start=1024",
];

/// Scripts that ask for capabilities, or look like it, and need none.
const NOT_NEEDED: &[&str] = &[
    "setuid-self",
    "setgid-self",
    "setresuid-self",
    "setresgid-self",
    "setreuid-self",
    "setfsuid-self",
    // FSETID: the bits are cleared by the write.
    "create /tmp/setid, chmod-setuid /tmp/setid, write-bytes /tmp/setid",
    // SYS_ADMIN: memory, and memory copied by a fork; KILL and SYS_PTRACE for a process of its own user.
    "map-memory 100",
    "kill-own",
    "environment-of-own",
    "openat:read /etc/passwd",
    "create /tmp/own, keep-owner /tmp/own, fchmodat /tmp/own, openat:write /tmp/own",
    "lower-priority",
    "lower-hard-limit",
    "bind-port 8080",
    // SETPCAP: giving up a capability. Last, because it is gone then.
    "drop-capability",
];

fn words(script: &str) -> impl Iterator<Item = String> + '_ {
    script.split(", ").flat_map(|step| step.split(' ')).map(str::to_owned)
}

/// The capabilities that the host can give.
fn host_capabilities() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("there is one");
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).expect("it has a bounding set");
    u64::from_str_radix(line.trim(), 16).expect("it is a number")
}

fn rows() -> Vec<&'static Needed> {
    let host = host_capabilities();
    let (rows, lacking): (Vec<_>, Vec<_>) = NEEDED.iter().partition(|row| host & (1 << row.number) != 0);
    for row in lacking {
        println!("left out: this host itself lacks {}", row.cap);
    }
    rows
}

/// A profile of one script with these options.
fn profile(
    profiles: &Profiles,
    options: &[&str],
    script: impl Iterator<Item = String>,
) -> std::path::PathBuf {
    let path = profiles.path("p.json");
    let mut words = vec!["run", "--quiet", "-o", path.to_str().expect("it is text")];
    words.extend(options);
    words.extend([SUBJECT, "script"]);
    writepath_status(0, words.into_iter().map(str::to_owned).chain(script));
    path
}

/// What one script does in a plain container: whether it succeeds, and what it says.
fn try_script(options: &[&str], script: impl Iterator<Item = String>) -> (bool, String) {
    let mut words = vec!["run", "--rm", "--label", "io.writepath.test=1"];
    words.extend(options);
    words.extend([SUBJECT, "script"]);
    let output = docker(words.into_iter().map(str::to_owned).chain(script)).expect("docker is installed");
    (output.status.success(), text(&output.stderr))
}

/// The verdicts on a capability, with how it came to them.
fn checks<'a>(profile: &'a Value, cap: &str) -> Vec<&'a Value> {
    let all = profile["capabilities"].as_array().expect("a list");
    all.iter()
        .filter(|entry| entry["cap"] == *cap)
        .flat_map(|entry| entry["evidence"].as_array().expect("a list"))
        .collect()
}

fn verdicts<'a>(profile: &'a Value, cap: &str) -> BTreeSet<&'a str> {
    checks(profile, cap).into_iter().map(|check| check["verdict"].as_str().expect("text")).collect()
}

#[test]
fn what_needs_a_capability_is_in_the_plan() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let rows = rows();
    let mut options = OPEN.to_vec();
    options.extend(rows.iter().flat_map(|row| ["--cap-add", row.cap]));
    let profiles = Profiles::new();
    let path = profile(&profiles, &options, rows.iter().flat_map(|row| words(row.script)));
    let profile = read(&path);
    assert_eq!(profile["coverage"]["complete"], true, "{}", profile["coverage"]);
    let wanted: BTreeSet<String> = rows.iter().map(|row| row.cap.to_owned()).collect();
    assert_eq!(strings(&plan(&path), "cap_add", "cap"), wanted, "{}", profile["capabilities"]);
}

#[test]
fn what_is_said_to_need_a_capability_fails_without_it() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    // Beside Docker's defaults nothing is added: SYS_ADMIN alone permits much that other capabilities do.
    for row in rows() {
        let (succeeded, message) = try_script(&[OPEN, &["--cap-drop", row.cap]].concat(), words(row.script));
        let step = row.script.rsplit(", ").next().and_then(|step| step.split(' ').next()).expect("a step");
        // setgroups and setgid both need SETGID: the first of them fails.
        let step = if row.cap == "SETGID" { "setgroups" } else { step };
        assert!(!succeeded, "{} succeeds without {}", row.script, row.cap);
        assert!(
            message.contains(&format!("subject: {step}: "))
                && (message.contains("(os error 1)") || message.contains("(os error 13)")),
            "{} without {}: {message}",
            row.script,
            row.cap
        );
        let (succeeded, message) = try_script(&[OPEN, &["--cap-add", row.cap]].concat(), words(row.script));
        assert!(succeeded, "{} with {}: {message}", row.script, row.cap);
    }
}

#[test]
fn what_needs_no_capability_puts_none_into_the_plan() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let script = || NOT_NEEDED.iter().flat_map(|script| words(script));
    let (succeeded, message) = try_script(&["--cap-drop", "ALL"], script());
    assert!(succeeded, "{message}");
    let profiles = Profiles::new();
    // As much as the host has, so that every check is granted.
    let mut options = OPEN.to_vec();
    let rows = rows();
    options.extend(rows.iter().flat_map(|row| ["--cap-add", row.cap]));
    let path = profile(&profiles, &options, script());
    let profile = read(&path);
    assert_eq!(profile["coverage"]["complete"], true, "{}", profile["coverage"]);
    assert_eq!(strings(&plan(&path), "cap_add", "cap"), BTreeSet::new(), "{}", profile["capabilities"]);
    // Of these the kernel asks in any version that is supported.
    for cap in ["SETUID", "SETGID", "FSETID"] {
        assert_eq!(verdicts(&profile, cap), BTreeSet::from(["opportunistic"]), "{cap}: {profile}");
    }
    // Of these it asks in security/commoncap.c itself, where the compiler may have inlined cap_capable: `fexit` does not
    // see it then.
    for cap in ["SETPCAP", "SYS_ADMIN"] {
        assert!(verdicts(&profile, cap).is_subset(&BTreeSet::from(["opportunistic"])), "{cap}: {profile}");
    }
    // Of these it does not even ask.
    for cap in ["CHOWN", "FOWNER", "DAC_OVERRIDE", "KILL", "NET_BIND_SERVICE", "SYS_NICE", "SYS_RESOURCE"] {
        assert!(checks(&profile, cap).is_empty(), "{cap}: {profile}");
    }
}

/// A directory of somebody else's in which a directory cannot be linked, whatever the capabilities.
const FAILS_ALL_THE_SAME: &str =
    "mkdirat /tmp/d, mkdirat /tmp/d/sub, fchownat /tmp/d, ?link /tmp/d/sub /tmp/d/other";

#[test]
fn what_is_refused_all_the_same_needs_no_capability() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profile(&profiles, &[], words(FAILS_ALL_THE_SAME));
    let profile = read(&path);
    assert_eq!(strings(&plan(&path), "cap_add", "cap"), set(["CHOWN"]), "{}", profile["capabilities"]);
    let granted: Vec<_> =
        checks(&profile, "DAC_OVERRIDE").into_iter().filter(|check| check["granted"] == true).collect();
    assert!(!granted.is_empty(), "{profile}");
    assert!(granted.iter().all(|check| check["verdict"] == "attempted"), "{profile}");
    let (succeeded, message) = try_script(&["--cap-drop", "DAC_OVERRIDE"], words(FAILS_ALL_THE_SAME));
    assert!(succeeded, "{message}");
}

#[test]
fn a_port_below_1024_is_recorded_whatever_the_sysctl() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path =
        profile(&profiles, &["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"], words("bind-port 80"));
    let profile = read(&path);
    let checks = checks(&profile, "NET_BIND_SERVICE");
    assert_eq!(checks.len(), 1, "{profile}");
    assert_eq!(checks[0]["verdict"], "opportunistic");
    assert_eq!(checks[0]["syscall"], "bind");
    assert!(checks[0]["reason"].as_str().expect("text").contains("port 80"), "{profile}");
    let plan = plan(&path);
    assert_eq!(strings(&plan, "cap_add", "cap"), BTreeSet::new(), "{plan}");
    assert!(strings(&plan, "warnings", "code").contains("privileged-port"), "{plan}");
}

/// Read a file that only another user may read.
const READS: &str = "create /tmp/f, fchmodat /tmp/f, fchownat /tmp/f, openat:read /tmp/f";

#[test]
fn one_of_the_capabilities_to_read_is_enough() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    // Asked first and refused; the other is what it hangs on.
    let path = profile(&profiles, &[], words(READS));
    assert_eq!(verdicts(&read(&path), "DAC_READ_SEARCH"), BTreeSet::from(["attempted"]));
    assert_eq!(strings(&plan(&path), "cap_add", "cap"), set(["CHOWN", "DAC_OVERRIDE"]));
    let options = ["--cap-add", "DAC_READ_SEARCH", "--cap-drop", "DAC_OVERRIDE"];
    let path = profile(&profiles, &options, words(READS));
    assert_eq!(strings(&plan(&path), "cap_add", "cap"), set(["CHOWN", "DAC_READ_SEARCH"]));
    let (succeeded, message) = try_script(&["--cap-drop", "DAC_OVERRIDE"], words(READS));
    assert!(!succeeded && message.contains("subject: openat:read: "), "{message}");
    // Both needed, one of them for reading only: the other serves for that.
    let path = profile(
        &profiles,
        &["--cap-add", "DAC_READ_SEARCH"],
        words(&format!("{READS}, openat:write /tmp/f")),
    );
    assert_eq!(strings(&plan(&path), "cap_add", "cap"), set(["CHOWN", "DAC_OVERRIDE"]));
}

#[test]
fn a_user_namespace_of_its_own_is_no_matter_of_the_plan() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    const SCRIPT: &str = "new-user-namespace, new-mount-namespace";
    let open = ["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"];
    let (succeeded, message) = try_script(&[&open[..], &["--cap-drop", "ALL"]].concat(), words(SCRIPT));
    if !succeeded {
        println!("skipped: this host allows no user namespaces: {message}");
        return;
    }
    let profiles = Profiles::new();
    let path = profile(&profiles, &open, words(SCRIPT));
    let profile = read(&path);
    assert_eq!(strings(&plan(&path), "cap_add", "cap"), BTreeSet::new(), "{}", profile["capabilities"]);
    assert!(
        checks(&profile, "SYS_ADMIN").iter().any(|check| check["syscall"] == "unshare"),
        "{}",
        profile["capabilities"]
    );
}
