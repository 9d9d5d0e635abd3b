//! What `doctor` says of hosts, and how the other commands refuse one that will not do. Needs root and a Docker daemon;
//! hosts that lack something are made of this one, in namespaces of the test's own.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::process::{Command, Output};

use common::{Profiles, SUBJECT, can_run, docker_ok, text, writepath};

/// The line of a report that starts with this.
fn line<'a>(report: &'a str, what: &str) -> &'a str {
    report.lines().find(|line| line.starts_with(what)).unwrap_or_default()
}

fn is_ok(report: &str, what: &str) -> bool {
    line(report, what).contains("  ok  ")
}

/// `writepath` in a mount namespace of its own, in which the commands have changed what is mounted.
fn writepath_where(changes: &str, arguments: &[&str]) -> Output {
    let script = format!("set -eu\n{changes}\nexec \"$@\"");
    Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(env!("CARGO_BIN_EXE_writepath"))
        .args(arguments)
        .output()
        .expect("unshare is installed")
}

/// Leaves hierarchies of version 1 alone, as on a host that was booted with them: where there is none, one without a
/// controller is mounted.
const VERSION_1_ALONE: &str = "
    while point=$(awk '/ - cgroup2 /{ print $5; exit }' /proc/self/mountinfo) && [ -n \"$point\" ]; do
        umount -l \"$point\"
    done
    if ! grep -q ' - cgroup ' /proc/self/mountinfo; then
        mount -t tmpfs tmpfs /sys/fs/cgroup
        mkdir /sys/fs/cgroup/named
        mount -t cgroup -o none,name=writepath-test none /sys/fs/cgroup/named
    fi";

#[test]
fn this_host_will_do_and_its_particulars_are_named() {
    if !can_run(&[]) {
        return;
    }
    let output = writepath(["doctor"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}");
    for what in [
        "kernel",
        "architecture",
        "privileges",
        "type information",
        "cgroups",
        "would be used",
        "container runtime",
    ] {
        assert!(is_ok(&report, what), "{what}: {report}");
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("proc is mounted");
    assert!(line(&report, "kernel").contains(release.trim()), "{report}");
    let driver = docker_ok(["info", "--format", "{{.Driver}}, cgroup version {{.CgroupVersion}}"]);
    assert!(line(&report, "container runtime").contains(&driver), "{report}");
    // One kind of sensors works, and where it is not the preferred one the kernel's reason is given.
    let used = line(&report, "would be used");
    if is_ok(&report, "fexit sensors") {
        assert!(used.contains("fexit sensors"), "{report}");
    } else {
        assert!(is_ok(&report, "tracepoint sensors") && used.contains("tracepoint sensors"), "{report}");
        assert!(used.contains("refused"), "{report}");
    }
}

#[test]
fn a_host_with_version_1_alone_is_refused_by_every_command() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json").to_string_lossy().into_owned();
    for arguments in [
        &["run", "-o", &path, SUBJECT][..],
        &["exec", "-o", &path, "--", "true"],
        &["attach", "-o", &path, "writepath-test-no-such-container"],
        &["attach", "-o", &path, "--cgroup", "/sys/fs/cgroup"],
    ] {
        let output = writepath_where(VERSION_1_ALONE, arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {message}");
        assert!(message.contains("version 1 alone"), "{arguments:?}: {message}");
        assert!(
            message.contains("hint: ") && message.contains("mount -t cgroup2"),
            "{arguments:?}: {message}"
        );
    }
    let output = writepath_where(VERSION_1_ALONE, &["doctor"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{report}");
    let cgroups = line(&report, "cgroups");
    assert!(cgroups.contains("MISSING") && cgroups.contains("version 1 alone"), "{report}");
    assert!(report.contains("to mend it: mount it beside version 1"), "{report}");
    assert!(is_ok(&report, "would be used"), "the rest is looked at all the same: {report}");
}

/// What the hints say mends it.
#[test]
fn the_hint_for_version_1_alone_mends_it() {
    if !can_run(&[]) {
        return;
    }
    let mended = format!(
        "{VERSION_1_ALONE}
        mount -o remount,rw /sys/fs/cgroup
        mkdir -p /sys/fs/cgroup/unified
        mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"
    );
    let output = writepath_where(&mended, &["doctor"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}{}", text(&output.stderr));
    assert!(is_ok(&report, "cgroups") && line(&report, "cgroups").contains("hybrid"), "{report}");
}

#[test]
fn a_kernel_without_type_information_is_named() {
    if !can_run(&[]) {
        return;
    }
    // A directory with nothing in it hides the kernel's.
    let output = writepath_where("mount -t tmpfs tmpfs /sys/kernel/btf", &["doctor"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{report}");
    assert!(line(&report, "type information").contains("MISSING"), "{report}");
    assert!(line(&report, "would be used").contains("MISSING"), "{report}");
    assert!(report.contains("CONFIG_DEBUG_INFO_BTF=y"), "{report}");
}

#[test]
fn without_privileges_the_way_to_them_is_named() {
    if !can_run(&[]) {
        return;
    }
    let output = Command::new("setpriv")
        .args(["--bounding-set", "-all", "--inh-caps", "-all", env!("CARGO_BIN_EXE_writepath"), "doctor"])
        .output()
        .expect("setpriv is installed");
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{report}");
    let privileges = line(&report, "privileges");
    assert!(privileges.contains("MISSING") && privileges.contains("SYS_PTRACE"), "{report}");
    // Both kinds of sensors were tried, and both reasons are given.
    let used = line(&report, "would be used");
    assert!(used.contains("MISSING"), "{report}");
}

#[test]
fn without_a_runtime_commands_can_still_be_profiled() {
    if !can_run(&[]) {
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_writepath"))
        .arg("doctor")
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .output()
        .expect("writepath can be started");
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}");
    let runtime = line(&report, "container runtime");
    assert!(runtime.contains("  no  ") && runtime.contains("exec"), "{report}");
    assert!(report.contains("DOCKER_HOST=unix:///nonexistent/docker.sock"), "{report}");
}
