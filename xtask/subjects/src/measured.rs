//! What benchmarks measure: system calls in a loop for a span of time, and many files, directories or processes once.
//!
//! A loop looks at the clock once in a batch, so that the clock costs next to nothing, and warms up before it counts.
#![expect(unsafe_code, reason = "getppid, mmap and munmap have no safe form in the standard library")]

use std::ffi::c_int;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::ptr;
use std::time::{Duration, Instant};

/// Calls between two looks at the clock.
const BATCH: u32 = 256;

/// How long something took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// How often it was done.
    pub times: u64,
    /// All of it together.
    pub elapsed: Duration,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.times, self.elapsed.as_nanos())
    }
}

/// Repeats `call` for a span of time.
///
/// # Errors
/// The call's own.
pub fn repeat(span: Duration, mut call: impl FnMut() -> io::Result<()>) -> io::Result<Took> {
    for _ in 0..BATCH {
        call()?;
    }
    let start = Instant::now();
    let mut times = 0;
    loop {
        for _ in 0..BATCH {
            call()?;
        }
        times += u64::from(BATCH);
        let elapsed = start.elapsed();
        if elapsed >= span {
            return Ok(Took { times, elapsed });
        }
    }
}

/// Opens an existing file for writing and closes it.
///
/// # Errors
/// That of the open.
pub fn open_for_writing(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path).map(drop)
}

/// Opens an existing file for reading and closes it.
///
/// # Errors
/// That of the open.
pub fn open_for_reading(path: &Path) -> io::Result<()> {
    File::open(path).map(drop)
}

/// Creates a file and unlinks it.
///
/// # Errors
/// That of the call that fails.
pub fn create_and_unlink(path: &Path) -> io::Result<()> {
    File::create(path)?;
    fs::remove_file(path)
}

/// The cheapest system call that the C library never answers itself.
pub fn cheap_call() -> c_int {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getppid() }
}

/// Maps a page of anonymous memory and unmaps it. The kernel asks for a capability on the way (`cap_vm_enough_memory`).
///
/// # Errors
/// That of `mmap` or `munmap`.
pub fn map_and_unmap() -> io::Result<()> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that is in use.
    let page = unsafe { libc::mmap(ptr::null_mut(), 4096, access, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping made above, of this length, to which there is no other pointer.
    if unsafe { libc::munmap(page, 4096) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Does something `count` times, once for each number.
///
/// # Errors
/// The first that fails.
pub fn each(count: u64, mut act: impl FnMut(u64) -> io::Result<()>) -> io::Result<Took> {
    let start = Instant::now();
    for number in 0..count {
        act(number)?;
    }
    Ok(Took { times: count, elapsed: start.elapsed() })
}

/// Runs this program again to write one file, and waits for it.
///
/// # Errors
/// Where it cannot be started or fails.
pub fn write_in_a_process(path: &Path) -> io::Result<()> {
    let status = Command::new("/proc/self/exe").arg("touch").arg(path).stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the process failed: {status}"))) }
}
