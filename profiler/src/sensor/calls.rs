//! The table of system calls that take write access to a mount, as data: what each does and which arguments say to
//! what. Their numbers are those of the architecture at hand.
//!
//! Source of the list: the callers of `mnt_want_write*` in Linux (fs/namei.c, fs/open.c, fs/fhandle.c, fs/xattr.c,
//! fs/utimes.c, fs/ioctl.c or fs/file_attr.c, net/unix/af_unix.c); tests/oracle.rs asks a kernel. docs/operations.md is
//! generated from this table and from the one of the tests.

#[cfg(test)]
mod page;

use profiler_ebpf::{
    SYSCALL_SLOTS,
    call::{Call, NO_ARG, form, last, op},
};

/// A call with one name relative to a directory descriptor (`at` forms), or to the working directory ([`NO_ARG`]), that
/// follows a symbolic link at its end.
const fn name(op: u8, dirfd: u8, path: u8) -> Call {
    Call { op, dirfd, path, ..Call::NONE }
}

/// The same, working on the link itself: it makes or removes a name, or spares links by definition.
const fn spared(op: u8, dirfd: u8, path: u8) -> Call {
    Call { last: last::SPARED, ..name(op, dirfd, path) }
}

/// The same, with `AT_…` flags that say so.
const fn flagged(op: u8, dirfd: u8, path: u8, flags: u8) -> Call {
    Call { last: last::UNLESS_FLAG, flags, ..name(op, dirfd, path) }
}

/// An open with `O_…` flags.
const fn open(form: u8, dirfd: u8, path: u8, flags: u8) -> Call {
    Call { form, last: last::UNLESS_OPEN_FLAG, flags, ..name(op::OPEN, dirfd, path) }
}

/// A call on a descriptor.
const fn descriptor(op: u8, fd: u8) -> Call {
    Call { op, dirfd: fd, ..Call::NONE }
}

/// A call with two names.
const fn two(op: u8, (dirfd, path): (u8, u8), (dirfd2, path2): (u8, u8), flags: u8) -> Call {
    Call { dirfd2, path2, flags, ..spared(op, dirfd, path) }
}

/// A call of another form.
const fn formed(form: u8, call: Call) -> Call {
    Call { form, ..call }
}

/// A call with an argument that holds flags or a mode.
const fn with_flags(flags: u8, call: Call) -> Call {
    Call { flags, ..call }
}

const NO: u8 = NO_ARG;

/// Name and descriptor of every call of interest, on all architectures: where one does not have a call (arm64 has none
/// of those that came with an `at` form later), its line is passed over.
pub(super) const CALLS: &[(&str, Call)] = &[
    ("open", open(form::OPEN, NO, 0, 1)),
    ("openat", open(form::OPEN, 0, 1, 2)),
    ("openat2", open(form::OPENAT2, 0, 1, 2)),
    ("creat", open(form::CREAT, NO, 0, NO)),
    ("open_by_handle_at", open(form::OPEN, 0, NO, 2)),
    ("mkdir", spared(op::MKDIR, NO, 0)),
    ("mkdirat", spared(op::MKDIR, 0, 1)),
    ("mknod", with_flags(1, spared(op::MKNOD, NO, 0))),
    ("mknodat", with_flags(2, spared(op::MKNOD, 0, 1))),
    ("symlink", spared(op::SYMLINK, NO, 1)),
    ("symlinkat", spared(op::SYMLINK, 1, 2)),
    ("link", two(op::LINK, (NO, 0), (NO, 1), NO)),
    ("linkat", Call { last: last::ONLY_WITH_FLAG, ..two(op::LINK, (0, 1), (2, 3), 4) }),
    ("unlink", spared(op::UNLINK, NO, 0)),
    ("unlinkat", with_flags(2, spared(op::UNLINK, 0, 1))),
    ("rmdir", spared(op::RMDIR, NO, 0)),
    ("rename", two(op::RENAME, (NO, 0), (NO, 1), NO)),
    ("renameat", two(op::RENAME, (0, 1), (2, 3), NO)),
    ("renameat2", two(op::RENAME, (0, 1), (2, 3), 4)),
    ("truncate", name(op::TRUNCATE, NO, 0)),
    ("ftruncate", descriptor(op::TRUNCATE, 0)),
    ("fallocate", descriptor(op::TRUNCATE, 0)),
    ("chmod", name(op::CHMOD, NO, 0)),
    ("fchmod", descriptor(op::CHMOD, 0)),
    ("fchmodat", name(op::CHMOD, 0, 1)),
    ("fchmodat2", flagged(op::CHMOD, 0, 1, 3)),
    ("chown", name(op::CHOWN, NO, 0)),
    ("lchown", spared(op::CHOWN, NO, 0)),
    ("fchown", descriptor(op::CHOWN, 0)),
    ("fchownat", flagged(op::CHOWN, 0, 1, 4)),
    ("utime", name(op::UTIMES, NO, 0)),
    ("utimes", name(op::UTIMES, NO, 0)),
    ("futimesat", name(op::UTIMES, 0, 1)),
    ("utimensat", flagged(op::UTIMES, 0, 1, 3)),
    ("setxattr", name(op::SETXATTR, NO, 0)),
    ("lsetxattr", spared(op::SETXATTR, NO, 0)),
    ("fsetxattr", descriptor(op::SETXATTR, 0)),
    ("setxattrat", flagged(op::SETXATTR, 0, 1, 2)),
    ("file_setattr", flagged(op::SETXATTR, 0, 1, 4)),
    ("ioctl", formed(form::IOCTL, descriptor(op::SETXATTR, 0))),
    ("removexattr", name(op::REMOVEXATTR, NO, 0)),
    ("lremovexattr", spared(op::REMOVEXATTR, NO, 0)),
    ("fremovexattr", descriptor(op::REMOVEXATTR, 0)),
    ("removexattrat", flagged(op::REMOVEXATTR, 0, 1, 2)),
    ("bind", formed(form::BIND, spared(op::BIND, NO, 1))),
    ("fsync", descriptor(op::SYNC, 0)),
    ("fdatasync", descriptor(op::SYNC, 0)),
    ("sync_file_range", descriptor(op::SYNC, 0)),
    ("syncfs", descriptor(op::SYNC, 0)),
    ("msync", formed(form::MSYNC, descriptor(op::MSYNC, NO))),
    ("mmap", formed(form::MMAP, descriptor(op::MAP_EXEC, 4))),
    ("io_uring_setup", formed(form::URING_SETUP, descriptor(op::IO_URING, NO))),
    ("io_uring_enter", formed(form::URING_ENTER, descriptor(op::IO_URING, 0))),
];

/// The table by number, as the programs want it.
pub(super) fn table() -> [[u8; 8]; SYSCALL_SLOTS] {
    let mut table = [[0; 8]; SYSCALL_SLOTS];
    for slot in &mut table {
        *slot = bytes(&Call::NONE);
    }
    for (number, _, call) in numbered() {
        if let Some(slot) = table.get_mut(usize::from(number)) {
            *slot = bytes(call);
        }
    }
    table
}

/// Number, name and descriptor of every call of interest that this architecture has.
fn numbered() -> impl Iterator<Item = (u16, &'static str, &'static Call)> {
    CALLS.iter().filter_map(|(name, call)| {
        let number: syscalls::Sysno = name.parse().ok()?;
        Some((u16::try_from(number.id()).ok()?, *name, call))
    })
}

fn bytes(call: &Call) -> [u8; 8] {
    zerocopy::transmute!(*call)
}

/// Whether the call works on a symbolic link itself where its (first) name ends in one.
pub(crate) fn spares_last_link(number: u16, flags: u64) -> bool {
    const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
    const AT_SYMLINK_FOLLOW: u64 = 0x400;
    let call = numbered().find(|(known, ..)| *known == number);
    match call.map_or(last::FOLLOWED, |(_, _, call)| call.last) {
        last::SPARED => true,
        last::UNLESS_FLAG => flags & AT_SYMLINK_NOFOLLOW != 0,
        last::ONLY_WITH_FLAG => flags & AT_SYMLINK_FOLLOW == 0,
        last::UNLESS_OPEN_FLAG => flags & u64::from(libc::O_NOFOLLOW.unsigned_abs()) != 0,
        _ => false,
    }
}

/// Number and name of every call of interest.
pub(super) fn names() -> impl Iterator<Item = (u16, String)> {
    numbered().map(|(number, name, _)| (number, name.to_owned()))
}

/// The name of a system call, or its number.
pub(crate) fn name_of(number: u16) -> String {
    if number == profiler_ebpf::record::NO_SYSCALL {
        return "-".to_owned();
    }
    syscalls::Sysno::new(usize::from(number))
        .map_or_else(|| format!("syscall_{number}"), |call| call.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_a_slot_of_its_own() {
        let mut numbers: Vec<_> = numbered().map(|(number, ..)| number).collect();
        assert!(numbers.iter().all(|number| usize::from(*number) < SYSCALL_SLOTS));
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }

    /// What an architecture does not have of the table; every name must be one of Linux's.
    fn lacking(has: impl Fn(&str) -> bool) -> Vec<&'static str> {
        CALLS.iter().map(|(name, _)| *name).filter(|name| !has(name)).collect()
    }

    /// The numbers of both architectures are known on either, so that one host tests the tables of both.
    #[test]
    fn every_operation_has_its_calls_on_both_architectures() {
        use syscalls::{aarch64, x86_64};

        assert_eq!(lacking(|name| name.parse::<x86_64::Sysno>().is_ok()), Vec::<&str>::new());
        let on_arm64 = |name: &str| name.parse::<aarch64::Sysno>().is_ok();
        let old = [
            "open",
            "creat",
            "mkdir",
            "mknod",
            "symlink",
            "link",
            "unlink",
            "rmdir",
            "rename",
            "chmod",
            "chown",
            "lchown",
            "utime",
            "utimes",
            "futimesat",
        ];
        assert_eq!(lacking(on_arm64), old, "include/uapi/asm-generic/unistd.h has these no more");
        for (name, call) in CALLS {
            // A directory is removed by unlinkat with AT_REMOVEDIR.
            let wanted = if call.op == op::RMDIR { op::UNLINK } else { call.op };
            let has_another = CALLS.iter().any(|(other, of)| of.op == wanted && on_arm64(other));
            assert!(has_another, "{name} has no counterpart on arm64");
        }
    }

    /// Every system call whose name speaks of such an operation is in the table, or known to be none.
    #[test]
    fn no_call_is_forgotten() {
        const WORDS: [&str; 14] = [
            "open", "creat", "mkdir", "mknod", "link", "rmdir", "rename", "trunc", "alloc", "chmod", "chown",
            "utime", "xattr", "sync",
        ];
        const OTHERS: [&str; 28] = [
            // They make a descriptor of something else than a file on a mount.
            "perf_event_open",
            "pidfd_open",
            "fsopen",
            "open_tree",
            "open_tree_attr",
            "timerfd_create",
            "epoll_create",
            "epoll_create1",
            "memfd_create",
            "timer_create",
            "landlock_create_ruleset",
            // They read.
            "readlink",
            "readlinkat",
            "getxattr",
            "lgetxattr",
            "fgetxattr",
            "getxattrat",
            "listxattr",
            "llistxattr",
            "flistxattr",
            "listxattrat",
            // Message queues are on a mount of their own, which is always writable.
            "mq_open",
            "mq_unlink",
            // Everything there is.
            "sync",
            // Gone since Linux 2.6, and for 32-bit processes alone.
            "create_module",
            "utimensat_time64",
            // Memory.
            "pkey_alloc",
            "set_mempolicy_home_node",
        ];
        let listed = |name: &str| CALLS.iter().any(|(known, _)| *known == name) || OTHERS.contains(&name);
        let speaks = |name: &str| WORDS.iter().any(|word| name.contains(word));
        let x86_64 = syscalls::x86_64::Sysno::iter().map(|call| call.name());
        let arm64 = syscalls::aarch64::Sysno::iter().map(|call| call.name());
        let forgotten: Vec<_> = x86_64.chain(arm64).filter(|name| speaks(name) && !listed(name)).collect();
        assert_eq!(forgotten, Vec::<&str>::new());
    }

    #[test]
    fn calls_that_are_not_listed_are_of_no_interest() {
        assert_eq!(table()[libc::SYS_read as usize][0], op::NONE);
        assert_eq!(table()[libc::SYS_openat as usize][0], op::OPEN);
    }

    #[test]
    fn links_are_followed_as_the_call_does() {
        let number = |number: i64| number as u16;
        assert!(spares_last_link(number(libc::SYS_unlinkat), 0));
        assert!(!spares_last_link(number(libc::SYS_fchmodat), 0x100));
        assert!(spares_last_link(number(libc::SYS_fchownat), 0x100));
        assert!(!spares_last_link(number(libc::SYS_fchownat), 0));
        assert!(spares_last_link(number(libc::SYS_lsetxattr), 0));
        assert!(spares_last_link(number(libc::SYS_linkat), 0));
        assert!(!spares_last_link(number(libc::SYS_linkat), 0x400));
        assert!(!spares_last_link(number(libc::SYS_openat), 0));
    }
}
