//! Every system call that takes write access to a mount, by its own number and not through a library's wrapper: what
//! the sensors must see is what the kernel is asked for.
#![expect(unsafe_code, reason = "raw system calls have no safe form in the standard library")]

use std::ffi::{CStr, CString, OsString, c_long};
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use crate::{privileges, system::EndSignals};

/// One call: its name in a script (that of the system call, and of the form behind a colon), how many words follow,
/// and what it does with them.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) words: usize,
    pub(crate) run: fn(&[CString]) -> io::Result<c_long>,
}

/// Makes a system call with up to six arguments.
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: the arguments are numbers, or pointers to NUL-terminated strings and structures that outlive the call.
        check(unsafe { libc::syscall(libc::$number $(, $argument)*) })
    };
}
pub(crate) use call;

// Behind the macro, which they use.
#[cfg(target_arch = "x86_64")]
mod compat;
mod uring;

pub(crate) fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Opens the directory of a path; the descriptor and the last component.
fn directory_of(path: &CString) -> io::Result<(c_long, CString)> {
    let bytes = path.as_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/').ok_or(io::ErrorKind::InvalidInput)?;
    let parent = CString::new(if slash == 0 { b"/" } else { &bytes[..slash] })?;
    let descriptor = call!(
        SYS_openat,
        libc::AT_FDCWD,
        parent.as_ptr(),
        libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC,
        0
    )?;
    Ok((descriptor, CString::new(&bytes[slash + 1..])?))
}

pub(crate) fn open(path: &CString, flags: i32) -> io::Result<c_long> {
    call!(SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0o644)
}

fn address_of(path: &CString) -> io::Result<libc::sockaddr_un> {
    // SAFETY: all zeroes is a value of this plain structure.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    if path.as_bytes().len() >= address.sun_path.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in address.sun_path.iter_mut().zip(path.as_bytes()) {
        *to = *from as libc::c_char;
    }
    Ok(address)
}

const NAME: &std::ffi::CStr = c"user.writepath";

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// `struct vfs_cap_data` of revision 2, effective, with CAP_CHOWN permitted.
const FILE_CAPABILITY: [u8; 20] = [1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

// Calls that the C library does not name yet, with the same numbers on every architecture (Linux 6.6, 6.13, 6.17).
const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;

// Linux include/uapi/linux/fs.h, on 64-bit architectures.
const FS_IOC_GETFLAGS: u32 = 0x8008_6601;
const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;

/// A file's flags and extended attributes, as `FS_IOC_FSSETXATTR` wants them.
const EMPTY_FSXATTR: [u8; 28] = [0; 28];

const STEPS: &[Step] = &[
    // What is no operation itself.
    Step { name: "chdir", words: 1, run: |w| call!(SYS_chdir, w[0].as_ptr()) },
    Step { name: "chroot", words: 1, run: |w| call!(SYS_chroot, w[0].as_ptr()) },
    Step { name: "unshare", words: 0, run: |_| call!(SYS_unshare, libc::CLONE_NEWNS) },
    Step {
        name: "mount",
        words: 1,
        run: |w| call!(SYS_mount, c"t".as_ptr(), w[0].as_ptr(), c"tmpfs".as_ptr(), 0, 0),
    },
    Step { name: "wait", words: 0, run: |_| wait() },
    Step { name: "mark", words: 1, run: |w| mark(&w[0]) },
    Step { name: "openat:read", words: 1, run: |w| open(&w[0], libc::O_RDONLY) },
    // Opens.
    Step { name: "openat:write", words: 1, run: |w| open(&w[0], libc::O_WRONLY) },
    Step { name: "openat:read-write", words: 1, run: |w| open(&w[0], libc::O_RDWR) },
    Step { name: "openat", words: 1, run: |w| open(&w[0], libc::O_WRONLY | libc::O_CREAT) },
    // The same, as other tests call it.
    Step { name: "create", words: 1, run: |w| open(&w[0], libc::O_WRONLY | libc::O_CREAT) },
    Step { name: "openat:new", words: 1, run: |w| open(&w[0], libc::O_RDWR | libc::O_CREAT | libc::O_EXCL) },
    Step { name: "openat:create-to-read", words: 1, run: |w| open(&w[0], libc::O_RDONLY | libc::O_CREAT) },
    Step { name: "openat:truncate", words: 1, run: |w| open(&w[0], libc::O_RDONLY | libc::O_TRUNC) },
    Step { name: "openat:tmpfile", words: 1, run: |w| open(&w[0], libc::O_RDWR | libc::O_TMPFILE) },
    Step {
        name: "openat:directory",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_openat, directory, name.as_ptr(), libc::O_WRONLY | libc::O_CREAT, 0o644)
        },
    },
    Step { name: "openat:descriptor", words: 1, run: |w| open(&link_to(&w[0], c"")?, libc::O_WRONLY) },
    Step { name: "openat2", words: 1, run: |w| open2(libc::AT_FDCWD.into(), &w[0]) },
    Step {
        name: "openat2:directory",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            open2(directory, &name)
        },
    },
    Step { name: "open_by_handle_at", words: 1, run: |w| open_by_handle(&w[0]) },
    #[cfg(target_arch = "x86_64")]
    Step {
        name: "open",
        words: 1,
        run: |w| call!(SYS_open, w[0].as_ptr(), libc::O_WRONLY | libc::O_CREAT, 0o644),
    },
    #[cfg(target_arch = "x86_64")]
    Step { name: "creat", words: 1, run: |w| call!(SYS_creat, w[0].as_ptr(), 0o644) },
    // Names made and removed.
    #[cfg(target_arch = "x86_64")]
    Step { name: "mkdir", words: 1, run: |w| call!(SYS_mkdir, w[0].as_ptr(), 0o755) },
    Step { name: "mkdirat", words: 1, run: |w| call!(SYS_mkdirat, libc::AT_FDCWD, w[0].as_ptr(), 0o755) },
    Step {
        name: "mkdirat:directory",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_mkdirat, directory, name.as_ptr(), 0o755)
        },
    },
    // DIRECTORY NAME: through `/proc/self/fd/N/NAME`, N being the directory.
    Step {
        name: "mkdirat:descriptor",
        words: 2,
        run: |w| call!(SYS_mkdirat, libc::AT_FDCWD, link_to(&w[0], &w[1])?.as_ptr(), 0o755),
    },
    #[cfg(target_arch = "x86_64")]
    Step { name: "mknod", words: 1, run: |w| call!(SYS_mknod, w[0].as_ptr(), libc::S_IFIFO | 0o644, 0) },
    Step { name: "mknodat", words: 1, run: |w| make_node(&w[0], libc::S_IFIFO, 0) },
    Step { name: "mknodat:file", words: 1, run: |w| make_node(&w[0], 0, 0) },
    Step { name: "mknodat:socket", words: 1, run: |w| make_node(&w[0], libc::S_IFSOCK, 0) },
    // /dev/null's number, which Docker's device rules let every container make.
    Step { name: "mknodat:device", words: 1, run: |w| make_node(&w[0], libc::S_IFCHR, 0x103) },
    Step {
        name: "mknodat:directory",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_mknodat, directory, name.as_ptr(), libc::S_IFIFO | 0o644, 0)
        },
    },
    #[cfg(target_arch = "x86_64")]
    Step { name: "symlink", words: 2, run: |w| call!(SYS_symlink, w[0].as_ptr(), w[1].as_ptr()) },
    Step {
        name: "symlinkat",
        words: 2,
        run: |w| call!(SYS_symlinkat, w[0].as_ptr(), libc::AT_FDCWD, w[1].as_ptr()),
    },
    Step {
        name: "symlinkat:directory",
        words: 2,
        run: |w| {
            let (directory, name) = directory_of(&w[1])?;
            call!(SYS_symlinkat, w[0].as_ptr(), directory, name.as_ptr())
        },
    },
    #[cfg(target_arch = "x86_64")]
    Step { name: "link", words: 2, run: |w| call!(SYS_link, w[0].as_ptr(), w[1].as_ptr()) },
    Step { name: "linkat", words: 2, run: |w| link(&w[0], &w[1], 0) },
    Step { name: "linkat:follow", words: 2, run: |w| link(&w[0], &w[1], libc::AT_SYMLINK_FOLLOW) },
    Step {
        name: "linkat:directory",
        words: 2,
        run: |w| {
            let (from, name) = directory_of(&w[0])?;
            let (to, new) = directory_of(&w[1])?;
            call!(SYS_linkat, from, name.as_ptr(), to, new.as_ptr(), 0)
        },
    },
    Step {
        name: "linkat:empty",
        words: 2,
        run: |w| {
            let file = open(&w[0], libc::O_RDONLY)?;
            call!(SYS_linkat, file, c"".as_ptr(), libc::AT_FDCWD, w[1].as_ptr(), libc::AT_EMPTY_PATH)
        },
    },
    // As the C library's manual shows it: an unnamed file in the new name's directory is given that name.
    Step {
        name: "linkat:tmpfile",
        words: 2,
        run: |w| {
            let file = open(&w[0], libc::O_WRONLY | libc::O_TMPFILE)?;
            link(&descriptor_link(file, c"")?, &w[1], libc::AT_SYMLINK_FOLLOW)
        },
    },
    #[cfg(target_arch = "x86_64")]
    Step { name: "unlink", words: 1, run: |w| call!(SYS_unlink, w[0].as_ptr()) },
    Step { name: "unlinkat", words: 1, run: |w| call!(SYS_unlinkat, libc::AT_FDCWD, w[0].as_ptr(), 0) },
    Step {
        name: "unlinkat:directory",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_unlinkat, directory, name.as_ptr(), 0)
        },
    },
    Step {
        name: "unlinkat:descriptor",
        words: 2,
        run: |w| call!(SYS_unlinkat, libc::AT_FDCWD, link_to(&w[0], &w[1])?.as_ptr(), 0),
    },
    #[cfg(target_arch = "x86_64")]
    Step { name: "rmdir", words: 1, run: |w| call!(SYS_rmdir, w[0].as_ptr()) },
    Step {
        name: "unlinkat:rmdir",
        words: 1,
        run: |w| call!(SYS_unlinkat, libc::AT_FDCWD, w[0].as_ptr(), libc::AT_REMOVEDIR),
    },
    #[cfg(target_arch = "x86_64")]
    Step { name: "rename", words: 2, run: |w| call!(SYS_rename, w[0].as_ptr(), w[1].as_ptr()) },
    Step {
        name: "renameat",
        words: 2,
        run: |w| call!(SYS_renameat, libc::AT_FDCWD, w[0].as_ptr(), libc::AT_FDCWD, w[1].as_ptr()),
    },
    Step {
        name: "renameat:directory",
        words: 2,
        run: |w| {
            let (from, name) = directory_of(&w[0])?;
            let (to, new) = directory_of(&w[1])?;
            call!(SYS_renameat, from, name.as_ptr(), to, new.as_ptr())
        },
    },
    Step { name: "renameat2", words: 2, run: |w| rename(&w[0], &w[1], 0) },
    Step { name: "renameat2:exchange", words: 2, run: |w| rename(&w[0], &w[1], libc::RENAME_EXCHANGE) },
    Step { name: "renameat2:noreplace", words: 2, run: |w| rename(&w[0], &w[1], libc::RENAME_NOREPLACE) },
    // Content.
    Step { name: "truncate", words: 1, run: |w| call!(SYS_truncate, w[0].as_ptr(), 1) },
    Step {
        name: "truncate:descriptor",
        words: 1,
        run: |w| call!(SYS_truncate, link_to(&w[0], c"")?.as_ptr(), 1),
    },
    Step { name: "ftruncate", words: 1, run: |w| call!(SYS_ftruncate, open(&w[0], libc::O_WRONLY)?, 1) },
    Step {
        name: "ftruncate:unlinked",
        words: 1,
        run: |w| {
            let file = open(&w[0], libc::O_RDWR)?;
            call!(SYS_unlinkat, libc::AT_FDCWD, w[0].as_ptr(), 0)?;
            call!(SYS_ftruncate, file, 1)
        },
    },
    Step { name: "fallocate", words: 1, run: |w| call!(SYS_fallocate, open(&w[0], libc::O_RDWR)?, 0, 0, 1) },
    // Mode.
    #[cfg(target_arch = "x86_64")]
    Step { name: "chmod", words: 1, run: |w| call!(SYS_chmod, w[0].as_ptr(), 0o600) },
    Step {
        name: "fchmodat:setuid",
        words: 1,
        run: |w| call!(SYS_fchmodat, libc::AT_FDCWD, w[0].as_ptr(), 0o4755),
    },
    Step { name: "fchmodat", words: 1, run: |w| call!(SYS_fchmodat, libc::AT_FDCWD, w[0].as_ptr(), 0o600) },
    Step {
        name: "fchmodat:directory",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_fchmodat, directory, name.as_ptr(), 0o600)
        },
    },
    // As older C libraries do fchmodat with AT_SYMLINK_NOFOLLOW.
    Step {
        name: "fchmodat:descriptor",
        words: 1,
        run: |w| {
            let file = open(&w[0], libc::O_PATH | libc::O_NOFOLLOW)?;
            call!(SYS_fchmodat, libc::AT_FDCWD, descriptor_link(file, c"")?.as_ptr(), 0o600)
        },
    },
    Step {
        name: "fchmodat:thread-self",
        words: 1,
        run: |w| {
            let path = CString::new(format!("/proc/thread-self/fd/{}", open(&w[0], libc::O_RDONLY)?))?;
            call!(SYS_fchmodat, libc::AT_FDCWD, path.as_ptr(), 0o600)
        },
    },
    Step {
        name: "fchmodat:dev-fd",
        words: 1,
        run: |w| {
            let path = CString::new(format!("/dev/fd/{}", open(&w[0], libc::O_RDONLY)?))?;
            call!(SYS_fchmodat, libc::AT_FDCWD, path.as_ptr(), 0o600)
        },
    },
    Step { name: "fchmod", words: 1, run: |w| call!(SYS_fchmod, open(&w[0], libc::O_RDONLY)?, 0o600) },
    Step {
        name: "fchmod:unlinked",
        words: 1,
        run: |w| {
            let file = open(&w[0], libc::O_RDONLY)?;
            call!(SYS_unlinkat, libc::AT_FDCWD, w[0].as_ptr(), 0)?;
            call!(SYS_fchmod, file, 0o600)
        },
    },
    Step { name: "fchmodat2", words: 1, run: |w| number(FCHMODAT2, libc::AT_FDCWD.into(), &w[0], 0o600, 0) },
    Step {
        name: "fchmodat2:empty",
        words: 1,
        run: |w| number(FCHMODAT2, open(&w[0], libc::O_RDONLY)?, c"", 0o600, libc::AT_EMPTY_PATH),
    },
    // Owner.
    #[cfg(target_arch = "x86_64")]
    Step { name: "chown", words: 1, run: |w| call!(SYS_chown, w[0].as_ptr(), 7, 7) },
    #[cfg(target_arch = "x86_64")]
    Step { name: "lchown", words: 1, run: |w| call!(SYS_lchown, w[0].as_ptr(), 7, 7) },
    Step { name: "fchownat", words: 1, run: |w| call!(SYS_fchownat, libc::AT_FDCWD, w[0].as_ptr(), 7, 7, 0) },
    Step {
        name: "fchownat:nofollow",
        words: 1,
        run: |w| call!(SYS_fchownat, libc::AT_FDCWD, w[0].as_ptr(), 7, 7, libc::AT_SYMLINK_NOFOLLOW),
    },
    Step {
        name: "fchownat:empty",
        words: 1,
        run: |w| call!(SYS_fchownat, open(&w[0], libc::O_RDONLY)?, c"".as_ptr(), 7, 7, libc::AT_EMPTY_PATH),
    },
    Step {
        name: "fchownat:directory",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_fchownat, directory, name.as_ptr(), 7, 7, 0)
        },
    },
    Step {
        name: "fchownat:descriptor",
        words: 1,
        run: |w| call!(SYS_fchownat, libc::AT_FDCWD, link_to(&w[0], c"")?.as_ptr(), 7, 7, 0),
    },
    Step { name: "fchown", words: 1, run: |w| call!(SYS_fchown, open(&w[0], libc::O_RDONLY)?, 7, 7) },
    // Times.
    #[cfg(target_arch = "x86_64")]
    Step { name: "utime", words: 1, run: |w| call!(SYS_utime, w[0].as_ptr(), 0) },
    #[cfg(target_arch = "x86_64")]
    Step { name: "utimes", words: 1, run: |w| call!(SYS_utimes, w[0].as_ptr(), 0) },
    #[cfg(target_arch = "x86_64")]
    Step {
        name: "futimesat",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_futimesat, directory, name.as_ptr(), 0)
        },
    },
    Step { name: "utimensat", words: 1, run: |w| call!(SYS_utimensat, libc::AT_FDCWD, w[0].as_ptr(), 0, 0) },
    Step {
        name: "utimensat:nofollow",
        words: 1,
        run: |w| call!(SYS_utimensat, libc::AT_FDCWD, w[0].as_ptr(), 0, libc::AT_SYMLINK_NOFOLLOW),
    },
    Step {
        name: "utimensat:descriptor",
        words: 1,
        run: |w| call!(SYS_utimensat, open(&w[0], libc::O_RDONLY)?, 0, 0, 0),
    },
    // Extended attributes and flags.
    Step {
        name: "setxattr",
        words: 1,
        run: |w| call!(SYS_setxattr, w[0].as_ptr(), NAME.as_ptr(), c"x".as_ptr(), 1, 0),
    },
    Step {
        name: "setxattr:capability",
        words: 1,
        run: |w| {
            let name = c"security.capability";
            call!(
                SYS_setxattr,
                w[0].as_ptr(),
                name.as_ptr(),
                FILE_CAPABILITY.as_ptr(),
                FILE_CAPABILITY.len(),
                0
            )
        },
    },
    Step {
        name: "lsetxattr",
        words: 1,
        run: |w| call!(SYS_lsetxattr, w[0].as_ptr(), NAME.as_ptr(), c"x".as_ptr(), 1, 0),
    },
    Step {
        name: "fsetxattr",
        words: 1,
        run: |w| call!(SYS_fsetxattr, open(&w[0], libc::O_RDONLY)?, NAME.as_ptr(), c"x".as_ptr(), 1, 0),
    },
    Step { name: "setxattrat", words: 1, run: |w| set_attribute(libc::AT_FDCWD.into(), &w[0], 0) },
    Step {
        name: "setxattrat:empty",
        words: 1,
        run: |w| set_attribute(open(&w[0], libc::O_RDONLY)?, c"", libc::AT_EMPTY_PATH),
    },
    Step { name: "removexattr", words: 1, run: |w| call!(SYS_removexattr, w[0].as_ptr(), NAME.as_ptr()) },
    Step { name: "lremovexattr", words: 1, run: |w| call!(SYS_lremovexattr, w[0].as_ptr(), NAME.as_ptr()) },
    Step {
        name: "fremovexattr",
        words: 1,
        run: |w| call!(SYS_fremovexattr, open(&w[0], libc::O_RDONLY)?, NAME.as_ptr()),
    },
    Step {
        name: "removexattrat",
        words: 1,
        run: |w| {
            // SAFETY: numbers, and pointers to strings that outlive the call.
            check(unsafe { libc::syscall(REMOVEXATTRAT, libc::AT_FDCWD, w[0].as_ptr(), 0, NAME.as_ptr()) })
        },
    },
    Step {
        name: "ioctl:setflags",
        words: 1,
        run: |w| {
            let flags: c_long = 0;
            call!(SYS_ioctl, open(&w[0], libc::O_RDONLY)?, FS_IOC_SETFLAGS, &raw const flags)
        },
    },
    Step {
        name: "ioctl:fssetxattr",
        words: 1,
        run: |w| call!(SYS_ioctl, open(&w[0], libc::O_RDONLY)?, FS_IOC_FSSETXATTR, EMPTY_FSXATTR.as_ptr()),
    },
    // Of no interest: a call with a number that others of its kind have.
    Step {
        name: "ioctl:getflags",
        words: 1,
        run: |w| {
            let mut flags: c_long = 0;
            call!(SYS_ioctl, open(&w[0], libc::O_RDONLY)?, FS_IOC_GETFLAGS, &raw mut flags)
        },
    },
    Step {
        name: "file_setattr",
        words: 1,
        run: |w| {
            let attributes = [0u8; 24];
            // SAFETY: numbers, and pointers to a string and a structure that outlive the call.
            check(unsafe {
                libc::syscall(
                    FILE_SETATTR,
                    libc::AT_FDCWD,
                    w[0].as_ptr(),
                    attributes.as_ptr(),
                    attributes.len(),
                    0,
                )
            })
        },
    },
    // Sockets.
    Step { name: "bind", words: 1, run: |w| bind(&address_of(&w[0])?, size_of::<libc::sockaddr_un>()) },
    Step {
        name: "bind:short",
        words: 1,
        // Without a NUL behind the name.
        run: |w| bind(&address_of(&w[0])?, w[0].as_bytes().len() + 2),
    },
    Step {
        name: "bind:abstract",
        words: 1,
        run: |w| {
            let mut address = address_of(&w[0])?;
            address.sun_path.rotate_right(1);
            bind(&address, w[0].as_bytes().len() + 3)
        },
    },
    // What is meant to last.
    Step { name: "fsync", words: 1, run: |w| call!(SYS_fsync, open(&w[0], libc::O_RDONLY)?) },
    Step { name: "fdatasync", words: 1, run: |w| call!(SYS_fdatasync, open(&w[0], libc::O_RDONLY)?) },
    Step {
        name: "sync_file_range",
        words: 1,
        run: |w| call!(SYS_sync_file_range, open(&w[0], libc::O_RDWR)?, 0, 0, 7),
    },
    Step { name: "syncfs", words: 1, run: |w| call!(SYS_syncfs, open(&w[0], libc::O_RDONLY)?) },
    Step {
        name: "mmap:shared",
        words: 1,
        run: |w| map(open(&w[0], libc::O_RDWR)?, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED),
    },
    Step {
        name: "msync",
        words: 1,
        run: |w| {
            let file = open(&w[0], libc::O_RDWR)?;
            let address = map(file, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?;
            call!(SYS_msync, address, PAGE, libc::MS_SYNC)
        },
    },
    // Executions.
    Step {
        name: "mmap:execute",
        words: 1,
        run: |w| map(open(&w[0], libc::O_RDONLY)?, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE),
    },
    Step {
        name: "mmap:read",
        words: 1,
        run: |w| map(open(&w[0], libc::O_RDONLY)?, libc::PROT_READ, libc::MAP_PRIVATE),
    },
    // The program itself, written anew.
    Step { name: "copy-self", words: 1, run: |w| copy_self(&w[0]) },
    Step { name: "execve:user", words: 1, run: |w| execute_as(&w[0], 10_001) },
    Step { name: "execve", words: 1, run: |w| execute_as(&w[0], 0) },
    // What is not followed.
    Step { name: "io_uring_enter", words: 1, run: |w| uring::create(&w[0]) },
    Step { name: "io_uring_setup:polled", words: 0, run: |_| uring::polled() },
    #[cfg(target_arch = "x86_64")]
    Step { name: "elf32", words: 1, run: |w| compat::write_program(&w[0]) },
];

/// A path to an open descriptor of the object, with something behind it.
fn link_to(path: &CString, rest: &CStr) -> io::Result<CString> {
    descriptor_link(open(path, libc::O_RDONLY)?, rest)
}

/// `/proc/self/fd/N`, or `/proc/self/fd/N/REST`.
fn descriptor_link(descriptor: c_long, rest: &CStr) -> io::Result<CString> {
    let slash = if rest.is_empty() { &b""[..] } else { b"/" };
    let link = format!("/proc/self/fd/{descriptor}");
    Ok(CString::new([link.as_bytes(), slash, rest.to_bytes()].concat())?)
}

fn open2(directory: c_long, name: &CString) -> io::Result<c_long> {
    let how = OpenHow { flags: (libc::O_WRONLY | libc::O_CREAT) as u64, mode: 0o644, resolve: 0 };
    call!(SYS_openat2, directory, name.as_ptr(), &raw const how, size_of::<OpenHow>())
}

/// Opens a file for writing by its handle, which takes CAP_DAC_READ_SEARCH.
fn open_by_handle(path: &CString) -> io::Result<c_long> {
    // A header of two numbers: the room behind it, the type; then at most 128 bytes (MAX_HANDLE_SZ).
    let mut handle = [0u32; 2 + 32];
    handle[0] = 128;
    let mut mount = 0i32;
    call!(SYS_name_to_handle_at, libc::AT_FDCWD, path.as_ptr(), handle.as_mut_ptr(), &raw mut mount, 0)?;
    let (directory, _) = directory_of(path)?;
    call!(SYS_open_by_handle_at, directory, handle.as_ptr(), libc::O_WRONLY)
}

fn make_node(path: &CString, kind: u32, device: u32) -> io::Result<c_long> {
    call!(SYS_mknodat, libc::AT_FDCWD, path.as_ptr(), kind | 0o644, device)
}

fn link(from: &CString, to: &CString, flags: i32) -> io::Result<c_long> {
    call!(SYS_linkat, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
}

fn rename(from: &CString, to: &CString, flags: u32) -> io::Result<c_long> {
    call!(SYS_renameat2, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
}

/// A call that the C library does not name yet, with a mode and flags.
fn number(number: c_long, directory: c_long, name: &CStr, mode: u32, flags: i32) -> io::Result<c_long> {
    // SAFETY: numbers, and a pointer to a string that outlives the call.
    check(unsafe { libc::syscall(number, directory, name.as_ptr(), mode, flags) })
}

fn set_attribute(directory: c_long, path: &CStr, flags: i32) -> io::Result<c_long> {
    let value = c"x";
    // `struct xattr_args`: the value's address, its size, flags.
    let arguments = [value.as_ptr() as u64, 1];
    // SAFETY: numbers, and pointers to strings and a structure that outlive the call.
    check(unsafe {
        libc::syscall(SETXATTRAT, directory, path.as_ptr(), flags, NAME.as_ptr(), arguments.as_ptr(), 16usize)
    })
}

fn bind(address: &libc::sockaddr_un, length: usize) -> io::Result<c_long> {
    let socket = call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    call!(SYS_bind, socket, std::ptr::from_ref(address), length)
}

const PAGE: usize = 4096;

fn map(file: c_long, protection: i32, flags: i32) -> io::Result<c_long> {
    call!(SYS_mmap, 0, PAGE, protection, flags, file, 0usize)
}

/// A call that leaves a trace for whoever watches the kernel, and does nothing: the number is no scheduling policy.
fn mark(word: &CString) -> io::Result<c_long> {
    let number: c_long =
        word.to_str().ok().and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
    match call!(SYS_sched_get_priority_max, number) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(0),
        other => other,
    }
}

/// Says that it waits, and does so until the signal to end.
fn wait() -> io::Result<c_long> {
    let signals = EndSignals::hold_back()?;
    println!("waiting");
    signals.wait().map(|()| 0)
}

fn copy_self(to: &CString) -> io::Result<c_long> {
    let to = std::ffi::OsStr::from_bytes(to.as_bytes());
    std::fs::copy("/proc/self/exe", to)?;
    Ok(0)
}

/// Executes a program with the word `nothing` in a child that is another user, and waits for it.
fn execute_as(program: &CString, user: u32) -> io::Result<c_long> {
    let arguments = [program.as_ptr(), c"nothing".as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null::<libc::c_char>()];
    in_child(|| {
        if user != 0 {
            call!(SYS_setgroups, 0, 0)?;
            call!(SYS_setresgid, user, user, user)?;
            call!(SYS_setresuid, user, user, user)?;
        }
        call!(SYS_execve, program.as_ptr(), arguments.as_ptr(), environment.as_ptr())
    })
}

/// Does something in a forked child, which ends with it; the child's error is the result.
fn in_child(body: impl FnOnce() -> io::Result<c_long>) -> io::Result<c_long> {
    // SAFETY: the program has one thread wherever this is called.
    let child = check(unsafe { libc::fork() }.into())?;
    if child == 0 {
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(status_of(&body())) };
    }
    wait_for(child)
}

fn status_of(result: &io::Result<c_long>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(255),
    }
}

fn wait_for(child: c_long) -> io::Result<c_long> {
    let mut status = 0;
    call!(SYS_wait4, child, &raw mut status, 0, 0)?;
    match libc::WEXITSTATUS(status) {
        0 if libc::WIFEXITED(status) => Ok(0),
        0 => Err(io::Error::other("the child was killed")),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A step with its words, for a child that shares the memory.
struct Task<'a>(&'a Step, &'a [CString]);

/// Does a step in a child that shares the memory, while this process waits, as vfork has it.
fn in_vfork(step: &Step, words: &[CString]) -> io::Result<c_long> {
    extern "C" fn child(task: *mut libc::c_void) -> i32 {
        // SAFETY: the parent waits, so that what it handed over lives.
        let Task(step, words) = unsafe { &*task.cast::<Task<'_>>() };
        status_of(&(step.run)(words))
    }
    let mut stack = vec![0u128; 16 * 1024];
    let mut task = Task(step, words);
    // SAFETY: the stack and the task outlive the child, for which the kernel makes this thread wait.
    let child = unsafe {
        libc::clone(
            child,
            stack.as_mut_ptr().add(stack.len()).cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            (&raw mut task).cast(),
        )
    };
    wait_for(check(child.into())?)
}

/// Who makes a call.
fn run_in(context: Option<&str>, step: &Step, words: &[CString]) -> io::Result<c_long> {
    match context {
        None => (step.run)(words),
        Some("thread") => std::thread::scope(|scope| {
            let thread = scope.spawn(|| (step.run)(words));
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
        }),
        Some("fork") => in_child(|| (step.run)(words)),
        Some("vfork") => in_vfork(step, words),
        Some(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Runs a script: steps with their words, one behind the other. A step whose name begins with `?` may fail; one behind
/// `thread+`, `fork+` or `vfork+` is made by another thread or a child.
///
/// # Errors
/// The step that is unknown, lacks words or fails.
pub fn run(script: &[OsString]) -> Result<(), (String, io::Error)> {
    let mut rest = script;
    while let Some((name, words)) = rest.split_first() {
        let name = name.to_string_lossy();
        let (known, may_fail) = name.strip_prefix('?').map_or((&*name, false), |known| (known, true));
        let (context, known) = known.split_once('+').map_or((None, known), |(who, known)| (Some(who), known));
        let unknown = || (name.to_string(), io::Error::from(io::ErrorKind::InvalidInput));
        let step =
            STEPS.iter().chain(privileges::STEPS).find(|step| step.name == known).ok_or_else(unknown)?;
        let (words, behind) = words.split_at_checked(step.words).ok_or_else(unknown)?;
        let words: Result<Vec<_>, _> = words.iter().map(|word| CString::new(word.as_bytes())).collect();
        let result = words.map_err(io::Error::from).and_then(|words| run_in(context, step, &words));
        if let Err(error) = result
            && !may_fail
        {
            return Err((name.to_string(), error));
        }
        rest = behind;
    }
    Ok(())
}
