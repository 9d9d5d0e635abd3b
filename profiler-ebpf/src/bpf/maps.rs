//! Maps and read-only globals. Sizes are defaults; userspace may set others before loading.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, ProgramArray, RingBuf, StackTrace},
};
use profiler_ebpf::{
    CONTAINER_ID_LEN, SYSCALL_SLOTS,
    call::Call,
    config, control, fields,
    record::{CapKey, Count, NAMES_MAX, STRING_MAX, Subject, WriteKey, WriteRecord},
    register, stat,
};

/// Offsets of kernel fields, see [`profiler_ebpf::fields`].
#[unsafe(no_mangle)]
pub static FIELDS: [u32; fields::COUNT] = [0; fields::COUNT];

/// Offsets in `struct pt_regs`, see [`register`].
#[unsafe(no_mangle)]
pub static REGISTERS: [u32; register::LEN] = [0; register::LEN];

/// See [`config`].
#[unsafe(no_mangle)]
pub static CONFIG: [u32; config::LEN] = [0; config::LEN];

/// Descriptors by system-call number.
#[unsafe(no_mangle)]
pub static CALLS: [Call; SYSCALL_SLOTS] = [Call::NONE; SYSCALL_SLOTS];

/// First sights, to userspace.
#[map]
pub static RECORDS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Container ids (hexadecimal text) whose cgroups are to be followed once they appear.
#[map]
pub static WANTED: HashMap<[u8; CONTAINER_ID_LEN], u32> = HashMap::with_max_entries(256, 0);

/// Cgroups (by id) that are followed, with their slot.
#[map]
pub static FOLLOWED: HashMap<u64, u32> = HashMap::with_max_entries(4096, 0);

/// Processes (by tgid) that belong to a subject.
#[map]
pub static SUBJECTS: HashMap<u32, Subject> = HashMap::with_max_entries(16_384, 0);

/// Operations seen, with their counts.
#[map]
pub static WRITES: HashMap<WriteKey, Count> = HashMap::with_max_entries(65_536, 0);

/// Capability checks seen, with their counts.
#[map]
pub static CAPS: HashMap<CapKey, Count> = HashMap::with_max_entries(4096, 0);

/// Kernel stacks of capability checks.
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(2048, 0);

/// See [`stat`].
#[map]
pub static STATS: Array<u64> = Array::with_max_entries(stat::COUNT, 0);

/// See [`control`].
#[map]
pub static CONTROL: Array<u32> = Array::with_max_entries(control::LEN, 0);

/// Where a walk begins.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Anchor {
    /// A `struct mount`.
    pub mount: u64,
    /// A dentry on it.
    pub dentry: u64,
}

/// Where a record is put together: too large for the stack of 512 bytes.
#[repr(C)]
pub struct Scratch {
    /// The record's head; the names follow without a gap.
    pub head: WriteRecord,
    /// The names, and room for one string behind them so that every bounded copy stays inside.
    pub names: [u8; NAMES_MAX + STRING_MAX],
    /// Strings as read from the subject, with room for a word of zeroes behind.
    pub strings: [[u8; STRING_MAX + 8]; 2],
    /// Bytes of `strings` in use, NUL included.
    pub lengths: [u64; 2],
    /// The system call's arguments.
    pub args: [u64; 8],
    /// Where the (at most two) walks begin.
    pub anchors: [Anchor; 2],
    /// The inode of the object, or of the directory that its name is relative to.
    pub inode: u64,
    /// Bytes of `names` in use.
    pub used: u64,
    /// The walk's current dentry.
    pub dentry: u64,
    /// The walk's current `struct mount`.
    pub mount: u64,
}

/// Scratch areas. Tracepoints run with preemption disabled, and a program does not interrupt itself on one CPU (the
/// kernel refuses and counts it: `recursion_misses`). The `fexit` twins may be preempted by one another on a
/// preemptible kernel, so the areas for system calls are handed out by [`BUSY`].
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(scratch::COUNT, 0);

/// How many areas for system calls are in use on this CPU.
#[map]
pub static BUSY: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Indices into [`SCRATCH`].
pub mod scratch {
    /// Executions.
    pub const EXEC: u32 = 0;
    /// New cgroups.
    pub const CGROUP: u32 = 1;
    /// System calls, from here on.
    pub const SYSCALL: u32 = 2;
    /// How many there are for system calls.
    pub const SYSCALL_AREAS: u32 = 3;
    /// Their number.
    pub const COUNT: u32 = SYSCALL + SYSCALL_AREAS;
}

/// The one program that the `fexit` twins go on to: it is verified once, they are small.
#[map]
pub static WORKERS: ProgramArray = ProgramArray::with_max_entries(1, 0);
