//! From observed operations to the places that must be writable.
//!
//! Owns the definition of a *needed* write and of its place: the directory for operations that change a directory,
//! the object itself for the others. Never decides where a mount goes (see `layout`). An operation that failed in
//! training is attempted, never needed. What lies in `/` itself cannot be mounted over and is kept apart.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashSet, HashSetExt as _};

use super::directories::{Directories, Directory, Ends, ancestors, is_in_itself};
use super::image::Image;
use super::rules::tmpfs_or_volume;
use crate::model::{ObjectKind, Op, SubjectPath, Write};
use crate::text::printable;

/// Whether an operation needs the container's root file system to be writable at its place: it succeeded, it fell
/// on the root mount, and it would not have succeeded on a read-only one.
///
/// Existing FIFOs, sockets and devices may be opened for writing on a read-only mount (Linux fs/namei.c
/// `sb_permission`), `/proc`, `/sys` and `/dev` are mounts of their own in every container, and syncing takes no
/// write access.
#[must_use]
pub fn is_needed(write: &Write) -> bool {
    write.mount.is_root() && takes_write_access(write) && !is_kernel_file_system(&write.path)
}

/// Whether an operation succeeded and would not have on a read-only mount, whichever mount it fell on.
pub(crate) fn takes_write_access(write: &Write) -> bool {
    let opened_special = write.op == Op::Open
        && matches!(write.object, ObjectKind::Device | ObjectKind::Fifo | ObjectKind::Socket);
    write.succeeded() && write.op != Op::Sync && !opened_special
}

/// Whether a path lies in a file system that every container gets from the runtime.
pub(crate) fn is_kernel_file_system(path: &SubjectPath) -> bool {
    let first = path.as_bytes().split(|byte| *byte == b'/').nth(1);
    matches!(first, Some(b"proc" | b"sys" | b"dev"))
}

/// What must be writable.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Directories, none of them `/`, all of them representable as mount targets.
    pub(super) directories: BTreeSet<SubjectPath>,
    /// Needed changes that no mount below `/` can serve.
    pub(super) in_root: BTreeSet<(SubjectPath, Op)>,
    /// Directories that no mount target can name.
    pub(super) unnameable: BTreeSet<SubjectPath>,
    /// Those among them that lie in no other place, with the directory that is taken instead, if there is any.
    pub(super) replaced: BTreeMap<SubjectPath, Option<SubjectPath>>,
}

/// The directories that an operation changes, and the object if it changes that.
fn place(write: &Write, ends: Ends) -> (impl Iterator<Item = Directory> + use<>, Option<&SubjectPath>) {
    let changes_directory = write.op.changes_directory();
    let is_object = !changes_directory && !is_in_itself(write);
    let path = ends.path.filter(|_| !is_object);
    let from = ends.from.filter(|_| changes_directory);
    (path.into_iter().chain(from), is_object.then_some(&write.path))
}

/// The directories whose image content a profile of these writes must list ([`crate::model::Subject::image_entries`])
/// for [`super::recommend`] to tell what a mount would hide: every directory that a mount may be put on, `/` excepted.
#[must_use]
pub fn directories_to_list(writes: &[Write]) -> BTreeSet<SubjectPath> {
    let directories = Directories::of(writes);
    listed(&directories, &pairs(&directories), |_, _| true)
}

/// The same. Of objects that are changed themselves only those that are of interest: there may be many.
pub(super) fn listed(
    directories: &Directories<'_>,
    pairs: &[(Directory, Directory)],
    is_of_interest: impl Fn(&SubjectPath, Option<Directory>) -> bool,
) -> BTreeSet<SubjectPath> {
    let mut marks = directories.marks();
    let mut listed = BTreeSet::new();
    for (write, ends) in directories.writes().filter(|(write, _)| is_needed(write)) {
        let (changed, object) = place(write, ends);
        // What holds an object, too.
        ends.path.into_iter().chain(changed).for_each(|directory| marks.mark(directory));
        if let Some(object) = object.filter(|object| is_of_interest(object, ends.path))
            && !listed.contains(object)
        {
            listed.insert(object.clone());
        }
    }
    listed.extend(directories.marked(&marks).cloned());
    let both = pairs.iter().filter_map(|(from, to)| directories.path(*from).zip(directories.path(*to)));
    listed.extend(both.map(|(from, to)| common_ancestor(from, to)));
    listed.remove(&SubjectPath::root());
    listed
}

/// The innermost directory that both paths are or lie below.
pub(super) fn common_ancestor(a: &SubjectPath, b: &SubjectPath) -> SubjectPath {
    a.ancestors().find(|ancestor| b.is_within(ancestor)).unwrap_or_else(SubjectPath::root)
}

/// The two directories (from, to) of every needed rename or link, where they differ, each pair once, the first seen
/// first.
pub(super) fn pairs(directories: &Directories<'_>) -> Vec<(Directory, Directory)> {
    let mut seen = HashSet::new();
    directories
        .writes()
        .filter(|(write, _)| matches!(write.op, Op::Rename | Op::Link))
        .filter_map(|(write, ends)| Some((write, (ends.from?, ends.path?))))
        .filter(|(write, (from, to))| from != to && is_needed(write))
        .filter_map(|(_, pair)| seen.insert(pair).then_some(pair))
        .collect()
}

/// Whether a mount target can be written down in every format: Unicode, and without characters that would have to
/// be escaped on a terminal or in a command line that a person pastes.
pub(super) fn is_representable(path: &SubjectPath) -> bool {
    path.as_str().is_some_and(|text| printable(text) == text)
}

impl Places {
    pub(super) fn of(
        directories: &Directories<'_>,
        image: &Image<'_>,
        mounted: &BTreeSet<&SubjectPath>,
    ) -> Self {
        let mounts = directories.innermost(mounted.iter().copied());
        let is_ours = |(write, ends): &(&Write, Ends)| {
            is_needed(write) && mounts.index(&write.path, ends.path).is_none()
        };
        let made = LazyCell::new(|| -> HashSet<&SubjectPath> {
            let made = directories.writes().filter(|(write, _)| write.op == Op::Mkdir).filter(is_ours);
            made.map(|(write, _)| &write.path).collect()
        });
        let mut places = Self::default();
        // Directories that are changed, and those that hold files that are.
        let (mut changed, mut holding) = (directories.marks(), directories.marks());
        // Changes of what lies in `/` and is no directory.
        let mut in_root = BTreeSet::new();
        for (write, ends) in directories.writes().filter(is_ours) {
            let (changes, object) = place(write, ends);
            for directory in changes {
                if !directories.is_root(directory) {
                    changed.mark(directory);
                } else if write.op == Op::Mkdir
                    && !write.collapsed
                    && !write.path.is_root()
                    && image.get(&write.path).is_none()
                {
                    // A new directory in the root: mounting on it makes it exist.
                    places.directories.insert(write.path.clone());
                } else {
                    places.in_root.insert((write.path.clone(), write.op));
                }
            }
            let Some(object) = object else { continue };
            let is_directory = match write.object {
                ObjectKind::Directory => true,
                ObjectKind::Unknown => image.has_directory(object) || made.contains(object),
                _ => false,
            };
            if is_directory && !object.is_root() {
                if !places.directories.contains(object) {
                    places.directories.insert(object.clone());
                }
            } else if let Some(holder) = ends.path.filter(|holder| !directories.is_root(*holder)) {
                holding.mark(holder);
            } else if object.is_root() {
                places.in_root.insert((object.clone(), write.op));
            } else {
                in_root.insert((object, write.op));
            }
        }
        places.directories.extend(directories.marked(&changed).cloned());
        // Directories first: files may lie below them.
        let known: HashSet<&[u8]> = places.directories.iter().map(SubjectPath::as_bytes).collect();
        let lies_in_one = |holder: &SubjectPath| ancestors(holder).any(|above| known.contains(above));
        if !lies_in_one(&SubjectPath::root()) {
            places.in_root.extend(in_root.into_iter().map(|(file, op)| (file.clone(), op)));
        }
        let holders: Vec<SubjectPath> =
            directories.marked(&holding).filter(|holder| !lies_in_one(holder)).cloned().collect();
        places.directories.extend(holders);
        places.stand_on_directories(image);
        places.make_representable(image);
        places
    }

    /// Replaces directories where the image has something else, there or above, by the directory that holds that:
    /// the subject put a directory in its stead, and no mount can be put on a file. Directories that the image does
    /// not have, in one for temporary files that it has, were made in the run, even where that was not seen.
    fn stand_on_directories(&mut self, image: &Image<'_>) {
        for directory in std::mem::take(&mut self.directories) {
            let other =
                |path: &SubjectPath| image.get(path).is_some_and(|entry| entry.kind != ObjectKind::Directory);
            match directory.ancestors().filter(other).last().and_then(|outermost| outermost.parent()) {
                None => {
                    let present = directory.ancestors().find(|ancestor| image.has_directory(ancestor));
                    let instead = present.filter(tmpfs_or_volume::is_temporary);
                    self.directories.insert(instead.unwrap_or(directory));
                }
                Some(parent) if !parent.is_root() => {
                    self.directories.insert(parent);
                }
                Some(_) => {
                    self.in_root.insert((directory, Op::Mkdir));
                }
            }
        }
    }

    /// Replaces directories that no mount target can name by the nearest ancestor that one can.
    fn make_representable(&mut self, image: &Image<'_>) {
        let (good, bad): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.directories).into_iter().partition(is_representable);
        self.directories.extend(good);
        for directory in bad {
            if !directory.ancestors().any(|ancestor| self.directories.contains(&ancestor)) {
                let instead = directory.ancestors().find(|a| !a.is_root() && is_representable(a));
                self.directories.extend(instead.clone());
                self.replaced.insert(directory.clone(), instead);
            }
            // What a mount above must not hide: the image's directory that it lies in, where that has no name either.
            let present = directory.ancestors().find(|above| image.has_directory(above));
            self.unnameable.insert(present.filter(|above| !is_representable(above)).unwrap_or(directory));
        }
    }
}
