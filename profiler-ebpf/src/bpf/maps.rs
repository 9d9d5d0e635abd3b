//! Maps and read-only globals. Sizes are defaults; userspace may set others before loading.

use core::sync::atomic::AtomicU64;

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, ProgramArray, RingBuf, StackTrace},
};
use profiler_ebpf::{
    CONTAINER_ID_LEN, SYSCALL_SLOTS,
    call::Call,
    config, control, fields,
    record::{CapKey, CheckCount, Count, Followed, Subject, WriteKey},
    register, stat,
};

use super::{
    scratch::{AREAS, Scratch},
    skipped::Hook,
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
pub static FOLLOWED: HashMap<u64, Followed> = HashMap::with_max_entries(4096, 0);

/// Processes (by tgid) that belong to a subject.
#[map]
pub static SUBJECTS: HashMap<u32, Subject> = HashMap::with_max_entries(16_384, 0);

/// Operations seen, with their counts.
#[map]
pub static WRITES: HashMap<WriteKey, Count> = HashMap::with_max_entries(65_536, 0);

/// How many entries of [`WRITES`] are in use. None is removed.
#[map]
pub static WRITES_USED: Array<u64> = Array::with_max_entries(1, 0);
/// What capability checks want to know of system calls, by number; see [`profiler_ebpf::ask`].
#[unsafe(no_mangle)]
pub static ASKS: [u8; SYSCALL_SLOTS] = [0; SYSCALL_SLOTS];

/// Capability checks seen, with their counts.
#[map]
pub static CAPS: HashMap<CapKey, CheckCount> = HashMap::with_max_entries(4096, 0);

/// How many different checks of one system call can wait for its result.
pub const AWAITING_MAX: usize = 4;

/// Checks that wait for the result of the system call they were made in.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Awaiting {
    /// The system call.
    pub syscall: u32,
    /// How many of `keys` are in use.
    pub used: u32,
    /// What the checks are counted under.
    pub keys: [CapKey; AWAITING_MAX],
}

/// By the address of the task. An entry lives from a check to the exit of its system call, and only until one such call
/// has succeeded: in the steady state there are none.
#[map]
pub static AWAITING: HashMap<u64, Awaiting> = HashMap::with_max_entries(1024, 0);

/// How many entries [`AWAITING`] has, so that whoever has nothing to do with it pays one load.
#[unsafe(no_mangle)]
pub static AWAITED: AtomicU64 = AtomicU64::new(0);

/// Kernel stacks of capability checks.
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(2048, 0);

/// See [`stat`].
#[map]
pub static STATS: Array<u64> = Array::with_max_entries(stat::COUNT, 0);

/// See [`control`].
#[map]
pub static CONTROL: Array<u32> = Array::with_max_entries(control::LEN, 0);

/// See [`super::scratch`].
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(AREAS, 0);

/// How many want each of the areas of [`SCRATCH`] on this CPU: one has it.
#[map]
pub static TAKEN: PerCpuArray<[u64; AREAS as usize]> = PerCpuArray::with_max_entries(1, 0);

/// How many runs of the program at each hook are under way on this CPU, see [`super::skipped`].
#[map]
pub static RUNNING: PerCpuArray<u64> = PerCpuArray::with_max_entries(Hook::COUNT, 0);

/// How many skipped runs were stood in for.
#[map]
pub static STOOD_IN: Array<u64> = Array::with_max_entries(1, 0);

/// The one program that the `fexit` twins go on to: it is verified once, they are small.
#[map]
pub static WORKERS: ProgramArray = ProgramArray::with_max_entries(1, 0);
