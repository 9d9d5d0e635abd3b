//! Operations: each kind on each object once, and directories in the stead of too many names.
//!
//! Owns what makes two operations the same, and what becomes of one that is folded. An operation on two names (rename,
//! link) goes with its two directories: where one of them is folded, or the pair has too many names or some that were not
//! kept, the directories stand for both names. Names of such pairs never count towards folding a directory, their
//! directories do.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::{Folded, Folding};
use super::in_order;
use crate::model::{ExecutableLists, Executables, ObjectKind, Op, Phases, SubjectPath, Write};

/// How many executables are kept of one operation.
const MAX_PROCESSES: usize = 64;

/// How many operations may come before it is looked whether there are too many names.
const LOOK_AFTER: usize = 4096;

/// What makes an operation the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    path: SubjectPath,
    from: Option<SubjectPath>,
    op: Op,
    errno: i32,
    mount: SubjectPath,
    object: ObjectKind,
    collapsed: bool,
}

/// What is joined.
#[derive(Debug)]
struct Seen {
    count: u64,
    first_ms: u64,
    last_ms: u64,
    phases: Phases,
    processes: Executables,
}

#[derive(Debug, Default)]
pub(super) struct Operations {
    folding: Folding,
    rows: BTreeMap<Key, Seen>,
    folded: Folded,
    executables: ExecutableLists,
    /// How many there were when names were last counted.
    looked_at: usize,
}

impl Operations {
    pub(super) fn new(folding: Folding) -> Self {
        Self { folding, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn folded(&self) -> &Folded {
        &self.folded
    }

    pub(super) fn add(&mut self, writes: Vec<Write>) {
        for write in writes {
            let Write {
                path,
                from,
                op,
                errno,
                count,
                mount,
                object,
                collapsed,
                first_ms,
                last_ms,
                phases,
                processes,
            } = write;
            let key = Key { path, from, op, errno, mount, object, collapsed };
            self.put(key, Seen { count, first_ms, last_ms, phases, processes });
        }
        if self.rows.len() > self.looked_at + LOOK_AFTER {
            self.fold_crowded();
        }
    }

    fn put(&mut self, key: Key, mut seen: Seen) {
        // As a profile has them, whoever wrote it.
        if seen.processes.len() > MAX_PROCESSES || !seen.processes.is_sorted_by(|a, b| a < b) {
            seen.processes = united(&seen.processes, &[]);
        }
        seen.processes = self.executables.shared(seen.processes);
        let key = lifted(key, &self.folded);
        match self.rows.entry(key) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(seen);
            }
            std::collections::btree_map::Entry::Occupied(mut known) => {
                known.get_mut().join(seen, &mut self.executables);
            }
        }
    }

    /// Takes directories in that stand for what lies below them.
    pub(super) fn fold(&mut self, directories: Vec<SubjectPath>) {
        if self.folded.extend(directories) {
            for (key, seen) in std::mem::take(&mut self.rows) {
                self.put(key, seen);
            }
        }
    }

    /// Folds where there are too many names.
    pub(super) fn fold_crowded(&mut self) {
        let objects = self.rows.keys().flat_map(|key| match (&key.from, key.collapsed) {
            (None, _) | (Some(_), true) => [Some(key.path.clone()), key.from.clone()],
            (Some(from), false) => [key.path.parent(), from.parent()],
        });
        let objects: BTreeSet<SubjectPath> = objects.flatten().collect();
        let crowded = self.folding.crowded(objects.iter(), &self.folded);
        self.fold(crowded);
        self.fold_pairs();
        self.looked_at = self.rows.len();
    }

    /// Puts the two directories in the stead of two names, where those were not all kept or are too many.
    fn fold_pairs(&mut self) {
        let mut pairs: BTreeMap<Key, usize> = BTreeMap::new();
        for key in self.rows.keys().filter(|key| key.from.is_some()) {
            // One that is collapsed is the pair itself.
            let many = if key.collapsed { usize::MAX } else { 1 };
            let count = pairs.entry(of_directories(key)).or_default();
            *count = count.saturating_add(many);
        }
        pairs.retain(|_, count| *count > self.folding.names);
        if pairs.is_empty() {
            return;
        }
        for (key, seen) in std::mem::take(&mut self.rows) {
            let pair = (key.from.is_some() && !key.collapsed).then(|| of_directories(&key));
            self.put(pair.filter(|pair| pairs.contains_key(pair)).unwrap_or(key), seen);
        }
    }

    /// The operations, sorted, and the directories that were folded.
    pub(super) fn finish(self) -> (Vec<Write>, Vec<SubjectPath>) {
        let write = |(key, seen): (Key, Seen)| {
            let Key { path, from, op, errno, mount, object, collapsed } = key;
            let Seen { count, first_ms, last_ms, phases, processes } = seen;
            Write {
                path,
                from,
                op,
                errno,
                count,
                mount,
                object,
                collapsed,
                first_ms,
                last_ms,
                phases,
                processes,
            }
        };
        (self.rows.into_iter().map(write).collect(), self.folded.into_sorted())
    }
}

impl Seen {
    fn join(&mut self, other: Self, executables: &mut ExecutableLists) {
        let Self { count, first_ms, last_ms, phases, processes } = other;
        self.count = self.count.max(count);
        self.first_ms = self.first_ms.min(first_ms);
        self.last_ms = self.last_ms.max(last_ms);
        self.phases.unite(phases);
        // Mostly there is nothing new.
        if !processes.iter().all(|process| self.processes.binary_search(process).is_ok()) {
            self.processes = executables.shared(united(&self.processes, &processes));
        }
    }
}

/// All executables of two lists, in order.
fn united(some: &[String], others: &[String]) -> Executables {
    let mut all = [some, others].concat();
    in_order(&mut all, MAX_PROCESSES);
    all.into()
}

/// The operation as one on the directory of its object, or on both directories.
fn of_directories(key: &Key) -> Key {
    if key.collapsed {
        return key.clone();
    }
    let parent = |path: &SubjectPath| path.parent().unwrap_or_else(SubjectPath::root);
    Key {
        path: parent(&key.path),
        from: key.from.as_ref().map(parent),
        collapsed: true,
        mount: key.mount.clone(),
        ..*key
    }
}

/// The operation as one on the directories that stand for its object, if any do.
fn lifted(key: Key, folded: &Folded) -> Key {
    // A mount below a folded directory is not what that stands for.
    let lift = |path: &SubjectPath| {
        let above = folded.above(path)?;
        let place = if key.mount.is_within(&above) { key.mount.clone() } else { above };
        (place != *path).then_some(place)
    };
    let path = lift(&key.path);
    let from = key.from.as_ref().and_then(lift);
    if path.is_none() && from.is_none() {
        return key;
    }
    let directories = if key.from.is_some() { of_directories(&key) } else { key };
    Key {
        path: path.unwrap_or(directories.path),
        from: from.or(directories.from),
        collapsed: true,
        ..directories
    }
}
