//! The ABI between the two halves of writepath: what userspace hands the BPF programs before they are loaded
//! (field offsets, the system-call table, limits) and what they hand back (records, keys, counters).
//!
//! Plain `#[repr(C)]` types without padding and constants; builds for the BPF target and for the host. With the
//! feature `host` the types convert safely from and to bytes.

#![no_std]
#![warn(missing_docs)]

pub mod ask;
pub mod call;
pub mod fields;
pub mod record;
pub mod stat;

/// Slots of the system-call table. The highest number that Linux uses on a 64-bit architecture is below 512
/// (x32 starts there).
pub const SYSCALL_SLOTS: usize = 512;

/// Length of a container id, in hexadecimal digits.
pub const CONTAINER_ID_LEN: usize = 64;

/// Entries of the array map `CONTROL`, which userspace changes during a run.
pub mod control {
    /// The current phase of the run, as a bit of [`crate::record::Count::phases`].
    pub const PHASE_BIT: u32 = 0;
    /// Not 0: the exit of every system call is seen, so that the result of any can be waited for.
    pub const ALL_EXITS: u32 = 1;
    /// Number of entries.
    pub const LEN: u32 = 2;
}

/// Entries of the read-only global `CONFIG`, which userspace fills before the programs are loaded.
pub mod config {
    /// How many distinct names per directory, operation and outcome are sent before only the directory is counted.
    pub const NAMES_PER_DIRECTORY: usize = 0;
    /// How to find the registers of the running system call from a capability check: 0, by the helper
    /// `bpf_task_pt_regs` (Linux ≥ 5.15); else the distance of `struct pt_regs` from `task->stack`, in bytes.
    pub const PT_REGS_FROM_STACK: usize = 1;
    /// Where in `struct task_struct` the 32-bit word stands that marks a 32-bit system call; while a program is being
    /// executed, a 32-bit program.
    pub const COMPAT_OFFSET: usize = 2;
    /// Its bit in that word; 0 where the architecture has none.
    pub const COMPAT_MASK: usize = 3;
    /// Entries of the map `WRITES`.
    pub const TABLE_ENTRIES: usize = 4;
    /// Whether programs at tracepoints have stand-ins for the runs that the kernel skips.
    pub const TRACEPOINTS_SKIP: usize = 5;
    /// Whether `fexit` programs have.
    pub const FEXIT_SKIPS: usize = 6;
    /// Two random numbers that names are hashed with: whoever knew them could find names that count as one.
    pub const HASH_KEYS: [usize; 2] = [7, 8];
    /// Number of entries.
    pub const LEN: usize = 9;
}

/// Entries of the read-only global `REGISTERS`: offsets in `struct pt_regs`.
pub mod register {
    /// The first of the six arguments, as they stand at the exit of a system call.
    pub const ARG0: usize = 0;
    /// The system call's number.
    pub const NUMBER: usize = 6;
    /// Number of entries.
    pub const LEN: usize = 7;
}
