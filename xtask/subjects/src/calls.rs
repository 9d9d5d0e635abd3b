//! Every system call that takes write access to a mount, by its own number and not through a library's wrapper: what
//! the sensors must see is what the kernel is asked for.
#![expect(unsafe_code, reason = "raw system calls have no safe form in the standard library")]

use std::ffi::{CString, OsString, c_long};
use std::io;
use std::os::unix::ffi::OsStrExt as _;

/// One call: its name in a script, how many words follow, and what it does with them.
struct Step {
    name: &'static str,
    words: usize,
    run: fn(&[CString]) -> io::Result<c_long>,
}

/// Makes a system call with up to six arguments.
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: the arguments are numbers, or pointers to NUL-terminated strings and structures that outlive the call.
        check(unsafe { libc::syscall(libc::$number $(, $argument)*) })
    };
}

fn check(result: c_long) -> io::Result<c_long> {
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

fn open(path: &CString, flags: i32) -> io::Result<c_long> {
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

const STEPS: &[Step] = &[
    Step { name: "chdir", words: 1, run: |w| call!(SYS_chdir, w[0].as_ptr()) },
    Step { name: "chroot", words: 1, run: |w| call!(SYS_chroot, w[0].as_ptr()) },
    Step { name: "read", words: 1, run: |w| open(&w[0], libc::O_RDONLY) },
    Step { name: "write", words: 1, run: |w| open(&w[0], libc::O_WRONLY) },
    Step { name: "read-write", words: 1, run: |w| open(&w[0], libc::O_RDWR) },
    Step { name: "create", words: 1, run: |w| open(&w[0], libc::O_WRONLY | libc::O_CREAT) },
    Step { name: "create-new", words: 1, run: |w| open(&w[0], libc::O_RDWR | libc::O_CREAT | libc::O_EXCL) },
    Step { name: "create-to-read", words: 1, run: |w| open(&w[0], libc::O_RDONLY | libc::O_CREAT) },
    Step { name: "open-truncate", words: 1, run: |w| open(&w[0], libc::O_RDONLY | libc::O_TRUNC) },
    Step { name: "tmpfile", words: 1, run: |w| open(&w[0], libc::O_RDWR | libc::O_TMPFILE) },
    Step {
        name: "open-at",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_openat, directory, name.as_ptr(), libc::O_WRONLY | libc::O_CREAT, 0o644)
        },
    },
    Step {
        name: "openat2",
        words: 1,
        run: |w| {
            let how = OpenHow { flags: (libc::O_WRONLY | libc::O_CREAT) as u64, mode: 0o644, resolve: 0 };
            call!(SYS_openat2, libc::AT_FDCWD, w[0].as_ptr(), &raw const how, size_of::<OpenHow>())
        },
    },
    Step { name: "mkdirat", words: 1, run: |w| call!(SYS_mkdirat, libc::AT_FDCWD, w[0].as_ptr(), 0o755) },
    Step {
        name: "mkdir-at",
        words: 1,
        run: |w| {
            let (directory, name) = directory_of(&w[0])?;
            call!(SYS_mkdirat, directory, name.as_ptr(), 0o755)
        },
    },
    Step {
        name: "mkfifo",
        words: 1,
        run: |w| call!(SYS_mknodat, libc::AT_FDCWD, w[0].as_ptr(), libc::S_IFIFO | 0o644, 0),
    },
    Step {
        name: "mkdevice",
        words: 1,
        run: |w| call!(SYS_mknodat, libc::AT_FDCWD, w[0].as_ptr(), libc::S_IFCHR | 0o644, 0x103),
    },
    Step {
        name: "symlink",
        words: 2,
        run: |w| call!(SYS_symlinkat, w[0].as_ptr(), libc::AT_FDCWD, w[1].as_ptr()),
    },
    Step {
        name: "link",
        words: 2,
        run: |w| call!(SYS_linkat, libc::AT_FDCWD, w[0].as_ptr(), libc::AT_FDCWD, w[1].as_ptr(), 0),
    },
    Step { name: "unlink", words: 1, run: |w| call!(SYS_unlinkat, libc::AT_FDCWD, w[0].as_ptr(), 0) },
    Step {
        name: "rmdir",
        words: 1,
        run: |w| call!(SYS_unlinkat, libc::AT_FDCWD, w[0].as_ptr(), libc::AT_REMOVEDIR),
    },
    Step {
        name: "rename",
        words: 2,
        run: |w| call!(SYS_renameat, libc::AT_FDCWD, w[0].as_ptr(), libc::AT_FDCWD, w[1].as_ptr()),
    },
    Step {
        name: "exchange",
        words: 2,
        run: |w| {
            call!(
                SYS_renameat2,
                libc::AT_FDCWD,
                w[0].as_ptr(),
                libc::AT_FDCWD,
                w[1].as_ptr(),
                libc::RENAME_EXCHANGE
            )
        },
    },
    Step { name: "truncate", words: 1, run: |w| call!(SYS_truncate, w[0].as_ptr(), 1) },
    Step { name: "ftruncate", words: 1, run: |w| call!(SYS_ftruncate, open(&w[0], libc::O_WRONLY)?, 1) },
    Step { name: "fchmodat", words: 1, run: |w| call!(SYS_fchmodat, libc::AT_FDCWD, w[0].as_ptr(), 0o600) },
    Step { name: "fchmod", words: 1, run: |w| call!(SYS_fchmod, open(&w[0], libc::O_RDONLY)?, 0o600) },
    Step { name: "fchownat", words: 1, run: |w| call!(SYS_fchownat, libc::AT_FDCWD, w[0].as_ptr(), 7, 7, 0) },
    Step {
        name: "lchownat",
        words: 1,
        run: |w| call!(SYS_fchownat, libc::AT_FDCWD, w[0].as_ptr(), 7, 7, libc::AT_SYMLINK_NOFOLLOW),
    },
    Step {
        name: "chown-empty-path",
        words: 1,
        run: |w| call!(SYS_fchownat, open(&w[0], libc::O_RDONLY)?, c"".as_ptr(), 7, 7, libc::AT_EMPTY_PATH),
    },
    Step { name: "fchown", words: 1, run: |w| call!(SYS_fchown, open(&w[0], libc::O_RDONLY)?, 7, 7) },
    Step { name: "utimensat", words: 1, run: |w| call!(SYS_utimensat, libc::AT_FDCWD, w[0].as_ptr(), 0, 0) },
    Step { name: "futimens", words: 1, run: |w| call!(SYS_utimensat, open(&w[0], libc::O_RDONLY)?, 0, 0, 0) },
    Step {
        name: "setxattr",
        words: 1,
        run: |w| call!(SYS_setxattr, w[0].as_ptr(), NAME.as_ptr(), c"x".as_ptr(), 1, 0),
    },
    Step {
        name: "fsetxattr",
        words: 1,
        run: |w| call!(SYS_fsetxattr, open(&w[0], libc::O_RDONLY)?, NAME.as_ptr(), c"x".as_ptr(), 1, 0),
    },
    Step { name: "removexattr", words: 1, run: |w| call!(SYS_removexattr, w[0].as_ptr(), NAME.as_ptr()) },
    Step {
        name: "bind",
        words: 1,
        run: |w| {
            let address = address_of(&w[0])?;
            let socket = call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
            call!(SYS_bind, socket, &raw const address, size_of_val(&address))
        },
    },
    Step { name: "fsync", words: 1, run: |w| call!(SYS_fsync, open(&w[0], libc::O_RDONLY)?) },
    Step { name: "fdatasync", words: 1, run: |w| call!(SYS_fdatasync, open(&w[0], libc::O_RDONLY)?) },
    #[cfg(target_arch = "x86_64")]
    Step {
        name: "open",
        words: 1,
        run: |w| call!(SYS_open, w[0].as_ptr(), libc::O_WRONLY | libc::O_CREAT, 0o644),
    },
    #[cfg(target_arch = "x86_64")]
    Step { name: "creat", words: 1, run: |w| call!(SYS_creat, w[0].as_ptr(), 0o644) },
    #[cfg(target_arch = "x86_64")]
    Step { name: "mkdir", words: 1, run: |w| call!(SYS_mkdir, w[0].as_ptr(), 0o755) },
    #[cfg(target_arch = "x86_64")]
    Step { name: "chmod", words: 1, run: |w| call!(SYS_chmod, w[0].as_ptr(), 0o600) },
    #[cfg(target_arch = "x86_64")]
    Step { name: "lchown", words: 1, run: |w| call!(SYS_lchown, w[0].as_ptr(), 7, 7) },
];

/// Runs a script: steps with their words, one behind the other. A step whose name begins with `?` may fail.
///
/// # Errors
/// The step that is unknown, lacks words or fails.
pub fn run(script: &[OsString]) -> Result<(), (String, io::Error)> {
    let mut rest = script;
    while let Some((name, words)) = rest.split_first() {
        let name = name.to_string_lossy();
        let (known, may_fail) = name.strip_prefix('?').map_or((&*name, false), |known| (known, true));
        let unknown = || (name.to_string(), io::Error::from(io::ErrorKind::InvalidInput));
        let step = STEPS.iter().find(|step| step.name == known).ok_or_else(unknown)?;
        let (words, behind) = words.split_at_checked(step.words).ok_or_else(unknown)?;
        let words: Result<Vec<_>, _> = words.iter().map(|word| CString::new(word.as_bytes())).collect();
        let result = words.map_err(io::Error::from).and_then(|words| (step.run)(&words));
        if let Err(error) = result
            && !may_fail
        {
            return Err((name.to_string(), error));
        }
        rest = behind;
    }
    Ok(())
}
