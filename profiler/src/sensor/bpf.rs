//! Loading, attaching and talking to the BPF programs. The only module that knows aya.
//!
//! Which hooks are used is found out by trying to load and attach them, never by kernel version: system calls by
//! `fexit` of each, else by the tracepoint `sys_exit`; capability checks by the tracepoint `cap_capable` (Linux ≥ 6.14),
//! else by `fexit` of the function of that name; the system call's registers in a capability check by the helper
//! `bpf_task_pt_regs` (Linux ≥ 5.15), else from the task's stack. All of the others are mandatory.

mod errors;
mod loader;

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    os::fd::BorrowedFd,
};

use aya::{
    Btf as KernelBtf, Ebpf, EbpfLoader,
    maps::{Array, HashMap as BpfMap, MapData, MapError, RingBuf, StackTraceMap},
    programs::Program,
};
use errors::{chain, map_error, no_map, refused};
use loader::{ALL_EXITS, CAPABILITIES, Loader, RESULT, STAND_IN};
use profiler_ebpf::{
    CONTAINER_ID_LEN, config, control, fields,
    record::{CapKey, CheckCount, Count, Followed, LEVEL_UNKNOWN, NO_STACK, Subject, WriteKey},
    register, stat,
};
use rustix::event::{PollFd, PollFlags, poll};
use zerocopy::FromBytes;

use crate::host;

use super::{
    Hooks, SensorError, SensorOptions, arch, asks,
    btf::Btf,
    calls,
    decode::{Record, decode},
};

/// The BPF object, built by the build script.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/writepath"));

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// `BPF_NOEXIST` (Linux include/uapi/linux/bpf.h): makes an entry and never changes one.
const NO_EXIST: u64 = 1;

/// The tracepoints of the programs that find and follow the subject's processes, which are named for them.
const LIFECYCLE: [&str; 4] =
    ["sched_process_fork", "sched_process_exit", "sched_process_exec", "cgroup_mkdir"];

type FollowedBytes = [u8; size_of::<Followed>()];
type SubjectBytes = [u8; size_of::<Subject>()];

/// The loaded programs and their maps. Dropping it detaches and unloads everything.
pub(crate) struct Programs {
    ebpf: Ebpf,
    stacks: StackTraceMap<MapData>,
    hooks: Vec<String>,
    /// Runs that were skipped before there was a subject.
    skipped_before: u64,
}

/// The stream of records.
pub(crate) struct Records(RingBuf<MapData>);

/// What the programs are told about the kernel that they are loaded into.
struct Kernel {
    btf: KernelBtf,
    field_offsets: [u32; fields::COUNT],
    registers: [u32; register::LEN],
    /// The settings that depend on the kernel, for one that has the helper `bpf_task_pt_regs`.
    settings: [u32; config::LEN],
    /// The setting for one that does not.
    pt_regs_from_stack: u32,
}

impl Kernel {
    /// Resolves all that there is to resolve, before anything is loaded.
    fn running() -> Result<Self, SensorError> {
        let data = std::fs::read(BTF_PATH).map_err(SensorError::NoBtf)?;
        // Both take their time.
        std::thread::scope(|scope| {
            let btf = scope.spawn(|| KernelBtf::parse(&data, aya::Endianness::default()));
            let types = Btf::parse(&data)?;
            let btf = btf.join().map_err(|_| refused("the kernel's BTF", "it cannot be read"))?;
            Self::of(&types, btf.map_err(|error| refused("the kernel's BTF", &chain(&error)))?)
        })
    }

    fn of(types: &Btf, btf: KernelBtf) -> Result<Self, SensorError> {
        let mut field_offsets = [0; fields::COUNT];
        for (offset, field) in field_offsets.iter_mut().zip(fields::ALL) {
            *offset = types.offset_of(field.structure, field.member)?;
        }
        let mut settings = [0; config::LEN];
        arch::settings(types, &field_offsets, &mut settings)?;
        // `tracepoint_srcu` guards them where preemption no longer does, by the kind of SRCU that brought `srcu_ctr`
        // (Linux 7.0, kernel/tracepoint.c; before 6.14 there was another of that name).
        let tracepoints_skip =
            types.has_variable("tracepoint_srcu_srcu_data") && types.size_of("srcu_ctr").is_ok();
        let is_preemptible = host::is_preemptible();
        settings[config::TRACEPOINTS_SKIP] = u32::from(is_preemptible && tracepoints_skip);
        settings[config::FEXIT_SKIPS] = u32::from(is_preemptible);
        for index in config::HASH_KEYS {
            settings[index] = random();
        }
        Ok(Self {
            registers: arch::registers(types)?,
            pt_regs_from_stack: arch::pt_regs_from_stack(types)?,
            btf,
            field_offsets,
            settings,
        })
    }
}

/// A number that nobody can foresee: the standard library's hashers are keyed by the system's randomness.
#[expect(clippy::cast_possible_truncation, reason = "half of its bits will do")]
fn random() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

/// How many of the offsets that the programs need the kernel's BTF has: all of them.
///
/// # Errors
/// The first one that it lacks, or that there is no BTF.
pub(crate) fn resolve_offsets() -> Result<usize, SensorError> {
    Kernel::running().map(|kernel| kernel.field_offsets.len() + kernel.registers.len())
}

impl Programs {
    /// Loads and attaches everything.
    pub(crate) fn load(options: &SensorOptions) -> Result<(Self, Records), SensorError> {
        let kernel = Kernel::running()?;
        // Two ways to find a system call's registers in a capability check.
        Self::load_with(options, &kernel, 0)
            .or_else(|_| Self::load_with(options, &kernel, kernel.pt_regs_from_stack))
    }

    fn load_with(
        options: &SensorOptions,
        kernel: &Kernel,
        pt_regs_from_stack: u32,
    ) -> Result<(Self, Records), SensorError> {
        let kernel_btf = &kernel.btf;
        let mut settings = kernel.settings;
        settings[config::NAMES_PER_DIRECTORY] = options.names_per_directory;
        settings[config::TABLE_ENTRIES] = options.table_entries;
        settings[config::PT_REGS_FROM_STACK] = pt_regs_from_stack;
        let table = calls::table();

        let mut ebpf = EbpfLoader::new()
            .btf(Some(kernel_btf))
            .override_global("FIELDS", &kernel.field_offsets[..], true)
            .override_global("REGISTERS", &kernel.registers[..], true)
            .override_global("CONFIG", &settings[..], true)
            .override_global("CALLS", &table[..], true)
            .override_global("ASKS", &asks::table()[..], true)
            .map_max_entries("RECORDS", options.ring_bytes)
            .map_max_entries("WRITES", options.table_entries)
            .load(OBJECT)
            .map_err(|error| refused("the BPF object", &chain(&error)))?;

        let mut loader = Loader {
            ebpf: &mut ebpf,
            btf: kernel_btf,
            tracepoints_skip: settings[config::TRACEPOINTS_SKIP] != 0,
            fexit_skips: settings[config::FEXIT_SKIPS] != 0,
        };
        loader.load_ahead(options.hooks);
        let mut hooks = Vec::new();
        // The order matters: processes are followed before anything is reported about them.
        for name in LIFECYCLE {
            loader.attach_tracepoint(name)?;
            hooks.push(format!("tp_btf/{name}"));
        }
        hooks.push(loader.attach_either(
            options.hooks,
            |loader| loader.attach_twins().map(|count| format!("fexit of {count} system calls")),
            |loader| {
                loader.attach_tracepoint(ALL_EXITS)?;
                set_control(loader.ebpf, control::ALL_EXITS, 1)?;
                Ok("tp_btf/sys_exit".to_owned())
            },
        )?);
        // The other way round: a compiler puts `cap_capable` into its callers in security/commoncap.c (seen in Debian's
        // 6.1: capset), where its exit does not show, while the tracepoint is in the function itself.
        let hooks_of_checks = match options.hooks {
            Hooks::Auto => Hooks::Tracepoint,
            hooks => hooks,
        };
        hooks.push(loader.attach_either(
            hooks_of_checks,
            |loader| {
                loader
                    .attach_fexit("cap_capable_exit", "cap_capable")
                    .map(|()| "fexit/cap_capable".to_owned())
            },
            |loader| loader.attach_tracepoint(CAPABILITIES).map(|()| "tp_btf/cap_capable".to_owned()),
        )?);

        let missing = |map: &str| SensorError::Map {
            map: map.to_owned(),
            message: "it is not in the object".to_owned(),
        };
        let ring = ebpf.take_map("RECORDS").ok_or_else(|| missing("RECORDS"))?;
        let ring = RingBuf::try_from(ring).map_err(|error| map_error("RECORDS", &error))?;
        let stacks = ebpf.take_map("STACKS").ok_or_else(|| missing("STACKS"))?;
        let stacks = StackTraceMap::try_from(stacks).map_err(|error| map_error("STACKS", &error))?;
        let mut programs = Self { ebpf, stacks, hooks, skipped_before: 0 };
        programs.skipped_before = programs.skipped_runs();
        Ok((programs, Records(ring)))
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
        let followed: FollowedBytes = zerocopy::transmute!(Followed { maker: 0, slot, unused: 0 });
        self.table::<u64, FollowedBytes>("FOLLOWED")?
            .insert(id, followed, 0)
            .map_err(|error| map_error("FOLLOWED", &error))
    }

    /// Counts as the subject's a process that runs already, under an executable's id that userspace chose.
    pub(crate) fn adopt_process(&mut self, tgid: u32, exe: u64, slot: u32) -> Result<(), SensorError> {
        let subject = Subject { exe, slot, level: LEVEL_UNKNOWN };
        let bytes: SubjectBytes = zerocopy::transmute!(subject);
        // What the kernel half has of it already is newer.
        match self.table::<u32, SubjectBytes>("SUBJECTS")?.insert(tgid, bytes, NO_EXIST) {
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                Ok(())
            }
            inserted => inserted.map_err(|error| map_error("SUBJECTS", &error)),
        }
    }

    /// Forgets an adopted process that has ended before the kernel half could see it end.
    pub(crate) fn forget_process(&mut self, tgid: u32) -> Result<(), SensorError> {
        match self.table::<u32, SubjectBytes>("SUBJECTS")?.remove(&tgid) {
            Err(MapError::SyscallError(error)) if error.io_error.kind() == std::io::ErrorKind::NotFound => {
                Ok(())
            }
            removed => removed.map_err(|error| map_error("SUBJECTS", &error)),
        }
    }

    /// Sets the phase that counts are marked with from now on.
    pub(crate) fn set_phase(&mut self, bit: u32) -> Result<(), SensorError> {
        set_control(&mut self.ebpf, control::PHASE_BIT, bit)
    }

    /// All operations with their counts.
    pub(crate) fn writes(&self) -> Result<HashMap<WriteKey, Count>, SensorError> {
        self.counts("WRITES")
    }

    /// All capability checks with their counts.
    pub(crate) fn capabilities(&self) -> Result<HashMap<CapKey, CheckCount>, SensorError> {
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
        let skipped = self.skipped_runs().saturating_sub(self.skipped_before);
        if skipped != 0 {
            losses.push((
                "programs-skipped",
                "runs of a program that the kernel skipped because it was running already",
                skipped,
            ));
        }
        Ok(losses)
    }

    /// Runs that the kernel skipped and nothing stood in for: `recursion_misses` of each program's file descriptor
    /// information (Linux 5.12), less what the stand-ins counted. Their own skipped runs are no loss, nor are those of the
    /// programs that see results only: a check whose result is unknown counts as needed.
    fn skipped_runs(&self) -> u64 {
        use std::os::fd::{AsFd, AsRawFd};
        let misses = |program: &Program| -> Option<u64> {
            let fd = program.fd().ok()?.as_fd().as_raw_fd();
            let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
        };
        let matters = |name: &str| !name.ends_with(STAND_IN) && !name.starts_with(RESULT);
        let programs = self.ebpf.programs().filter(|(name, _)| matters(name));
        let skipped: u64 = programs.filter_map(|(_, program)| misses(program)).sum();
        let stood_in = self.ebpf.map("STOOD_IN").and_then(|map| Array::<_, u64>::try_from(map).ok());
        let stood_in = stood_in.and_then(|count| count.get(&0, 0).ok()).unwrap_or(0);
        skipped.saturating_sub(stood_in)
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

    fn counts<K: Abi + Eq + std::hash::Hash, V: Abi>(
        &self,
        name: &'static str,
    ) -> Result<HashMap<K, V>, SensorError> {
        let map = self.ebpf.map(name).ok_or_else(|| no_map(name))?;
        let table =
            BpfMap::<_, K::Bytes, V::Bytes>::try_from(map).map_err(|error| map_error(name, &error))?;
        let mut counts = HashMap::new();
        for entry in table.iter() {
            let (key, count) = entry.map_err(|error| map_error(name, &error))?;
            if let (Some(key), Some(count)) = (K::from_abi(&key), V::from_abi(&count)) {
                counts.insert(key, count);
            }
        }
        Ok(counts)
    }
}

/// Keys and values by their bytes: aya's own conversion would take `unsafe`.
trait Abi: Sized {
    type Bytes: aya::Pod;
    fn from_abi(bytes: &Self::Bytes) -> Option<Self>;
}

macro_rules! abi {
    ($($name:ident)*) => {
        $(
            impl Abi for $name {
                type Bytes = [u8; size_of::<Self>()];
                fn from_abi(bytes: &Self::Bytes) -> Option<Self> {
                    Self::read_from_bytes(bytes).ok()
                }
            }
        )*
    };
}

abi! { WriteKey CapKey Count CheckCount }

impl Records {
    /// Blocks until there are records or `wake` becomes readable.
    ///
    /// # Errors
    /// Those of poll(2).
    pub(crate) fn wait(&self, wake: BorrowedFd<'_>) -> std::io::Result<()> {
        let mut watched =
            [PollFd::new(&self.0, PollFlags::IN), PollFd::from_borrowed_fd(wake, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
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

fn set_control(ebpf: &mut Ebpf, index: u32, value: u32) -> Result<(), SensorError> {
    let map = ebpf.map_mut("CONTROL").ok_or_else(|| no_map("CONTROL"))?;
    Array::<_, u32>::try_from(map)
        .and_then(|mut array| array.set(index, value, 0))
        .map_err(|error| map_error("CONTROL", &error))
}
