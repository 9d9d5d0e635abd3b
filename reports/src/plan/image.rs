//! What the image holds at a path, looked up.
//!
//! Owns the index over [`Subject::image_entries`] and the question whether a mount would hide something. Never
//! guesses that a directory is empty: where its content was not listed it says so.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ImageEntry, ObjectKind, Subject, SubjectPath};

/// The image's file system, as far as the profile lists it.
pub(super) struct Image<'a> {
    entries: BTreeMap<&'a SubjectPath, &'a ImageEntry>,
    cut: &'a [SubjectPath],
    /// Mount targets: what the image holds there was hidden in training already.
    mounted: BTreeSet<&'a SubjectPath>,
}

/// What a mount at a directory would hide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// No files and no symbolic links.
    None,
    /// So many files and symbolic links.
    Files(u64),
    /// The image's content there was not listed.
    Unknown,
}

/// Owner and mode of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ownership {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl<'a> Image<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        Self {
            entries: subject.image_entries.iter().map(|entry| (&entry.path, entry)).collect(),
            cut: &subject.image_cut,
            mounted: subject.mounts.iter().map(|mount| &mount.target).collect(),
        }
    }

    /// The image's object at a path.
    pub(super) fn get(&self, path: &SubjectPath) -> Option<&'a ImageEntry> {
        self.entries.get(path).copied()
    }

    /// Whether the image has a directory there.
    pub(super) fn has_directory(&self, path: &SubjectPath) -> bool {
        self.get(path).is_some_and(|entry| entry.kind == ObjectKind::Directory)
    }

    /// Every directory of the image.
    pub(super) fn directories(&self) -> impl Iterator<Item = &'a SubjectPath> {
        let directories = self.entries.iter().filter(|(_, entry)| entry.kind == ObjectKind::Directory);
        directories.map(|(path, _)| *path)
    }

    /// What a mount at `directory` would hide. `listed` tells whether the subject wrote in the directory, so that
    /// the profile lists its content.
    pub(super) fn content(&self, directory: &SubjectPath, listed: bool) -> Content {
        let below = || {
            self.entries
                .range::<&SubjectPath, _>(directory..)
                .skip_while(|(path, _)| **path == directory)
                // Everything below a directory sorts behind it, but not at once (`/a-b` comes between `/a` and
                // `/a/b`): hence a filter on the range up to the first path beyond both.
                .take_while(|(path, _)| path.as_bytes().starts_with(directory.as_bytes()))
                .filter(|(path, _)| path.is_within(directory))
        };
        let hides = |path: &SubjectPath, entry: &ImageEntry| {
            matches!(entry.kind, ObjectKind::File | ObjectKind::Symlink)
                && !self.hidden_already(path, directory)
        };
        let files = below().filter(|(path, entry)| hides(path, entry)).count();
        if files > 0 {
            return Content::Files(u64::try_from(files).unwrap_or(u64::MAX));
        }
        let cut = self.cut.iter().any(|cut| {
            cut.is_within(directory) || (directory.is_within(cut) && self.get(directory).is_none())
        });
        let exists = || self.has_directory(directory) || below().next().is_some();
        if cut || (!listed && exists()) { Content::Unknown } else { Content::None }
    }

    /// Whether the image is known to have a directory there that, with all below it, belongs to a user.
    pub(super) fn belongs_to(&self, directory: &SubjectPath, uid: u32) -> bool {
        self.has_directory(directory)
            && !self.cut.iter().any(|cut| cut.is_within(directory) || directory.is_within(cut))
            && self
                .entries
                .range::<&SubjectPath, _>(directory..)
                .take_while(|(path, _)| path.as_bytes().starts_with(directory.as_bytes()))
                .filter(|(path, _)| path.is_within(directory))
                .all(|(_, entry)| entry.uid == uid)
    }

    /// Whether `path`, below `directory`, is or lies below a mount that the subject had there.
    fn hidden_already(&self, path: &SubjectPath, directory: &SubjectPath) -> bool {
        path.ancestors()
            .take_while(|ancestor| ancestor != directory)
            .any(|ancestor| self.mounted.contains(&ancestor))
    }

    /// Owner and mode of a directory: the image's, else what the path is known for, else root's 0755.
    pub(super) fn ownership(&self, directory: &SubjectPath) -> Ownership {
        let default_mode = if matches!(directory.as_bytes(), b"/tmp" | b"/var/tmp") { 0o1777 } else { 0o755 };
        match self.get(directory) {
            Some(entry) if entry.kind == ObjectKind::Directory => Ownership {
                mode: u32::from_str_radix(&entry.mode, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777)
                    .unwrap_or(default_mode),
                uid: entry.uid,
                gid: entry.gid,
            },
            _ => Ownership { mode: default_mode, uid: 0, gid: 0 },
        }
    }
}
