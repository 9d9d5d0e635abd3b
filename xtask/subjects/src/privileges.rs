//! System calls that ask for a capability, or look as if they did, by their own number; steps for [`crate::calls`].
#![expect(unsafe_code, reason = "raw system calls have no safe form in the standard library")]

use std::ffi::{CString, c_long};
use std::io;

use crate::calls::{Step, call, check, open};

/// The user and group that steps become.
const OTHER: u32 = 7;

/// Runs `child` in a forked process, and `parent` with its number once the child is done; the child then waits for its
/// end, and is reaped.
fn with_child(
    child: fn() -> io::Result<c_long>,
    parent: fn(c_long) -> io::Result<c_long>,
) -> io::Result<c_long> {
    let mut ready = [0i32; 2];
    call!(SYS_pipe2, ready.as_mut_ptr(), libc::O_CLOEXEC)?;
    // SAFETY: the program has one thread; the child makes raw system calls only.
    let pid = check(c_long::from(unsafe { libc::fork() }))?;
    if pid == 0 {
        let done = child().and_then(|_| call!(SYS_write, ready[1], c"x".as_ptr(), 1));
        loop {
            if done.is_err() {
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(1) };
            }
            let _ = call!(SYS_ppoll, 0, 0, 0, 0, 0);
        }
    }
    call!(SYS_close, ready[1])?;
    let mut byte = 0u8;
    let got = call!(SYS_read, ready[0], &raw mut byte, 1)?;
    // Where it fails, the end of a container's first process ends the child.
    let result = if got == 1 { parent(pid)? } else { return Err(io::ErrorKind::Other.into()) };
    call!(SYS_kill, pid, libc::SIGKILL)
        .or_else(|error| if error.raw_os_error() == Some(libc::ESRCH) { Ok(0) } else { Err(error) })?;
    call!(SYS_wait4, pid, 0, 0, 0)?;
    Ok(result)
}

fn become_other() -> io::Result<c_long> {
    call!(SYS_setuid, OTHER)
}

fn nothing() -> io::Result<c_long> {
    Ok(0)
}

fn environment_of(pid: c_long) -> io::Result<c_long> {
    let path = CString::new(format!("/proc/{pid}/environ"))?;
    let file = open(&path, libc::O_RDONLY)?;
    call!(SYS_close, file)
}

fn terminate(pid: c_long) -> io::Result<c_long> {
    call!(SYS_kill, pid, libc::SIGTERM)
}

/// A page of memory, mapped anew.
fn page() -> io::Result<c_long> {
    const LENGTH: usize = 4096;
    call!(
        SYS_mmap,
        0,
        LENGTH,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        -1,
        0
    )
}

/// Header and data of capget(2) and capset(2), version 3.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// `struct vfs_cap_data`, revision 2: CAP_NET_RAW permitted and effective.
const FILE_CAPABILITY: [u32; 5] = [0x0200_0001, 1 << 13, 0, 0, 0];

const CAP_NET_RAW: c_long = 13;
const CAP_AUDIT_WRITE: c_long = 29;

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "keep-owner",
        words: 1,
        run: |w| call!(SYS_fchownat, libc::AT_FDCWD, w[0].as_ptr(), 0, 0, 0),
    },
    Step {
        name: "chmod-setuid",
        words: 1,
        run: |w| call!(SYS_fchmodat, libc::AT_FDCWD, w[0].as_ptr(), 0o4755),
    },
    Step {
        name: "write-bytes",
        words: 1,
        run: |w| {
            let file = open(&w[0], libc::O_WRONLY)?;
            call!(SYS_write, file, c"x".as_ptr(), 1)?;
            call!(SYS_close, file)
        },
    },
    Step {
        name: "mknod-device",
        words: 1,
        // /dev/null's number.
        run: |w| {
            call!(SYS_mknodat, libc::AT_FDCWD, w[0].as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 3))
        },
    },
    Step {
        name: "set-file-capability",
        words: 1,
        run: |w| {
            call!(
                SYS_setxattr,
                w[0].as_ptr(),
                c"security.capability".as_ptr(),
                FILE_CAPABILITY.as_ptr(),
                size_of_val(&FILE_CAPABILITY),
                0
            )
        },
    },
    Step { name: "setuid-other", words: 0, run: |_| become_other() },
    Step { name: "setgid-other", words: 0, run: |_| call!(SYS_setgid, OTHER) },
    Step { name: "setgroups", words: 0, run: |_| call!(SYS_setgroups, 1, [OTHER].as_ptr()) },
    Step { name: "setuid-self", words: 0, run: |_| call!(SYS_setuid, 0) },
    Step { name: "setgid-self", words: 0, run: |_| call!(SYS_setgid, 0) },
    Step { name: "setresuid-self", words: 0, run: |_| call!(SYS_setresuid, 0, -1, 0) },
    Step { name: "setresgid-self", words: 0, run: |_| call!(SYS_setresgid, -1, 0, 0) },
    Step { name: "setreuid-self", words: 0, run: |_| call!(SYS_setreuid, 0, 0) },
    Step { name: "setfsuid-self", words: 0, run: |_| call!(SYS_setfsuid, 0) },
    Step { name: "kill-other", words: 0, run: |_| with_child(become_other, terminate) },
    Step { name: "kill-own", words: 0, run: |_| with_child(nothing, terminate) },
    Step { name: "environment-of-other", words: 0, run: |_| with_child(become_other, environment_of) },
    Step { name: "environment-of-own", words: 0, run: |_| with_child(nothing, environment_of) },
    Step {
        name: "bind-port",
        words: 1,
        run: |w| {
            let port: u16 =
                w[0].to_str().ok().and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
            // SAFETY: all zeroes is a value of this plain structure: any address, as 0.0.0.0.
            let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            address.sin_family = libc::AF_INET as libc::sa_family_t;
            address.sin_port = port.to_be();
            let socket = call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)?;
            call!(SYS_bind, socket, &raw const address, size_of_val(&address))
        },
    },
    Step {
        name: "raw-socket",
        words: 0,
        run: |_| call!(SYS_socket, libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_ICMP),
    },
    Step { name: "raise-priority", words: 0, run: |_| call!(SYS_setpriority, libc::PRIO_PROCESS, 0, -5) },
    Step { name: "lower-priority", words: 0, run: |_| call!(SYS_setpriority, libc::PRIO_PROCESS, 0, 5) },
    Step {
        name: "lock-beyond-limit",
        words: 0,
        run: |_| {
            let limit = [0u64; 2];
            call!(SYS_prlimit64, 0, libc::RLIMIT_MEMLOCK, limit.as_ptr(), 0)?;
            call!(SYS_mlock, page()?, 4096)
        },
    },
    Step {
        name: "raise-hard-limit",
        words: 0,
        run: |_| {
            let mut limit = [0u64; 2];
            call!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, 0, limit.as_mut_ptr())?;
            limit[1] += 1;
            call!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, limit.as_ptr(), 0)
        },
    },
    Step {
        name: "lower-hard-limit",
        words: 0,
        run: |_| {
            let mut limit = [0u64; 2];
            call!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, 0, limit.as_mut_ptr())?;
            limit[1] -= 1;
            limit[0] = limit[0].min(limit[1]);
            call!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, limit.as_ptr(), 0)
        },
    },
    Step {
        name: "drop-from-bounding-set",
        words: 0,
        run: |_| call!(SYS_prctl, libc::PR_CAPBSET_DROP, CAP_AUDIT_WRITE, 0, 0, 0),
    },
    Step {
        name: "drop-capability",
        words: 0,
        run: |_| {
            let header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
            // Effective, permitted, inheritable; the second half holds the capabilities from 32 on.
            let mut data = [[0u32; 3]; 2];
            call!(SYS_capget, &raw const header, data.as_mut_ptr())?;
            for set in &mut data[0][..2] {
                *set &= !(1 << CAP_NET_RAW);
            }
            call!(SYS_capset, &raw const header, data.as_ptr())
        },
    },
    Step {
        name: "mount-tmpfs",
        words: 1,
        run: |w| call!(SYS_mount, c"none".as_ptr(), w[0].as_ptr(), c"tmpfs".as_ptr(), 0, 0),
    },
    Step {
        name: "map-memory",
        words: 1,
        run: |w| {
            let times: u32 =
                w[0].to_str().ok().and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
            for _ in 0..times {
                call!(SYS_munmap, page()?, 4096)?;
            }
            Ok(0)
        },
    },
    Step { name: "new-user-namespace", words: 0, run: |_| call!(SYS_unshare, libc::CLONE_NEWUSER) },
    Step { name: "new-mount-namespace", words: 0, run: |_| call!(SYS_unshare, libc::CLONE_NEWNS) },
];
