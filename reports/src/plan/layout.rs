//! From places to mount points: as few and narrow as will do, never `/`.
//!
//! Owns how mounts lie to each other: only top-most directories, mounts inside each other only where a tmpfs would
//! hide a directory of the image that the subject needs, and both ends of every rename and link on one mount. The
//! kind of each mount is `storage`'s decision, except that a directory becomes a volume where a tmpfs cannot serve
//! it without mounts inside it that would get in the way.

use std::collections::{BTreeMap, BTreeSet};

use super::image::{Content, Image};
use super::needs::{Places, common_ancestor, directories_to_list, is_needed, pair};
use super::storage::{self, Facts, Storage};
use crate::model::{Op, Profile, SubjectPath, Write};

/// How many directories of the image are kept inside one tmpfs by mounts of their own; beyond that the outer
/// directory becomes a volume.
const MAX_INNER: usize = 8;

/// A mount point with what it serves.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) directory: SubjectPath,
    pub(super) storage: Storage,
    pub(super) content: Content,
    /// Needed operations that fall on this mount and on none inside it.
    pub(super) writes: Vec<&'a Write>,
    pub(super) peak_bytes: u64,
}

/// Mount points, sorted, and what they cannot serve.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    pub(super) targets: Vec<Target<'a>>,
    /// Renames and links whose ends have only `/` in common: (from, to), as directories.
    pub(super) apart: BTreeSet<(SubjectPath, SubjectPath)>,
}

/// What the layout is computed from.
struct Ground<'a> {
    profile: &'a Profile,
    image: &'a Image<'a>,
    places: &'a Places,
    /// Directories that were removed or renamed away: a mount point cannot be.
    removed: BTreeSet<&'a SubjectPath>,
    /// Directories whose content the profile lists, if the image has them.
    listed: BTreeSet<SubjectPath>,
}

/// Lays out the mounts for `places`.
pub(super) fn lay_out<'a>(profile: &'a Profile, image: &'a Image<'a>, places: &'a Places) -> Layout<'a> {
    let removed = profile
        .writes
        .iter()
        .filter(|write| is_needed(write) && !write.collapsed)
        .filter_map(|write| match write.op {
            Op::Rmdir => Some(&write.path),
            Op::Rename => write.from.as_ref(),
            _ => None,
        })
        .collect();
    let ground = Ground { profile, image, places, removed, listed: directories_to_list(&profile.writes) };
    // Directories that were joined to keep renames on one mount; no mount may lie inside them.
    let mut joined = BTreeSet::new();
    loop {
        let targets = ground.targets(&joined);
        let points: BTreeSet<&SubjectPath> = targets.iter().map(|target| &target.directory).collect();
        let mut apart = BTreeSet::new();
        let mut found = None;
        for (from, to) in profile.writes.iter().filter_map(pair) {
            let (Some(a), Some(b)) = (innermost(&points, &from), innermost(&points, &to)) else { continue };
            if a == b {
                continue;
            }
            let together = common_ancestor(&a, &b);
            if together.is_root() {
                apart.insert((from, to));
            } else if !joined.contains(&together) {
                found = Some(together);
                break;
            }
        }
        match found {
            // Every round adds a directory, and there are finitely many.
            Some(together) => {
                joined.insert(together);
            }
            None => return Layout { targets, apart },
        }
    }
}

/// The innermost of `points` that `path` is or lies below.
fn innermost(points: &BTreeSet<&SubjectPath>, path: &SubjectPath) -> Option<SubjectPath> {
    path.ancestors().find(|ancestor| points.contains(ancestor))
}

/// The directories of a set that lie below none of the others, sorted.
fn topmost<'a>(directories: impl Iterator<Item = &'a SubjectPath>) -> Vec<&'a SubjectPath> {
    let all: BTreeSet<&SubjectPath> = directories.collect();
    all.iter().copied().filter(|d| !d.ancestors().skip(1).any(|ancestor| all.contains(&ancestor))).collect()
}

/// What falls on one mount point.
#[derive(Debug, Default)]
struct Share {
    /// Needed operations, as indices into the profile's writes.
    writes: BTreeSet<usize>,
    /// How often data was synced.
    syncs: u64,
}

impl<'a> Ground<'a> {
    fn targets(&self, joined: &BTreeSet<SubjectPath>) -> Vec<Target<'a>> {
        let tops = topmost(self.places.directories.iter().chain(joined));
        let top_set: BTreeSet<&SubjectPath> = tops.iter().copied().collect();
        // Directories of the image inside a top one that the subject needs: a tmpfs there would hide them.
        let mut inner: BTreeMap<&SubjectPath, Vec<&SubjectPath>> = BTreeMap::new();
        for directory in self.places.directories.iter().chain(&self.places.unnameable) {
            if top_set.contains(directory) || !self.image.has_directory(directory) {
                continue;
            }
            let top = directory.ancestors().find_map(|ancestor| top_set.get(&ancestor).copied());
            if let Some(top) = top {
                inner.entry(top).or_default().push(directory);
            }
        }
        let points: BTreeSet<&SubjectPath> =
            tops.iter().copied().chain(inner.values().flatten().copied()).collect();
        let mut shares = self.shares(&points);
        let mut targets = Vec::new();
        for top in tops {
            let candidates = inner.remove(top).unwrap_or_default();
            let share = shares.remove(top).unwrap_or_default();
            let inside: Vec<_> = candidates
                .into_iter()
                .map(|candidate| (candidate, shares.remove(candidate).unwrap_or_default()))
                .collect();
            self.lay_out_top(top, share, inside, joined.contains(top), &mut targets);
        }
        targets.sort_by(|a, b| a.directory.cmp(&b.directory));
        targets
    }

    /// The mounts at and below a top-most directory.
    fn lay_out_top(
        &self,
        top: &SubjectPath,
        share: Share,
        inside: Vec<(&SubjectPath, Share)>,
        joined: bool,
        targets: &mut Vec<Target<'a>>,
    ) {
        let mut outer = self.target(top, &share);
        let in_the_way = self.in_the_way(joined, &inside);
        if let (true, Some(reason)) = (outer.storage.is_tmpfs(), in_the_way) {
            outer.storage = Storage::Volume(reason.to_owned());
        }
        if !outer.storage.is_tmpfs() {
            // A volume starts with the image's directories in it.
            outer.writes = self.writes(std::iter::once(&share).chain(inside.iter().map(|(_, share)| share)));
            targets.push(outer);
            return;
        }
        targets.push(outer);
        let mut inside = inside;
        inside.sort_by(|a, b| a.0.cmp(b.0));
        // Outer before inner: a volume brings the directories inside it along.
        let mut volume: Option<Target<'a>> = None;
        let mut volume_share = Share::default();
        for (directory, share) in inside {
            if let Some(around) = volume.as_mut().filter(|around| directory.is_within(&around.directory)) {
                volume_share.writes.extend(share.writes);
                around.writes = self.writes([&volume_share]);
                continue;
            }
            targets.extend(volume.take());
            let target = self.target(directory, &share);
            if target.storage.is_tmpfs() {
                targets.push(target);
            } else {
                volume = Some(target);
                volume_share = share;
            }
        }
        targets.extend(volume);
    }

    /// Why mounts at directories inside a tmpfs would not do, if so.
    fn in_the_way(&self, joined: bool, inside: &[(&SubjectPath, Share)]) -> Option<&'static str> {
        let any = |test: &dyn Fn(&SubjectPath) -> bool| inside.iter().any(|(directory, _)| test(directory));
        if inside.is_empty() {
            None
        } else if joined {
            Some("the subject renames or links between directories of it, which takes one mount")
        } else if any(&|directory| self.removed.contains(directory)) {
            Some(
                "the subject removes or renames directories that the image has in it, which mount points cannot be",
            )
        } else if any(&|directory| self.places.unnameable.contains(directory)) {
            Some("the image has directories in it that the subject needs and no mount option can name")
        } else if inside.len() > MAX_INNER {
            Some("the image has many directories in it that the subject needs and a tmpfs would hide")
        } else {
            None
        }
    }

    /// What falls on each of `points`, and on none inside it.
    fn shares<'p>(&self, points: &BTreeSet<&'p SubjectPath>) -> BTreeMap<&'p SubjectPath, Share> {
        let mut shares: BTreeMap<&SubjectPath, Share> = BTreeMap::new();
        let point = |path: &SubjectPath| path.ancestors().find_map(|a| points.get(&a).copied());
        for (index, write) in self.profile.writes.iter().enumerate() {
            if write.op == Op::Sync && write.succeeded() && write.mount.is_root() {
                if let Some(point) = point(&write.path) {
                    let share = shares.entry(point).or_default();
                    share.syncs = share.syncs.saturating_add(write.count);
                }
            } else if is_needed(write) {
                let from = write.from.iter().filter(|_| write.op.changes_directory());
                for point in std::iter::once(&write.path).chain(from).filter_map(point) {
                    shares.entry(point).or_default().writes.insert(index);
                }
            }
        }
        shares
    }

    fn writes<'s>(&self, shares: impl IntoIterator<Item = &'s Share>) -> Vec<&'a Write> {
        let indices: BTreeSet<usize> = shares.into_iter().flat_map(|share| &share.writes).copied().collect();
        indices.into_iter().filter_map(|index| self.profile.writes.get(index)).collect()
    }

    /// The mount at `directory`, of the kind that suits it.
    fn target(&self, directory: &SubjectPath, share: &Share) -> Target<'a> {
        // The directory itself is in the list where it was listed.
        let listed = self.places.directories.contains(directory)
            || self.listed.contains(directory) && self.image.has_directory(directory);
        let content = self.image.content(directory, listed);
        let writes = self.writes([share]);
        let peak_bytes = self.peak_bytes(directory);
        let facts = Facts { directory, writes: &writes, syncs: share.syncs, peak_bytes, content };
        let storage = storage::choose(&facts);
        Target { directory: directory.clone(), storage, content, writes, peak_bytes }
    }

    /// The largest size seen of what was written below a directory, in bytes: what was recorded for it, or else
    /// the sum over the directories inside it that were recorded.
    fn peak_bytes(&self, directory: &SubjectPath) -> u64 {
        let sizes = &self.profile.run.sizes;
        let own = sizes.iter().filter(|size| size.path == *directory).map(|size| size.peak_bytes).max();
        let below: Vec<_> =
            sizes.iter().filter(|size| size.path.is_within(directory) && size.path != *directory).collect();
        let tops: BTreeSet<&SubjectPath> = topmost(below.iter().map(|size| &size.path)).into_iter().collect();
        let sum = below
            .iter()
            .filter(|size| tops.contains(&size.path))
            .fold(0u64, |sum, size| sum.saturating_add(size.peak_bytes));
        own.unwrap_or(sum)
    }
}
