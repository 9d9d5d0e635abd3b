//! From records and counters to the facts of a profile.
//!
//! Owns what is known about the subject while it runs: first sights with their resolved paths, executables, kernel
//! stacks. Runs on a thread of its own, so that names are resolved while what they name still exists. Never decides
//! what a fact means for a plan.

mod facts;
mod look;
mod mountinfo;
mod sizes;
mod unlinked;
mod users;
mod view;

use std::{
    collections::{HashMap, HashSet},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use profiler_ebpf::{
    call::op,
    record::{CapKey, WriteKey, execution},
};
use reports::model::{ObjectKind, Phase, SubjectPath};
use rustix::event::{EventfdFlags, eventfd};

pub(crate) use facts::{Facts, PHASE_BITS};
pub(crate) use mountinfo::MountEntry;

use crate::sensor::{
    Records, calls,
    decode::{RawName, Record, WriteSight},
};
use look::Looks;
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
    /// The `base_ino` of the key of the directory above.
    tree: u64,
    /// The call's flags; of an execution, [`execution`].
    flags: u64,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Only processes of the container with this id are looked into.
    container: Option<String>,
    /// That of the first process seen: the container's own.
    view: Option<View>,
    /// Those of mount namespaces that the subject made itself.
    other_views: Vec<View>,
    operations: HashMap<WriteKey, Operation>,
    /// First sights of ports below 1024 that were bound.
    low_ports: HashMap<WriteKey, u16>,
    checks: HashSet<CapKey>,
    /// Executables by their id in keys.
    executables: HashMap<u64, SubjectPath>,
    /// Paths that the kernel half could not record whole, or that are no paths.
    unusable: u64,
    sizes: sizes::Sizes,
    users: users::Users,
}

/// Figures for people while a run is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Distinct operations on distinct objects.
    pub(crate) writes: usize,
    /// Distinct capabilities asked for.
    pub(crate) capabilities: usize,
}

/// The most mount namespaces of the subject's own that are looked into; in others names are taken as in the container's.
const VIEWS_MAX: usize = 64;

/// Marks ids of executables that were chosen here.
const ADOPTED: u64 = 1 << 63;

/// What is known of each subject, by its number in the kernel half. Locked each for itself: none waits for another.
#[derive(Debug, Default)]
struct Subjects(Mutex<Vec<Arc<Mutex<Collected>>>>);

impl Subjects {
    /// One of them, the first time with nothing known of it.
    fn get(&self, slot: u32) -> Arc<Mutex<Collected>> {
        let mut subjects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while subjects.len() <= slot as usize {
            subjects.push(Arc::default());
        }
        Arc::clone(&subjects[slot as usize])
    }

    fn all(&self) -> Vec<Arc<Mutex<Collected>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The collecting thread, and one that looks at the subjects.
#[derive(Debug)]
pub(crate) struct Collector {
    shared: Arc<Subjects>,
    signals: Arc<Signals>,
    looks: Arc<Looks>,
    threads: Vec<JoinHandle<()>>,
}

/// How long [`Collector::settle`] and the last look of a phase take at most.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// What the thread is told, and what it answers.
#[derive(Debug)]
struct Signals {
    /// An event descriptor that wakes the thread.
    wake: OwnedFd,
    stop: AtomicBool,
    /// How often somebody asked to have all taken in.
    asked: AtomicU64,
    /// The last time that it was done for.
    answered: Mutex<u64>,
    answer: Condvar,
}

impl Signals {
    fn wake(&self) {
        // One that is full wakes as well.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

impl Collector {
    /// Starts collecting.
    ///
    /// # Errors
    /// Where no thread or event descriptor can be made.
    pub(crate) fn start(records: Records) -> std::io::Result<Self> {
        let shared = Arc::new(Subjects::default());
        let signals = Arc::new(Signals {
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            stop: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            answered: Mutex::new(0),
            answer: Condvar::new(),
        });
        // From here on dropping it ends what was started.
        let looks = Arc::new(Looks::default());
        let mut collector = Self { shared, signals, looks, threads: Vec::new() };
        let (shared, signals) = (Arc::clone(&collector.shared), Arc::clone(&collector.signals));
        collector.spawn("collector", move || collect(records, &shared, &signals))?;
        let (shared, looks) = (Arc::clone(&collector.shared), Arc::clone(&collector.looks));
        collector.spawn("looks", move || looks.serve(&shared))?;
        Ok(collector)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let builder = std::thread::Builder::new().name(name.to_owned());
        self.threads.push(builder.spawn(work)?);
        Ok(())
    }

    /// Names the container whose processes are looked into for a subject.
    pub(crate) fn set_container(&self, slot: u32, id: &str) {
        locked(&self.shared.get(slot)).container = Some(id.to_owned());
    }

    /// Takes note of a process that runs already: its view, and its executable under an id of its own, which is
    /// returned.
    pub(crate) fn adopt(&self, slot: u32, pid: u32) -> u64 {
        // Ids from the kernel half are made of device and inode numbers: the highest bit is not set in them.
        let id = ADOPTED | u64::from(pid);
        let subject = self.shared.get(slot);
        let mut collected = locked(&subject);
        if let Ok(link) = std::fs::read_link(format!("/proc/{pid}/exe"))
            && let Ok(path) = SubjectPath::from_bytes(link.as_os_str().as_bytes())
        {
            collected.executables.insert(id, path);
        }
        collected.look_through(pid);
        id
    }

    /// Figures for people, of all subjects together; `None` where that would take waiting for the collecting thread, which may be waiting for a file
    /// system of the subject's.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let (mut capabilities, mut writes) = (Vec::new(), 0);
        for subject in self.shared.all() {
            let collected = subject.try_lock().ok()?;
            capabilities.extend(collected.checks.iter().map(|key| key.cap));
            writes += collected
                .operations
                .keys()
                .filter(|key| facts::op_of(key.op).is_some() && key.errno == 0)
                .count();
        }
        capabilities.sort_unstable();
        capabilities.dedup();
        Some(Progress { writes, capabilities: capabilities.len() })
    }

    /// Has sizes and users looked at as they are now; less often where that takes long, but in any case where it is the
    /// last time in a phase, which is waited for.
    pub(crate) fn look(&self, phase: Phase, last: bool) {
        self.looks.ask(phase, last.then_some(SETTLE_LIMIT));
    }

    /// Waits until all is taken in that the kernel has sent so far, while what it names still exists. Gives up after a
    /// while: who writes faster than we read is not to be waited for.
    pub(crate) fn settle(&self) {
        let ticket = self.signals.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.signals.wake();
        let answered = self.signals.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = |answered: &mut u64| *answered < ticket;
        drop(self.signals.answer.wait_timeout_while(answered, SETTLE_LIMIT, pending));
    }

    /// The mounts of a subject, once a process of it was seen.
    pub(crate) fn mounts(&self, slot: u32) -> Vec<MountEntry> {
        let subject = self.shared.get(slot);
        locked(&subject).view.as_ref().map(|view| view.mounts().to_vec()).unwrap_or_default()
    }

    /// Stops after having taken in all that the kernel has sent. What is known of each subject, by its number.
    pub(crate) fn finish(mut self) -> Vec<Collected> {
        self.join();
        self.shared.all().iter().map(|subject| std::mem::take(&mut *locked(subject))).collect()
    }

    fn join(&mut self) {
        self.signals.stop.store(true, Ordering::Release);
        self.signals.wake();
        self.looks.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn locked(subject: &Mutex<Collected>) -> MutexGuard<'_, Collected> {
    subject.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.join();
    }
}

fn collect(mut records: Records, shared: &Subjects, signals: &Signals) {
    let mut sink = |record: Record<'_>| locked(&shared.get(record.slot())).take(&record);
    while records.wait(signals.wake.as_fd()).is_ok() && !signals.stop.load(Ordering::Acquire) {
        // In this order: who asks later wakes us again.
        let _ = rustix::io::read(&signals.wake, &mut [0; 8]);
        let asked = signals.asked.load(Ordering::Acquire);
        records.drain(&mut sink);
        *signals.answered.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        signals.answer.notify_all();
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
        // It names nothing: that it was counted is all.
        if key.op == op::MSYNC {
            return;
        }
        self.look_through(sight.head.tgid);
        let view = self.view_of(sight.head.tgid);
        // Pipes, memfds and the like are no places.
        if sight.name.is_detached() && key.op != op::EXEC {
            return;
        }
        let Some(operation) = resolve(sight, view) else {
            self.unusable += 1;
            return;
        };
        if key.op == op::EXEC {
            self.executables.insert(key.exe, operation.path.clone());
        }
        self.operations.insert(key, operation);
    }

    /// Opens the subject's view through one of its processes, unless it is open and the subject is still the same.
    fn look_through(&mut self, pid: u32) {
        if self.view.as_ref().is_none_or(View::is_stale)
            && let Ok(view) = View::open(pid, self.container.as_deref())
        {
            self.view = Some(view);
        }
    }

    /// What a process sees: the container's own view, unless it is in another mount namespace.
    fn view_of(&mut self, pid: u32) -> Option<&View> {
        let own = self.view.as_ref()?.number();
        let number = view::namespace_of(pid).unwrap_or(own);
        let known = |view: &&mut View| view.number() == number;
        if number != own
            && !self.other_views.iter_mut().any(|view| known(&view))
            && self.other_views.len() < VIEWS_MAX
            && let Ok(view) = View::open(pid, self.container.as_deref())
        {
            self.other_views.push(view);
        }
        // Without one the process is gone meanwhile, or another has its number.
        let view = match self.other_views.iter_mut().find(known) {
            Some(view) => view,
            None => self.view.as_mut()?,
        };
        view.refresh();
        Some(view)
    }

    fn gains_privileges(operation: &Operation) -> bool {
        operation.flags & execution::GAINS_PRIVILEGES != 0
    }
}

/// The operation of a first sight, with its names resolved in the view of its process.
fn resolve(sight: &WriteSight<'_>, view: Option<&View>) -> Option<Operation> {
    let head = &sight.head;
    let second = match &sight.second {
        Some(name) => Some(path_of(name, true, view)?),
        None => None,
    };
    let spare_last = calls::spares_last_link(head.key.syscall, head.call_flags);
    let first = path_of(&sight.name, spare_last, view)?;
    // The first argument of rename and link is the old name.
    let (path, from) = match second {
        Some(second) => (second, Some(first)),
        None => (first, None),
    };
    let by_object = from.is_none() && sight.name.string.is_empty();
    let mount = if by_object {
        SubjectPath::from_bytes(&sight.name.mount_point()).ok()?
    } else {
        // A name that is made or removed stands in its directory, whatever was mounted on it since.
        let place = match facts::op_of(head.key.op) {
            Some(op) if op.changes_directory() => path.parent(),
            _ => None,
        };
        view.map_or_else(SubjectPath::root, |view| view.mount_point_of(place.as_ref().unwrap_or(&path)))
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
        _ => view.map_or(ObjectKind::Unknown, |view| view.kind_of(&path)),
    };
    Some(Operation {
        path,
        from,
        mount,
        object,
        directory: head.directory,
        tree: head.tree,
        flags: head.call_flags,
    })
}

fn path_of(name: &RawName<'_>, spare_last: bool, view: Option<&View>) -> Option<SubjectPath> {
    if name.is_cut() {
        return None;
    }
    let base = name.base();
    if name.string.is_empty() {
        return SubjectPath::from_bytes(&base).ok();
    }
    match view {
        Some(view) => view.resolve(&base, name.string, spare_last),
        None => SubjectPath::from_bytes(&[&base, &b"/"[..], name.string].concat()).ok(),
    }
}
