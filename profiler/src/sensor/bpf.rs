//! Loading, attaching and talking to the BPF programs. The only module that knows aya.
//!
//! Which hooks are used is found out by trying to load and attach them, never by kernel version: system calls by
//! `fexit` of each, else by the tracepoint `sys_exit`; capability checks by `fexit` of `cap_capable`, else by the
//! tracepoint of that name (Linux ≥ 6.14); the system call's registers in a capability check by the helper
//! `bpf_task_pt_regs` (Linux ≥ 5.15), else from the task's stack. All of the others are mandatory.

use std::{collections::HashMap, os::fd::BorrowedFd};

use aya::{
    Btf as KernelBtf, BtfError, Ebpf, EbpfLoader,
    maps::{Array, HashMap as BpfMap, MapData, ProgramArray, RingBuf, StackTraceMap},
    programs::{BtfTracePoint, FExit, Program, ProgramError},
};
use profiler_ebpf::{
    CONTAINER_ID_LEN, config, control, fields,
    record::{CapKey, Count, NO_STACK, Subject, WriteKey},
    stat,
};
use rustix::event::{PollFd, PollFlags, poll};
use zerocopy::{FromBytes, IntoBytes};

use super::{
    Hooks, SensorError, SensorOptions, arch,
    btf::Btf,
    calls,
    decode::{Record, decode},
};

/// The BPF object, built by the build script.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/writepath"));

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

type CountBytes = [u8; size_of::<Count>()];
type SubjectBytes = [u8; size_of::<Subject>()];

/// The loaded programs and their maps. Dropping it detaches and unloads everything.
pub(crate) struct Programs {
    ebpf: Ebpf,
    stacks: StackTraceMap<MapData>,
    hooks: Vec<String>,
}

/// The stream of records.
pub(crate) struct Records(RingBuf<MapData>);

/// Programs that stand in for twins that cannot reach the worker.
const DIRECT: [&str; 4] = ["syscall_direct_0", "syscall_direct_1", "syscall_direct_2", "syscall_direct_3"];

/// Two ways to find a system call's registers.
const PT_REGS_WAYS: [bool; 2] = [true, false];

impl Programs {
    /// Loads and attaches everything.
    pub(crate) fn load(options: &SensorOptions) -> Result<(Self, Records), SensorError> {
        let data = std::fs::read(BTF_PATH).map_err(SensorError::NoBtf)?;
        let btf = Btf::parse(&data)?;
        let kernel_btf = KernelBtf::parse(&data, aya::Endianness::default()).map_err(|error| {
            SensorError::Load { program: "the kernel's BTF".to_owned(), message: chain(&error) }
        })?;
        let mut result = Err(SensorError::Load { program: String::new(), message: String::new() });
        for has_task_pt_regs in PT_REGS_WAYS {
            result = Self::load_with(options, &btf, &kernel_btf, has_task_pt_regs);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn load_with(
        options: &SensorOptions,
        btf: &Btf,
        kernel_btf: &KernelBtf,
        has_task_pt_regs: bool,
    ) -> Result<(Self, Records), SensorError> {
        let field_offsets = resolve_fields(btf)?;
        let registers = arch::registers(btf)?;
        let mut settings = [0u32; config::LEN];
        settings[config::NAMES_PER_DIRECTORY] = options.names_per_directory;
        arch::settings(btf, &field_offsets, has_task_pt_regs, &mut settings)?;
        let table = calls::table();

        let mut ebpf = EbpfLoader::new()
            .btf(Some(kernel_btf))
            .override_global("FIELDS", &field_offsets[..], true)
            .override_global("REGISTERS", &registers[..], true)
            .override_global("CONFIG", &settings[..], true)
            .override_global("CALLS", &table[..], true)
            .map_max_entries("RECORDS", options.ring_bytes)
            .map_max_entries("WRITES", options.table_entries)
            .load(OBJECT)
            .map_err(|error| SensorError::Load {
                program: "the BPF object".to_owned(),
                message: chain(&error),
            })?;

        let mut hooks = Vec::new();
        // The order matters: processes are followed before anything is reported about them.
        for name in ["sched_process_fork", "sched_process_exit", "sched_process_exec", "cgroup_mkdir"] {
            attach_tracepoint(&mut ebpf, name, kernel_btf)?;
            hooks.push(format!("tp_btf/{name}"));
        }
        hooks.push(attach_either(
            &mut ebpf,
            options.hooks,
            |ebpf| attach_twins(ebpf, kernel_btf).map(|count| format!("fexit of {count} system calls")),
            |ebpf| attach_tracepoint(ebpf, "sys_exit", kernel_btf).map(|()| "tp_btf/sys_exit".to_owned()),
        )?);
        hooks.push(attach_either(
            &mut ebpf,
            options.hooks,
            |ebpf| {
                attach_fexit(ebpf, "cap_capable_exit", "cap_capable", kernel_btf)
                    .map(|()| "fexit/cap_capable".to_owned())
            },
            |ebpf| {
                attach_tracepoint(ebpf, "cap_capable", kernel_btf).map(|()| "tp_btf/cap_capable".to_owned())
            },
        )?);

        let missing = |map: &str| SensorError::Map {
            map: map.to_owned(),
            message: "it is not in the object".to_owned(),
        };
        let ring = ebpf.take_map("RECORDS").ok_or_else(|| missing("RECORDS"))?;
        let ring = RingBuf::try_from(ring).map_err(|error| map_error("RECORDS", &error))?;
        let stacks = ebpf.take_map("STACKS").ok_or_else(|| missing("STACKS"))?;
        let stacks = StackTraceMap::try_from(stacks).map_err(|error| map_error("STACKS", &error))?;
        Ok((Self { ebpf, stacks, hooks }, Records(ring)))
    }

    /// The hooks in use, for instance `tp_btf/sys_exit`.
    pub(crate) fn hooks(&self) -> &[String] {
        &self.hooks
    }

    /// Follows the container with this id (64 hexadecimal digits) as soon as its cgroup appears.
    pub(crate) fn want_container(&mut self, id: &str, slot: u32) -> Result<(), SensorError> {
        let id: [u8; CONTAINER_ID_LEN] = id.as_bytes().try_into().map_err(|_| SensorError::Map {
            map: "WANTED".to_owned(),
            message: format!("a container id has {CONTAINER_ID_LEN} digits"),
        })?;
        self.table::<[u8; CONTAINER_ID_LEN], u32>("WANTED")?
            .insert(id, slot, 0)
            .map_err(|error| map_error("WANTED", &error))
    }

    /// Follows a cgroup (by its id, the inode number of its directory) that exists already.
    pub(crate) fn follow_cgroup(&mut self, id: u64, slot: u32) -> Result<(), SensorError> {
        self.table::<u64, u32>("FOLLOWED")?.insert(id, slot, 0).map_err(|error| map_error("FOLLOWED", &error))
    }

    /// Counts as the subject's a process that runs already, under an executable's id that userspace chose.
    pub(crate) fn adopt_process(&mut self, tgid: u32, exe: u64, slot: u32) -> Result<(), SensorError> {
        let subject = Subject { exe, slot, reserved: 0 };
        let bytes: SubjectBytes = zerocopy::transmute!(subject);
        self.table::<u32, SubjectBytes>("SUBJECTS")?
            .insert(tgid, bytes, 0)
            .map_err(|error| map_error("SUBJECTS", &error))
    }

    /// Sets the phase that counts are marked with from now on.
    pub(crate) fn set_phase(&mut self, bit: u32) -> Result<(), SensorError> {
        let map = self.ebpf.map_mut("CONTROL").ok_or_else(|| no_map("CONTROL"))?;
        Array::<_, u32>::try_from(map)
            .and_then(|mut array| array.set(control::PHASE_BIT, bit, 0))
            .map_err(|error| map_error("CONTROL", &error))
    }

    /// All operations with their counts.
    pub(crate) fn writes(&self) -> Result<HashMap<WriteKey, Count>, SensorError> {
        self.counts("WRITES")
    }

    /// All capability checks with their counts.
    pub(crate) fn capabilities(&self) -> Result<HashMap<CapKey, Count>, SensorError> {
        self.counts("CAPS")
    }

    /// What could not be followed: code, message, how often; only what is not zero.
    pub(crate) fn losses(&self) -> Result<Vec<(&'static str, &'static str, u64)>, SensorError> {
        let map = self.ebpf.map("STATS").ok_or_else(|| no_map("STATS"))?;
        let array = Array::<_, u64>::try_from(map).map_err(|error| map_error("STATS", &error))?;
        let mut losses = Vec::new();
        for (index, (code, message)) in (0..).zip(stat::ALL) {
            let count = array.get(&index, 0).map_err(|error| map_error("STATS", &error))?;
            if count != 0 {
                losses.push((*code, *message, count));
            }
        }
        let skipped = self.skipped_runs();
        if skipped != 0 {
            losses.push((
                "programs-skipped",
                "runs of a program that the kernel skipped because it was running already",
                skipped,
            ));
        }
        Ok(losses)
    }

    /// Runs that the kernel skipped, `recursion_misses` of each program's file descriptor information (Linux 5.12).
    fn skipped_runs(&self) -> u64 {
        use std::os::fd::{AsFd, AsRawFd};
        let misses = |program: &Program| -> Option<u64> {
            let fd = program.fd().ok()?.as_fd().as_raw_fd();
            let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
        };
        self.ebpf.programs().filter_map(|(_, program)| misses(program)).sum()
    }

    /// The kernel addresses of a recorded stack, innermost first.
    pub(crate) fn stack(&self, id: u32) -> Vec<u64> {
        if id == NO_STACK {
            return Vec::new();
        }
        self.stacks
            .get(&id, 0)
            .map(|trace| trace.frames().iter().map(|frame| frame.ip).collect())
            .unwrap_or_default()
    }

    fn table<K: aya::Pod, V: aya::Pod>(
        &mut self,
        name: &'static str,
    ) -> Result<BpfMap<&mut MapData, K, V>, SensorError> {
        let map = self.ebpf.map_mut(name).ok_or_else(|| no_map(name))?;
        BpfMap::try_from(map).map_err(|error| map_error(name, &error))
    }

    fn counts<K>(&self, name: &'static str) -> Result<HashMap<K, Count>, SensorError>
    where
        K: FromBytes + Eq + std::hash::Hash + AbiKey,
    {
        let map = self.ebpf.map(name).ok_or_else(|| no_map(name))?;
        let table =
            BpfMap::<_, K::Bytes, CountBytes>::try_from(map).map_err(|error| map_error(name, &error))?;
        let mut counts = HashMap::new();
        for entry in table.iter() {
            let (key, count) = entry.map_err(|error| map_error(name, &error))?;
            let (Ok(key), Ok(count)) = (K::read_from_bytes(K::bytes(&key)), Count::read_from_bytes(&count))
            else {
                continue;
            };
            counts.insert(key, count);
        }
        Ok(counts)
    }
}

/// Keys by their bytes: aya's own conversion would take `unsafe`.
trait AbiKey {
    type Bytes: aya::Pod;
    fn bytes(bytes: &Self::Bytes) -> &[u8];
}

impl AbiKey for WriteKey {
    type Bytes = [u8; size_of::<Self>()];
    fn bytes(bytes: &Self::Bytes) -> &[u8] {
        bytes.as_bytes()
    }
}

impl AbiKey for CapKey {
    type Bytes = [u8; size_of::<Self>()];
    fn bytes(bytes: &Self::Bytes) -> &[u8] {
        bytes.as_bytes()
    }
}

impl Records {
    /// Blocks until there are records or `wake` becomes readable, then hands all records to `sink`.
    ///
    /// # Errors
    /// Those of poll(2).
    pub(crate) fn wait(
        &mut self,
        wake: BorrowedFd<'_>,
        sink: &mut impl FnMut(Record<'_>),
    ) -> std::io::Result<()> {
        let mut watched =
            [PollFd::new(&self.0, PollFlags::IN), PollFd::from_borrowed_fd(wake, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.drain(sink);
        Ok(())
    }

    /// Hands all records that are there to `sink`.
    pub(crate) fn drain(&mut self, sink: &mut impl FnMut(Record<'_>)) {
        while let Some(bytes) = self.0.next() {
            if let Some(record) = decode(&bytes) {
                sink(record);
            }
        }
    }
}

fn resolve_fields(btf: &Btf) -> Result<[u32; fields::COUNT], SensorError> {
    let mut offsets = [0; fields::COUNT];
    for (offset, field) in offsets.iter_mut().zip(fields::ALL) {
        *offset = btf.offset_of(field.structure, field.member)?;
    }
    Ok(offsets)
}

/// Attaches one of two equivalent hooks, the preferred one where it is not asked for the other.
fn attach_either(
    ebpf: &mut Ebpf,
    hooks: Hooks,
    fexit: impl FnOnce(&mut Ebpf) -> Result<String, SensorError>,
    tracepoint: impl FnOnce(&mut Ebpf) -> Result<String, SensorError>,
) -> Result<String, SensorError> {
    match hooks {
        Hooks::Fexit => fexit(ebpf),
        Hooks::Tracepoint => tracepoint(ebpf).or_else(|error| match error {
            // A kernel without the tracepoint has no choice.
            SensorError::NoHook { .. } => fexit(ebpf),
            error => Err(error),
        }),
        Hooks::Auto => fexit(ebpf).or_else(|_| tracepoint(ebpf)),
    }
}

/// Attaches the twins to the exits of the system calls that the kernel has; how many. All or none.
fn attach_twins(ebpf: &mut Ebpf, btf: &KernelBtf) -> Result<usize, SensorError> {
    let attached = try_attach_twins(ebpf, btf);
    if attached.is_err() {
        let twins = calls::names().map(|(_, name)| format!("fexit_{name}"));
        for name in twins.chain(DIRECT.map(str::to_owned)) {
            if let Some(Program::FExit(program)) = ebpf.program_mut(&name) {
                // Detaches it; one that was not loaded has nothing to unload.
                let _ = program.unload();
            }
        }
    }
    attached
}

fn try_attach_twins(ebpf: &mut Ebpf, btf: &KernelBtf) -> Result<usize, SensorError> {
    let function = |name: &str| format!("{}{name}", arch::SYSCALL_PREFIX);
    load_fexit(ebpf, "syscall_worker", &function("openat"), btf)?;
    let worker = ebpf.program("syscall_worker").ok_or_else(|| no_map("syscall_worker"))?;
    let worker = worker.fd().map_err(|error| map_error("WORKERS", &error))?.try_clone();
    let worker = worker.map_err(|error| map_error("WORKERS", &error))?;
    let workers = ebpf.map_mut("WORKERS").ok_or_else(|| no_map("WORKERS"))?;
    ProgramArray::try_from(workers)
        .and_then(|mut workers| workers.set(0, &worker, 0))
        .map_err(|error| map_error("WORKERS", &error))?;
    let mut count = 0;
    let mut direct = DIRECT.iter();
    for (_, name) in calls::names() {
        let twin = attach_fexit(ebpf, &format!("fexit_{name}"), &function(&name), btf);
        match twin {
            Ok(()) => {}
            // A call that this kernel does not have yet.
            Err(SensorError::NoHook { .. }) => continue,
            // Perhaps its function cannot reach the worker: both must have one prototype.
            Err(refused) => match direct.next() {
                Some(direct) => attach_fexit(ebpf, direct, &function(&name), btf)?,
                None => return Err(refused),
            },
        }
        count += 1;
    }
    Ok(count)
}

fn attach_tracepoint(ebpf: &mut Ebpf, name: &str, btf: &KernelBtf) -> Result<(), SensorError> {
    let hook = format!("tp_btf/{name}");
    let program = ebpf.program_mut(name).ok_or_else(|| refused(&hook, "it is not in the object"))?;
    let program: &mut BtfTracePoint = program.try_into().map_err(|error| refused(&hook, &chain(&error)))?;
    program.load(name, btf).map_err(|error| load_error(&hook, &error))?;
    program.attach().map_err(|error| refused(&hook, &chain(&error)))?;
    Ok(())
}

fn attach_fexit(ebpf: &mut Ebpf, name: &str, function: &str, btf: &KernelBtf) -> Result<(), SensorError> {
    load_fexit(ebpf, name, function, btf)?
        .attach()
        .map_err(|error| refused(&format!("fexit/{function}"), &chain(&error)))?;
    Ok(())
}

fn load_fexit<'a>(
    ebpf: &'a mut Ebpf,
    name: &str,
    function: &str,
    btf: &KernelBtf,
) -> Result<&'a mut FExit, SensorError> {
    let hook = format!("fexit/{function}");
    let program = ebpf.program_mut(name).ok_or_else(|| refused(&hook, "it is not in the object"))?;
    let program: &mut FExit = program.try_into().map_err(|error| refused(&hook, &chain(&error)))?;
    program.load(function, btf).map_err(|error| load_error(&hook, &error))?;
    Ok(program)
}

fn refused(program: &str, message: &str) -> SensorError {
    SensorError::Load { program: program.to_owned(), message: message.to_owned() }
}

/// Tells a hook that the kernel does not have from a program that it refuses.
fn load_error(hook: &str, error: &ProgramError) -> SensorError {
    match error {
        ProgramError::Btf(BtfError::UnknownBtfTypeName { .. }) => {
            SensorError::NoHook { hook: hook.to_owned() }
        }
        error => refused(hook, &chain(error)),
    }
}

fn no_map(name: &str) -> SensorError {
    SensorError::Map { map: name.to_owned(), message: "it is not in the object".to_owned() }
}

fn map_error(name: &str, error: &(dyn std::error::Error + 'static)) -> SensorError {
    SensorError::Map { map: name.to_owned(), message: chain(error) }
}

/// An error with all its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
