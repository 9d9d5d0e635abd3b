//! From records and counters to the facts of a profile.
//!
//! Owns what is known about the subject while it runs: first sights with their resolved paths, executables, kernel
//! stacks. Runs on a thread of its own, so that names are resolved while what they name still exists. Never decides
//! what a fact means for a plan.

mod facts;
mod mountinfo;
mod sizes;
mod view;

use std::{
    collections::{HashMap, HashSet},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use profiler_ebpf::{
    call::op,
    record::{CapKey, WriteKey, execution},
};
use reports::model::{ObjectKind, SubjectPath};
use rustix::event::{EventfdFlags, eventfd};

pub(crate) use facts::{Facts, PHASE_BITS};
pub(crate) use mountinfo::MountEntry;

use crate::sensor::{
    Records, calls,
    decode::{RawName, Record, WriteSight},
};
use view::View;

/// A first sight of an operation, resolved.
#[derive(Debug)]
struct Operation {
    path: SubjectPath,
    from: Option<SubjectPath>,
    mount: SubjectPath,
    object: ObjectKind,
    /// The `name` of the key of its directory.
    directory: u64,
    /// The call's flags; of an execution, [`execution`].
    flags: u64,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Only processes of the container with this id are looked into.
    container: Option<String>,
    view: Option<View>,
    operations: HashMap<WriteKey, Operation>,
    /// First sights of ports below 1024 that were bound.
    low_ports: HashMap<WriteKey, u16>,
    checks: HashSet<CapKey>,
    /// Executables by their id in keys.
    executables: HashMap<u64, SubjectPath>,
    /// Paths that the kernel half could not record whole, or that are no paths.
    unusable: u64,
    sizes: sizes::Sizes,
}

/// Figures for people while a run is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Distinct operations on distinct objects.
    pub(crate) writes: usize,
    /// Distinct capabilities asked for.
    pub(crate) capabilities: usize,
}

/// Marks ids of executables that were chosen here.
const ADOPTED: u64 = 1 << 63;

/// The collecting thread.
#[derive(Debug)]
pub(crate) struct Collector {
    shared: Arc<Mutex<Collected>>,
    stop: Arc<AtomicBool>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Starts collecting.
    ///
    /// # Errors
    /// Where no thread or event descriptor can be made.
    pub(crate) fn start(records: Records) -> std::io::Result<Self> {
        let shared = Arc::new(Mutex::new(Collected::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let thread = {
            let (shared, stop, wake) = (Arc::clone(&shared), Arc::clone(&stop), Arc::clone(&wake));
            std::thread::Builder::new()
                .name("collector".to_owned())
                .spawn(move || collect(records, &shared, &stop, &wake))?
        };
        Ok(Self { shared, stop, wake, thread: Some(thread) })
    }

    /// Names the container whose processes are looked into.
    pub(crate) fn set_container(&self, id: &str) {
        self.lock().container = Some(id.to_owned());
    }

    /// Takes note of a process that runs already: its view, and its executable under an id of its own, which is
    /// returned.
    pub(crate) fn adopt(&self, pid: u32) -> u64 {
        // Ids from the kernel half are made of device and inode numbers: the highest bit is not set in them.
        let id = ADOPTED | u64::from(pid);
        let mut collected = self.lock();
        if let Ok(link) = std::fs::read_link(format!("/proc/{pid}/exe"))
            && let Ok(path) = SubjectPath::from_bytes(link.as_os_str().as_bytes())
        {
            collected.executables.insert(id, path);
        }
        collected.look_through(pid);
        id
    }

    /// Figures for people.
    pub(crate) fn progress(&self) -> Progress {
        let collected = self.lock();
        let mut capabilities: Vec<u8> = collected.checks.iter().map(|key| key.cap).collect();
        capabilities.sort_unstable();
        capabilities.dedup();
        let writes = collected.operations.keys().filter(|key| key.op != op::EXEC && key.errno == 0).count();
        Progress { writes, capabilities: capabilities.len() }
    }

    /// Measures the sizes of what was written so far.
    pub(crate) fn measure_sizes(&self) {
        self.lock().measure_sizes();
    }

    /// The mounts of the subject, once a process of it was seen.
    pub(crate) fn mounts(&self) -> Vec<MountEntry> {
        self.lock().view.as_ref().map(|view| view.mounts().to_vec()).unwrap_or_default()
    }

    /// Stops after having taken in all that the kernel has sent.
    pub(crate) fn finish(mut self) -> Collected {
        self.join();
        std::mem::take(&mut *self.lock())
    }

    fn join(&mut self) {
        self.stop.store(true, Ordering::Release);
        // An eventfd that is full is readable as well.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.join();
    }
}

fn collect(mut records: Records, shared: &Mutex<Collected>, stop: &AtomicBool, wake: &OwnedFd) {
    let mut sink = |record: Record<'_>| shared.lock().unwrap_or_else(PoisonError::into_inner).take(&record);
    while !stop.load(Ordering::Acquire) {
        if records.wait(wake.as_fd(), &mut sink).is_err() {
            break;
        }
    }
    records.drain(&mut sink);
}

impl Collected {
    fn take(&mut self, record: &Record<'_>) {
        match record {
            Record::Write(sight) => self.take_write(sight),
            Record::Capability(check) => {
                self.checks.insert(check.key);
            }
        }
    }

    fn take_write(&mut self, sight: &WriteSight<'_>) {
        let key = sight.head.key;
        if key.op == op::LOW_PORT {
            self.low_ports.insert(key, u16::try_from(sight.head.call_flags).unwrap_or(0));
            return;
        }
        self.look_through(sight.head.tgid);
        // Pipes, memfds and the like are no places.
        if sight.name.is_detached() && key.op != op::EXEC {
            return;
        }
        let Some(operation) = self.resolve(sight) else {
            self.unusable += 1;
            return;
        };
        if key.op == op::EXEC {
            self.executables.insert(key.exe, operation.path.clone());
        }
        self.operations.insert(key, operation);
    }

    /// Opens the subject's view through one of its processes, unless it is open.
    fn look_through(&mut self, pid: u32) {
        if self.view.is_none() {
            self.view = View::open(pid, self.container.as_deref()).ok();
        }
    }

    fn resolve(&self, sight: &WriteSight<'_>) -> Option<Operation> {
        let head = &sight.head;
        let second = match &sight.second {
            Some(name) => Some(self.path_of(name, true)?),
            None => None,
        };
        let spare_last = calls::spares_last_link(head.key.syscall, head.key.op, head.call_flags);
        let first = self.path_of(&sight.name, spare_last)?;
        // The first argument of rename and link is the old name.
        let (path, from) = match second {
            Some(second) => (second, Some(first)),
            None => (first, None),
        };
        let by_object = sight.name.string.is_empty();
        let mount = if by_object {
            SubjectPath::from_bytes(&sight.name.mount_point()).ok()?
        } else {
            self.view.as_ref().map_or_else(SubjectPath::root, |view| view.mount_point_of(&path))
        };
        let object = match head.key.op {
            op::MKDIR | op::RMDIR => ObjectKind::Directory,
            op::SYMLINK => ObjectKind::Symlink,
            op::BIND => ObjectKind::Socket,
            // The mode argument; without a type it is a plain file.
            op::MKNOD => match view::kind_of_mode(u32::try_from(head.call_flags & 0xffff).unwrap_or(0)) {
                ObjectKind::Unknown => ObjectKind::File,
                kind => kind,
            },
            _ if by_object => view::kind_of_mode(head.mode),
            _ => self.view.as_ref().map_or(ObjectKind::Unknown, |view| view.kind_of(&path)),
        };
        Some(Operation { path, from, mount, object, directory: head.directory, flags: head.call_flags })
    }

    fn path_of(&self, name: &RawName<'_>, spare_last: bool) -> Option<SubjectPath> {
        if name.is_cut() {
            return None;
        }
        let base = name.base();
        if name.string.is_empty() {
            return SubjectPath::from_bytes(&base).ok();
        }
        match &self.view {
            Some(view) => view.resolve(&base, name.string, spare_last),
            None => SubjectPath::from_bytes(&[&base, &b"/"[..], name.string].concat()).ok(),
        }
    }

    fn gains_privileges(operation: &Operation) -> bool {
        operation.flags & execution::GAINS_PRIVILEGES != 0
    }
}
