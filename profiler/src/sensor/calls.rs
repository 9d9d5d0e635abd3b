//! The table of system calls that take write access to a mount, as data: what each does and which arguments say to
//! what. Numbers are the C library's for the architecture at hand.
//!
//! Source of the list: the callers of `mnt_want_write*` in Linux (fs/namei.c, fs/open.c, fs/xattr.c, fs/utimes.c,
//! net/unix/af_unix.c).

use profiler_ebpf::{
    SYSCALL_SLOTS,
    call::{Call, NO_ARG, form, op},
};

/// A call with one name relative to a directory descriptor (`at` forms), or to the working directory ([`NO_ARG`]).
const fn name(op: u8, dirfd: u8, path: u8, flags: u8) -> Call {
    Call { op, dirfd, path, flags, ..Call::NONE }
}

/// A call on a descriptor.
const fn descriptor(op: u8, fd: u8) -> Call {
    Call { op, dirfd: fd, ..Call::NONE }
}

/// A call with two names.
const fn two(op: u8, (dirfd, path): (u8, u8), (dirfd2, path2): (u8, u8), flags: u8) -> Call {
    Call { op, dirfd, path, dirfd2, path2, flags, ..Call::NONE }
}

/// A call of another form.
const fn formed(form: u8, call: Call) -> Call {
    Call { form, ..call }
}

const NO: u8 = NO_ARG;

/// setxattrat and removexattrat (Linux 6.13), which the C library does not name yet; the same on every architecture.
const SYS_SETXATTRAT: i64 = 463;
const SYS_REMOVEXATTRAT: i64 = 466;
/// fchmodat2 (Linux 6.6).
const SYS_FCHMODAT2: i64 = 452;

/// Number and descriptor of every call of interest.
pub(super) const CALLS: &[(i64, Call)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, formed(form::OPEN, name(op::OPEN, NO, 0, 1))),
    (libc::SYS_openat, formed(form::OPEN, name(op::OPEN, 0, 1, 2))),
    (libc::SYS_openat2, formed(form::OPENAT2, name(op::OPEN, 0, 1, 2))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, formed(form::CREAT, name(op::OPEN, NO, 0, NO))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, name(op::MKDIR, NO, 0, NO)),
    (libc::SYS_mkdirat, name(op::MKDIR, 0, 1, NO)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, name(op::MKNOD, NO, 0, 1)),
    (libc::SYS_mknodat, name(op::MKNOD, 0, 1, 2)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_symlink, name(op::SYMLINK, NO, 1, NO)),
    (libc::SYS_symlinkat, name(op::SYMLINK, 1, 2, NO)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_link, two(op::LINK, (NO, 0), (NO, 1), NO)),
    (libc::SYS_linkat, two(op::LINK, (0, 1), (2, 3), 4)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, name(op::UNLINK, NO, 0, NO)),
    (libc::SYS_unlinkat, name(op::UNLINK, 0, 1, 2)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rmdir, name(op::RMDIR, NO, 0, NO)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, two(op::RENAME, (NO, 0), (NO, 1), NO)),
    (libc::SYS_renameat, two(op::RENAME, (0, 1), (2, 3), NO)),
    (libc::SYS_renameat2, two(op::RENAME, (0, 1), (2, 3), 4)),
    (libc::SYS_truncate, name(op::TRUNCATE, NO, 0, NO)),
    (libc::SYS_ftruncate, descriptor(op::TRUNCATE, 0)),
    (libc::SYS_fallocate, descriptor(op::TRUNCATE, 0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, name(op::CHMOD, NO, 0, NO)),
    (libc::SYS_fchmod, descriptor(op::CHMOD, 0)),
    (libc::SYS_fchmodat, name(op::CHMOD, 0, 1, NO)),
    (SYS_FCHMODAT2, name(op::CHMOD, 0, 1, 3)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chown, name(op::CHOWN, NO, 0, NO)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lchown, name(op::CHOWN, NO, 0, NO)),
    (libc::SYS_fchown, descriptor(op::CHOWN, 0)),
    (libc::SYS_fchownat, name(op::CHOWN, 0, 1, 4)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_utime, name(op::UTIMES, NO, 0, NO)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_utimes, name(op::UTIMES, NO, 0, NO)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_futimesat, name(op::UTIMES, 0, 1, NO)),
    (libc::SYS_utimensat, name(op::UTIMES, 0, 1, 3)),
    (libc::SYS_setxattr, name(op::SETXATTR, NO, 0, NO)),
    (libc::SYS_lsetxattr, name(op::SETXATTR, NO, 0, NO)),
    (libc::SYS_fsetxattr, descriptor(op::SETXATTR, 0)),
    (SYS_SETXATTRAT, name(op::SETXATTR, 0, 1, 2)),
    (libc::SYS_removexattr, name(op::REMOVEXATTR, NO, 0, NO)),
    (libc::SYS_lremovexattr, name(op::REMOVEXATTR, NO, 0, NO)),
    (libc::SYS_fremovexattr, descriptor(op::REMOVEXATTR, 0)),
    (SYS_REMOVEXATTRAT, name(op::REMOVEXATTR, 0, 1, 2)),
    (libc::SYS_bind, formed(form::BIND, name(op::BIND, NO, 1, NO))),
    (libc::SYS_fsync, descriptor(op::SYNC, 0)),
    (libc::SYS_fdatasync, descriptor(op::SYNC, 0)),
    (libc::SYS_sync_file_range, descriptor(op::SYNC, 0)),
    (libc::SYS_syncfs, descriptor(op::SYNC, 0)),
    (libc::SYS_io_uring_enter, formed(form::COUNT, descriptor(op::IO_URING, 0))),
];

/// The table by number, as the programs want it.
pub(super) fn table() -> [[u8; 8]; SYSCALL_SLOTS] {
    let mut table = [[0; 8]; SYSCALL_SLOTS];
    for slot in &mut table {
        *slot = bytes(&Call::NONE);
    }
    for (number, call) in CALLS {
        if let Some(slot) = usize::try_from(*number).ok().and_then(|number| table.get_mut(number)) {
            *slot = bytes(call);
        }
    }
    table
}

fn bytes(call: &Call) -> [u8; 8] {
    zerocopy::transmute!(*call)
}

/// Whether the call works on a symbolic link itself where its last component is one.
pub(crate) fn spares_last_link(number: u16, op: u8, flags: u64) -> bool {
    const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
    const O_NOFOLLOW: u64 = 0o400_000;
    match op {
        op::OPEN | op::CREATE | op::TMPFILE => flags & O_NOFOLLOW != 0,
        op::TRUNCATE | op::SYNC => false,
        op::CHMOD | op::CHOWN | op::UTIMES | op::SETXATTR | op::REMOVEXATTR => {
            let number = i64::from(number);
            #[cfg(target_arch = "x86_64")]
            if number == libc::SYS_lchown {
                return true;
            }
            number == libc::SYS_lsetxattr
                || number == libc::SYS_lremovexattr
                || (has_at_flags(number) && flags & AT_SYMLINK_NOFOLLOW != 0)
        }
        // mkdir, unlink, rename and so on work on the name.
        _ => true,
    }
}

fn has_at_flags(number: i64) -> bool {
    [libc::SYS_fchownat, libc::SYS_utimensat, SYS_FCHMODAT2, SYS_SETXATTRAT, SYS_REMOVEXATTRAT]
        .contains(&number)
}

/// Number and name of every call of interest.
pub(super) fn names() -> impl Iterator<Item = (u16, String)> {
    CALLS.iter().filter_map(|(number, _)| u16::try_from(*number).ok()).map(|number| (number, name_of(number)))
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
        let mut numbers: Vec<_> = CALLS.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), CALLS.len());
        assert!(numbers.iter().all(|number| (*number as usize) < SYSCALL_SLOTS));
    }

    #[test]
    fn every_call_has_a_name() {
        assert!(names().all(|(_, name)| !name.starts_with("syscall_")), "{:?}", names().collect::<Vec<_>>());
    }

    #[test]
    fn calls_that_are_not_listed_are_of_no_interest() {
        assert_eq!(table()[libc::SYS_read as usize][0], op::NONE);
        assert_eq!(table()[libc::SYS_openat as usize][0], op::OPEN);
    }

    #[test]
    fn links_are_followed_as_the_call_does() {
        let number = |number: i64| number as u16;
        assert!(spares_last_link(number(libc::SYS_unlinkat), op::UNLINK, 0));
        assert!(!spares_last_link(number(libc::SYS_fchmodat), op::CHMOD, 0x100));
        assert!(spares_last_link(number(libc::SYS_fchownat), op::CHOWN, 0x100));
        assert!(!spares_last_link(number(libc::SYS_fchownat), op::CHOWN, 0));
        assert!(spares_last_link(number(libc::SYS_lsetxattr), op::SETXATTR, 0));
    }
}
