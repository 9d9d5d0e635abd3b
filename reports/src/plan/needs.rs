//! From observed operations to the places that must be writable.
//!
//! Owns the definition of a *needed* write and of its place: the directory for operations that change a directory,
//! the object itself for the others. Never decides where a mount goes (see `layout`). An operation that failed in
//! training is attempted, never needed. What lies in `/` itself cannot be mounted over and is kept apart.

use std::collections::{BTreeMap, BTreeSet};

use super::image::Image;
use super::rules::tmpfs_or_volume;
use crate::model::{ObjectKind, Op, Profile, SubjectPath, Write};
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
fn place(write: &Write) -> (Vec<SubjectPath>, Option<SubjectPath>) {
    if write.collapsed {
        // Names were not kept: `path` and `from` are directories.
        let from = write.from.iter().filter(|_| write.op.changes_directory()).cloned();
        return (std::iter::once(write.path.clone()).chain(from).collect(), None);
    }
    if write.op == Op::Tmpfile {
        return (vec![write.path.clone()], None);
    }
    if write.op.changes_directory() {
        let parents =
            std::iter::once(&write.path).chain(&write.from).filter_map(SubjectPath::parent).collect();
        return (parents, None);
    }
    (Vec::new(), Some(write.path.clone()))
}

/// The directories whose image content a profile of these writes must list ([`crate::model::Subject::image_entries`])
/// for [`super::recommend`] to tell what a mount would hide: every directory that a mount may be put on, `/` excepted.
#[must_use]
pub fn directories_to_list(writes: &[Write]) -> BTreeSet<SubjectPath> {
    let mut directories = BTreeSet::new();
    for write in writes.iter().filter(|write| is_needed(write)) {
        let (places, object) = place(write);
        directories.extend(places);
        directories.extend(object.as_ref().and_then(SubjectPath::parent));
        directories.extend(object);
        directories.extend(pair(write).map(|(from, to)| common_ancestor(&from, &to)));
    }
    directories.remove(&SubjectPath::root());
    directories
}

/// The innermost directory that both paths are or lie below.
pub(super) fn common_ancestor(a: &SubjectPath, b: &SubjectPath) -> SubjectPath {
    a.ancestors().find(|ancestor| b.is_within(ancestor)).unwrap_or_else(SubjectPath::root)
}

/// The two directories of a needed rename or link, if they differ.
pub(super) fn pair(write: &Write) -> Option<(SubjectPath, SubjectPath)> {
    if !matches!(write.op, Op::Rename | Op::Link) || !is_needed(write) {
        return None;
    }
    let from = write.from.as_ref()?;
    let (to, from) = if write.collapsed {
        (write.path.clone(), from.clone())
    } else {
        (write.path.parent()?, from.parent()?)
    };
    (to != from).then_some((from, to))
}

/// Whether a mount target can be written down in every format: Unicode, and without characters that would have to
/// be escaped on a terminal or in a command line that a person pastes.
pub(super) fn is_representable(path: &SubjectPath) -> bool {
    path.as_str().is_some_and(|text| printable(text) == text)
}

impl Places {
    pub(super) fn of(profile: &Profile, image: &Image<'_>, mounted: &BTreeSet<&SubjectPath>) -> Self {
        let needed: Vec<&Write> = profile
            .writes
            .iter()
            .filter(|write| is_needed(write) && !write.path.ancestors().any(|a| mounted.contains(&a)))
            .collect();
        let made: BTreeSet<&SubjectPath> =
            needed.iter().filter(|write| write.op == Op::Mkdir).map(|write| &write.path).collect();
        let mut places = Self::default();
        let mut objects = BTreeSet::new();
        for write in &needed {
            let (directories, object) = place(write);
            for directory in directories {
                if !directory.is_root() {
                    places.directories.insert(directory);
                } else if write.op == Op::Mkdir && !write.collapsed && image.get(&write.path).is_none() {
                    // A new directory in the root: mounting on it makes it exist.
                    places.directories.insert(write.path.clone());
                } else {
                    places.in_root.insert((write.path.clone(), write.op));
                }
            }
            if let Some(object) = object {
                objects.insert((object, write.object, write.op));
            }
        }
        // Directories first: files may lie below them.
        let mut files = Vec::new();
        for (object, kind, op) in objects {
            let is_directory = match kind {
                ObjectKind::Directory => true,
                ObjectKind::Unknown => image.has_directory(&object) || made.contains(&object),
                _ => false,
            };
            if object.is_root() {
                places.in_root.insert((object, op));
            } else if is_directory {
                places.directories.insert(object);
            } else {
                files.push((object, op));
            }
        }
        let directories = places.directories.clone();
        for (file, op) in files {
            if file.ancestors().skip(1).any(|ancestor| directories.contains(&ancestor)) {
                continue;
            }
            match file.parent() {
                Some(parent) if !parent.is_root() => {
                    places.directories.insert(parent);
                }
                _ => {
                    places.in_root.insert((file, op));
                }
            }
        }
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
