//! Mounts, and what the image holds where any of the runs wrote.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ImageEntry, Mount, MountKind, ObjectKind, SubjectPath};

#[derive(Debug, Default)]
pub(super) struct Image {
    /// By place and kind; the source that sorts first, where there is any.
    mounts: BTreeMap<(SubjectPath, MountKind, bool), Option<String>>,
    entries: BTreeMap<SubjectPath, ImageEntry>,
    cut: BTreeSet<SubjectPath>,
}

impl Image {
    pub(super) fn mounts(&self) -> usize {
        self.mounts.len()
    }

    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn cut(&self) -> usize {
        self.cut.len()
    }

    pub(super) fn add(&mut self, mounts: Vec<Mount>, entries: Vec<ImageEntry>, cut: Vec<SubjectPath>) {
        for Mount { target, kind, source, read_only } in mounts {
            let known = self.mounts.entry((target, kind, read_only)).or_default();
            if source.is_some() && (known.is_none() || source < *known) {
                *known = source;
            }
        }
        for entry in entries {
            match self.entries.get_mut(&entry.path) {
                None => {
                    self.entries.insert(entry.path.clone(), entry);
                }
                // Of one image they are the same.
                Some(known) if rank(known) < rank(&entry) => *known = entry,
                Some(_) => {}
            }
        }
        self.cut.extend(cut);
    }

    pub(super) fn finish(self) -> (Vec<Mount>, Vec<ImageEntry>, Vec<SubjectPath>) {
        let mount = |((target, kind, read_only), source)| Mount { target, kind, source, read_only };
        (
            self.mounts.into_iter().map(mount).collect(),
            self.entries.into_values().collect(),
            self.cut.into_iter().collect(),
        )
    }
}

/// Where images differ: a mount must not hide what any of them holds, so that a file goes before a directory.
fn rank(entry: &ImageEntry) -> impl Ord + '_ {
    let ImageEntry { path: _, kind, mode, uid, gid, size, link } = entry;
    (*kind != ObjectKind::Directory, *kind, mode, *uid, *gid, *size, link)
}
