//! Calls to the C library: dropping privileges, waiting for a signal, children. The only module with unsafe code.
#![expect(unsafe_code, reason = "these calls have no safe form in the standard library")]

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Becomes another user for good: supplementary groups first, then the group, then the user.
///
/// # Errors
/// That of the first call that fails; the privileges are then those from before that call.
pub fn drop_to(id: u32) -> io::Result<()> {
    // SAFETY: a length of zero makes setgroups read nothing through the pointer.
    check(unsafe { libc::setgroups(0, ptr::null()) })?;
    // SAFETY: takes a number and no pointer.
    check(unsafe { libc::setgid(id) })?;
    // SAFETY: takes a number and no pointer.
    check(unsafe { libc::setuid(id) })
}

/// Whether this process has root's user id.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The signals that end a container's program, held back until somebody waits for them.
pub struct EndSignals(libc::sigset_t);

impl EndSignals {
    /// Holds SIGTERM, SIGINT and SIGQUIT back in this thread and in those it starts later.
    ///
    /// # Errors
    /// That of `pthread_sigmask`.
    pub fn hold_back() -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set that it is given a valid pointer to.
        check(unsafe { libc::sigemptyset(set.as_mut_ptr()) })?;
        // SAFETY: initialised by the call above, which succeeded.
        let mut set = unsafe { set.assume_init() };
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: the set is initialised and the signal's number valid.
            check(unsafe { libc::sigaddset(&raw mut set, signal) })?;
        }
        // SAFETY: the set is initialised; a null pointer asks for no old mask.
        let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
        if error == 0 { Ok(Self(set)) } else { Err(io::Error::from_raw_os_error(error)) }
    }

    /// Waits for one of them.
    ///
    /// # Errors
    /// That of `sigwait`.
    pub fn wait(&self) -> io::Result<()> {
        let mut signal: c_int = 0;
        // SAFETY: the set is initialised, and the pointer is valid for the write of one number.
        let error = unsafe { libc::sigwait(&raw const self.0, &raw mut signal) };
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    }
}

/// Forks a child that exits at once, and reaps it. The process must have one thread only.
///
/// # Errors
/// That of `fork` or `waitpid`.
pub fn fork_and_reap() -> io::Result<()> {
    // SAFETY: the child calls nothing but _exit, which is allowed after a fork in any program.
    let child = unsafe { libc::fork() };
    check(child)?;
    if child == 0 {
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: a null pointer asks for no status.
    check(unsafe { libc::waitpid(child, ptr::null_mut(), 0) })
}

/// The C library's convention: negative means that `errno` says why.
fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
