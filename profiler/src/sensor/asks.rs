//! What capability checks want to know of the system call they are made in, as data; see [`profiler_ebpf::ask`].

use profiler_ebpf::{
    SYSCALL_SLOTS,
    ask::{NO_RESULT, RESULT_SEEN, kind},
};

use super::calls;

/// Calls whose arguments tell something, or that do not come back.
const ASKS: &[(i64, u8)] = &[
    (libc::SYS_brk, kind::MEMORY),
    (libc::SYS_mmap, kind::MMAP),
    (libc::SYS_munmap, kind::MEMORY),
    (libc::SYS_mremap, kind::MEMORY),
    (libc::SYS_mprotect, kind::MEMORY),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_fork, kind::MEMORY),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, kind::MEMORY),
    (libc::SYS_clone, kind::CLONE),
    (libc::SYS_clone3, kind::CLONE3),
    (libc::SYS_setuid, kind::SETUID),
    (libc::SYS_setgid, kind::SETGID),
    (libc::SYS_setresuid, kind::SETRESUID),
    (libc::SYS_setresgid, kind::SETRESGID),
    (libc::SYS_capset, kind::CAPSET),
    (libc::SYS_exit, NO_RESULT),
    (libc::SYS_exit_group, NO_RESULT),
];

/// Calls that ask for capabilities and have a program of their own in the `fexit` sensor, with the names of their
/// functions in the kernel. Those of [`calls`] need none. Each takes its time to attach: here are those in which something
/// else may refuse after the capability was granted (a security module, above all).
const WITH_RESULT: &[(i64, &str)] = &[
    (libc::SYS_setuid, "setuid"),
    (libc::SYS_setgid, "setgid"),
    (libc::SYS_setresuid, "setresuid"),
    (libc::SYS_setresgid, "setresgid"),
    (libc::SYS_setgroups, "setgroups"),
    (libc::SYS_prctl, "prctl"),
    (libc::SYS_pivot_root, "pivot_root"),
    (libc::SYS_mount, "mount"),
    (libc::SYS_umount2, "umount"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_setsockopt, "setsockopt"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_perf_event_open, "perf_event_open"),
];

/// The table by number, as the programs want it.
pub(super) fn table() -> [u8; SYSCALL_SLOTS] {
    let mut table = [0; SYSCALL_SLOTS];
    let seen =
        WITH_RESULT.iter().map(|(number, _)| *number).chain(calls::names().map(|(number, _)| number.into()));
    let seen = seen.map(|number| (number, RESULT_SEEN));
    for (number, ask) in ASKS.iter().copied().chain(seen) {
        if let Some(slot) = usize::try_from(number).ok().and_then(|number| table.get_mut(number)) {
            *slot |= ask;
        }
    }
    table
}

/// The kernel's functions whose exit says the result of a call that may have asked for a capability.
pub(super) fn functions_with_result() -> impl Iterator<Item = &'static str> {
    WITH_RESULT.iter().map(|(_, function)| *function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_listed_twice() {
        let unique = |mut numbers: Vec<i64>| {
            let len = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            numbers.len() == len
        };
        assert!(unique(ASKS.iter().map(|(number, _)| *number).collect()));
        let own = WITH_RESULT.iter().map(|(number, _)| *number);
        assert!(unique(own.chain(calls::names().map(|(number, _)| number.into())).collect()));
    }

    #[test]
    fn a_call_may_have_both_a_kind_and_a_result() {
        let table = table();
        assert_eq!(table[libc::SYS_setuid as usize], kind::SETUID | RESULT_SEEN);
        assert_eq!(table[libc::SYS_openat as usize], RESULT_SEEN);
        assert_eq!(table[libc::SYS_exit_group as usize], NO_RESULT);
        assert_eq!(table[libc::SYS_read as usize], kind::OTHER);
    }
}
