//! A file created by io_uring, whose operations are no system calls of their own.

use std::ffi::{CString, c_long};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use super::check;

/// `struct io_uring_params`, as far as it is used (Linux include/uapi/linux/io_uring.h): 120 bytes.
#[derive(Default)]
#[repr(C)]
struct Parameters {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    reserved: [u32; 3],
    /// head, tail, ring_mask, ring_entries, flags, dropped, array, reserved (and 8 bytes).
    sq_offsets: [u32; 10],
    cq_offsets: [u32; 10],
}

const SETUP_SQPOLL: u32 = 2;
const ENTER_GETEVENTS: u32 = 1;
const OP_OPENAT: u8 = 18;
const OFFSET_SQ_RING: i64 = 0;
const OFFSET_SQES: i64 = 0x1000_0000;
const MAPPED: usize = 4096;

fn setup(flags: u32) -> io::Result<(c_long, Parameters)> {
    let mut parameters = Parameters { flags, ..Parameters::default() };
    let ring = call!(SYS_io_uring_setup, 1, &raw mut parameters)?;
    Ok((ring, parameters))
}

fn map(ring: c_long, offset: i64) -> io::Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
    call!(SYS_mmap, 0, MAPPED, protection, flags, ring, offset).map(|address| address as *mut u8)
}

/// Creates a file by a submission, and waits for it.
pub(super) fn create(path: &CString) -> io::Result<c_long> {
    let (ring, parameters) = setup(0)?;
    let queue = map(ring, OFFSET_SQ_RING)?;
    let entry = map(ring, OFFSET_SQES)?;
    let [_, tail, _, _, _, _, array, ..] = parameters.sq_offsets;
    // SAFETY: both mappings are larger than a queue of one entry; the kernel gave the offsets into them, which are
    // aligned. Nothing else uses them before the kernel is told of the new tail.
    unsafe {
        entry.write(OP_OPENAT);
        entry.add(4).cast::<i32>().write(libc::AT_FDCWD);
        entry.add(16).cast::<u64>().write(path.as_ptr() as u64);
        entry.add(24).cast::<u32>().write(0o644);
        entry.add(28).cast::<i32>().write(libc::O_WRONLY | libc::O_CREAT);
        queue.add(array as usize).cast::<u32>().write(0);
        (*queue.add(tail as usize).cast::<AtomicU32>()).store(1, Ordering::Release);
    }
    call!(SYS_io_uring_enter, ring, 1, 1, ENTER_GETEVENTS, 0usize, 0usize)
}

/// Makes a ring that a thread of the kernel's looks at: submissions take no system call.
pub(super) fn polled() -> io::Result<c_long> {
    setup(SETUP_SQPOLL).map(|(ring, _)| ring)
}
