//! Which writes of one run another run did not have, where names may differ from run to run.
//!
//! Two training runs of one image must differ in nothing, although process ids, temporary names and counters do.
//! A write of NEW is therefore known where OLD has a succeeded operation of the same kind
//!
//! 1. on the same path, after generated parts of names (see `names`) are replaced; names that either image has are
//!    compared as they are; or
//! 2. anywhere below the same directory for temporary files (`/tmp`, `/var/tmp`, `/dev/shm`), where names mean
//!    nothing; or
//! 3. on any generated name in the same directory, if that directory is the subject's own (made in the run, or on a
//!    volume): PostgreSQL's `base/5/16384` makes `base/5/16391_vm` known; or
//! 4. on so many names in that directory that they were not kept.
//!
//! What remains is new: another directory, another kind of operation in a directory, another name of its own
//! (not a generated one), and in a directory of the image, such as `/etc`, any name of another shape.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::model::{Op, Profile, SubjectPath, Write};
use crate::names::{is_generated, shape};

/// Directories whose names mean nothing.
const SCRATCH: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

/// A directory, generated parts of its path replaced, as bytes.
type Directory = Vec<u8>;

/// What is compared: kind of operation, directory, and name (empty where any name is the same).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    op: Op,
    directory: Directory,
    name: Vec<u8>,
}

/// A path seen by an operation, as it is compared.
struct Place {
    key: Key,
    /// Whether the name is generated and its directory the subject's own.
    generated_in_own: bool,
    collapsed: bool,
}

/// What both images are known to hold.
struct Images<'a>(HashSet<&'a SubjectPath>);

impl Images<'_> {
    fn has(&self, path: &SubjectPath) -> bool {
        self.0.contains(path)
    }

    /// A path with the generated parts of names that no image has replaced.
    fn normalised(&self, path: &SubjectPath) -> Vec<u8> {
        let mut ancestors: Vec<SubjectPath> = path.ancestors().collect();
        ancestors.reverse();
        let mut normalised = Vec::new();
        for ancestor in ancestors.iter().filter(|ancestor| !ancestor.is_root()) {
            normalised.push(b'/');
            if self.has(ancestor) {
                normalised.extend_from_slice(ancestor.file_name());
            } else {
                normalised.extend(shape(ancestor.file_name()));
            }
        }
        normalised
    }

    fn place(&self, write: &Write, path: &SubjectPath) -> Place {
        let op = write.op;
        let scratch = SCRATCH.iter().find(|scratch| {
            path.as_bytes().strip_prefix(scratch.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
        });
        if let Some(scratch) = scratch.filter(|_| !self.has(path)) {
            let key = Key { op, directory: scratch.as_bytes().to_vec(), name: Vec::new() };
            return Place { key, generated_in_own: false, collapsed: false };
        }
        if write.collapsed {
            let key = Key { op, directory: self.normalised(path), name: Vec::new() };
            return Place { key, generated_in_own: false, collapsed: true };
        }
        let parent = path.parent().unwrap_or_else(SubjectPath::root);
        let in_image = self.has(path);
        let own = !write.mount.is_root() || !self.has(&parent);
        let name = if in_image { path.file_name().to_vec() } else { shape(path.file_name()) };
        Place {
            key: Key { op, directory: self.normalised(&parent), name },
            generated_in_own: own && !in_image && is_generated(path.file_name()),
            collapsed: false,
        }
    }

    fn places(&self, write: &Write) -> Vec<Place> {
        let from = write.from.iter().filter(|_| write.op == Op::Rename);
        std::iter::once(&write.path).chain(from).map(|path| self.place(write, path)).collect()
    }
}

/// What OLD did, for look-up.
#[derive(Default)]
struct Known {
    keys: HashSet<Key>,
    /// Own directories with operations on generated names.
    generated: HashSet<(Op, Directory)>,
    /// Directories with operations on any name.
    any: HashSet<(Op, Directory)>,
    /// Directories whose names were not kept.
    collapsed: HashSet<(Op, Directory)>,
}

impl Known {
    fn add(&mut self, place: Place) {
        let directory = (place.key.op, place.key.directory.clone());
        if place.collapsed {
            self.collapsed.insert(directory.clone());
        }
        if place.generated_in_own {
            self.generated.insert(directory.clone());
        }
        self.any.insert(directory);
        self.keys.insert(place.key);
    }

    fn has(&self, place: &Place) -> bool {
        let directory = (place.key.op, place.key.directory.clone());
        self.keys.contains(&place.key)
            || self.collapsed.contains(&directory)
            || place.generated_in_own && self.generated.contains(&directory)
            || place.collapsed && self.any.contains(&directory)
    }
}

/// Writes that are the same place, seen in NEW alone.
pub(super) struct NewPlace<'a> {
    /// The first by path.
    pub(super) first: &'a Write,
    /// All of them.
    pub(super) writes: Vec<&'a Write>,
}

fn compared(profile: &Profile) -> impl Iterator<Item = &Write> {
    profile.writes.iter().filter(|write| write.succeeded() && write.op != Op::Sync)
}

/// The writes of `new` that `old` does not have, those on one place together, by path.
pub(super) fn new_places<'a>(old: &Profile, new: &'a Profile) -> Vec<NewPlace<'a>> {
    let entries = old.subject.image_entries.iter().chain(&new.subject.image_entries);
    let images = Images(entries.map(|entry| &entry.path).collect());
    let mut known = Known::default();
    for place in compared(old).flat_map(|write| images.places(write)) {
        known.add(place);
    }
    let mut found: BTreeMap<BTreeSet<Key>, Vec<&Write>> = BTreeMap::new();
    for write in compared(new) {
        let places: Vec<Place> = images.places(write).into_iter().filter(|place| !known.has(place)).collect();
        if !places.is_empty() {
            found.entry(places.into_iter().map(|place| place.key).collect()).or_default().push(write);
        }
    }
    let mut new_places: Vec<NewPlace<'_>> = found
        .into_values()
        .filter_map(|mut writes| {
            writes.sort_by(|a, b| (&a.path, a.op, &a.from).cmp(&(&b.path, b.op, &b.from)));
            Some(NewPlace { first: writes.first().copied()?, writes })
        })
        .collect();
    new_places.sort_by(|a, b| (&a.first.path, a.first.op).cmp(&(&b.first.path, b.first.op)));
    new_places
}
