//! Facts about the host: the kernel's name, clocks, processes.

use std::path::Path;

use reports::model::Host;

/// Kernel and machine; sensors and runtime are for others to fill in.
pub(crate) fn host() -> Host {
    let name = rustix::system::uname();
    Host {
        kernel: name.release().to_string_lossy().into_owned(),
        arch: name.machine().to_string_lossy().into_owned(),
        ..Host::default()
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds, the clock of the kernel half.
pub(crate) fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// When a process started, in clock ticks since boot: with its number it names it for good. `None`: there is none.
pub(crate) fn process_start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows the last one is regular. Field 22 of proc(5).
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether the kernel may preempt a task that is in it. Where that cannot be told it may.
///
/// `uname -v` names the preemption model that it was built with; with `PREEMPT_DYNAMIC` the model is chosen when it boots,
/// and debugfs, where it is mounted, tells (Linux kernel/sched/debug.c, `sched_dynamic_show`).
pub(crate) fn is_preemptible() -> bool {
    let chosen = std::fs::read_to_string("/sys/kernel/debug/sched/preempt").unwrap_or_default();
    preempts(&rustix::system::uname().version().to_string_lossy(), &chosen)
}

fn preempts(version: &str, chosen: &str) -> bool {
    version.contains("PREEMPT") && !chosen.contains("(none)") && !chosen.contains("(voluntary)")
}

/// Whether this process may load BPF programs: it is root in the eyes of the kernel.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What loading the programs and looking into other processes' roots takes, by number (include/uapi/linux/capability.h),
/// name, and the number of another capability that holds it.
const NEEDED: [(u32, &str, Option<u32>); 4] = [
    (2, "DAC_READ_SEARCH", Some(DAC_OVERRIDE)),
    (19, "SYS_PTRACE", None),
    (38, "PERFMON", Some(SYS_ADMIN)),
    (39, "BPF", Some(SYS_ADMIN)),
];
const DAC_OVERRIDE: u32 = 1;
const SYS_ADMIN: u32 = 21;

/// Capabilities that this process lacks, as root in a container does.
pub(crate) fn lacking_capabilities() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    lacking(&status)
}

/// Why the files of a subject could not be looked at from here. Nothing fails for it, names and sizes are merely not found:
/// it has to be asked beforehand.
pub(crate) fn blindness() -> Option<String> {
    // Without the others the kernel refuses the programs, and says so.
    let lacking = lacking_capabilities();
    let blinding: Vec<_> =
        lacking.into_iter().filter(|name| ["DAC_READ_SEARCH", "SYS_PTRACE"].contains(name)).collect();
    if !blinding.is_empty() {
        return Some(format!("root, but without the capabilities {}", blinding.join(", ")));
    }
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    (namespace != Path::new(INITIAL_PID_NAMESPACE))
        .then(|| "in a PID namespace of its own, where the kernel's process numbers mean nothing".to_owned())
}

/// The PID namespace that numbers in the kernel half are of (Linux include/linux/proc_ns.h, `PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// How a container has to be started so that nothing of this is missing.
pub(crate) const IN_A_CONTAINER: &str = "run it on the host itself, or in a container with --pid=host --cgroupns=host \
    --cap-add=SYS_ADMIN --cap-add=SYS_PTRACE --cap-add=DAC_READ_SEARCH --cap-add=SYSLOG \
    --volume=/sys/fs/cgroup:/sys/fs/cgroup:ro --volume=/var/run/docker.sock:/var/run/docker.sock";

fn lacking(status: &str) -> Vec<&'static str> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    let has = |number: u32| effective >> number & 1 == 1;
    let lacks = |number: u32, holder: Option<u32>| !(has(number) || holder.is_some_and(has));
    NEEDED.iter().filter(|(number, _, holder)| lacks(*number, *holder)).map(|(_, name, _)| *name).collect()
}

/// The mode of the kernel's lockdown, `none` where it has none or does not say.
pub(crate) fn lockdown() -> String {
    let text = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    lockdown_of(&text).unwrap_or("none").to_owned()
}

/// The mode in brackets: `none [integrity] confidentiality`.
fn lockdown_of(text: &str) -> Option<&str> {
    Some(text.split_once('[')?.1.split_once(']')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_told_apart() {
        assert!(process_start_time(std::process::id()).is_some());
        assert_eq!(process_start_time(u32::MAX), None);
    }

    #[test]
    fn preemption_is_told_from_the_build_and_the_choice() {
        assert!(!preempts("#1 SMP Debian 5.10.223-1", ""));
        assert!(preempts("#1 SMP PREEMPT_DYNAMIC Debian 6.12", ""));
        assert!(preempts("#1 SMP PREEMPT_DYNAMIC", "none voluntary (full) lazy\n"));
        assert!(!preempts("#1 SMP PREEMPT_DYNAMIC", "none (voluntary) full\n"));
    }

    #[test]
    fn lacking_capabilities_are_named() {
        assert_eq!(lacking("Name:\tx\nCapEff:\t000001ffffffffff\n"), Vec::<&str>::new());
        // Docker's default set.
        assert_eq!(lacking("CapEff:\t00000000a80425fb\n"), ["SYS_PTRACE", "PERFMON", "BPF"]);
        // SYS_ADMIN and SYS_PTRACE.
        assert_eq!(lacking("CapEff:\t0000000000280000\n"), ["DAC_READ_SEARCH"]);
        assert_eq!(lacking("CapEff:\t0000000000280004\n"), Vec::<&str>::new());
    }

    #[test]
    fn lockdown_is_the_mode_in_brackets() {
        assert_eq!(lockdown_of("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(lockdown_of(""), None);
    }
}
