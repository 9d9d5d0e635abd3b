//! From places to mount points: as few and narrow as will do, never `/`.
//!
//! Owns how mounts lie to each other: only top-most directories, mounts inside each other only where a tmpfs would
//! hide a directory of the image that the subject needs (or where the user wants one), and both ends of every rename
//! and link on one mount. The kind of each mount is decided by the rule `tmpfs_or_volume`, except that a directory
//! becomes a volume where a tmpfs cannot serve it without mounts inside it that would get in the way, and that the
//! user's word goes before both.

use std::collections::{BTreeMap, BTreeSet};

use super::Case;
use super::directories::{Directories, ancestors};
use super::image::{Content, Image};
use super::needs::{Places, common_ancestor, is_needed, listed, pairs, takes_write_access};
use super::rules::tmpfs_or_volume::{self, Basis, Facts, Storage};
use crate::model::{DirectorySize, Op, Profile, SubjectPath, Write};

/// How many directories of the image are kept inside one tmpfs by mounts of their own; beyond that the outer
/// directory becomes a volume.
const MAX_INNER: usize = 8;

/// What the user wants on a mount point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Tmpfs,
    Volume,
}

/// A mount point with what it serves.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) directory: SubjectPath,
    pub(super) storage: Storage,
    pub(super) content: Content,
    /// Needed operations that fall on this mount and on none inside it.
    pub(super) writes: Vec<&'a Write>,
    pub(super) peak_bytes: u64,
    /// How often data on it was synced.
    pub(super) syncs: u64,
}

/// Mount points, sorted, and what they cannot serve.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    pub(super) targets: Vec<Target<'a>>,
    /// Renames and links whose ends no mount can join: (from, to), as directories.
    pub(super) apart: BTreeSet<(SubjectPath, SubjectPath)>,
}

impl<'a> Layout<'a> {
    /// The mount point that is exactly there.
    pub(super) fn at(&self, path: &[u8]) -> Option<&Target<'a>> {
        let at = self.targets.binary_search_by(|target| target.directory.as_bytes().cmp(path)).ok()?;
        self.targets.get(at)
    }

    /// The mount points that a path lies on, the innermost first.
    pub(super) fn around<'s>(&'s self, path: &'s SubjectPath) -> impl Iterator<Item = &'s Target<'a>> {
        ancestors(path).filter_map(|ancestor| self.at(ancestor))
    }
}

/// What the layout is computed from.
struct Ground<'a> {
    profile: &'a Profile,
    directories: &'a Directories<'a>,
    image: &'a Image<'a>,
    places: &'a Places,
    /// Where the user wants what.
    told: BTreeMap<&'a SubjectPath, Told>,
    max_tmpfs_bytes: Option<u64>,
    /// Directories that were removed or renamed away: a mount point cannot be. Only those that may become one inside
    /// another.
    removed: BTreeSet<&'a SubjectPath>,
    /// Directories whose content the profile lists, if the image has them; others only as far as it matters.
    listed: BTreeSet<SubjectPath>,
}

/// Lays out the mounts for the places of a case.
pub(super) fn lay_out<'a>(case: &'a Case<'a>) -> Layout<'a> {
    let profile: &'a Profile = case.profile;
    let told = case.overrides.told();
    // Mounts inside others go only where the image has a directory or the user wants one.
    let above_told: Vec<SubjectPath> = told.keys().flat_map(|target| target.ancestors()).collect();
    let of_interest = case.directories.innermost(case.image.directories().chain(&above_told));
    let removed = case
        .directories
        .writes()
        .filter_map(|(write, ends)| match write.op {
            Op::Rmdir => Some((write, &write.path, ends.path)),
            Op::Rename => Some((write, write.from.as_ref()?, ends.from)),
            _ => None,
        })
        .filter(|(write, path, end)| !write.collapsed && of_interest.is_one(path, *end) && is_needed(write))
        .map(|(_, path, _)| path)
        .collect();
    let pairs = pairs(&case.directories);
    let listed = listed(&case.directories, &pairs, |object, end| of_interest.is_one(object, end));
    let ground = Ground {
        profile,
        directories: &case.directories,
        image: &case.image,
        places: &case.places,
        told,
        max_tmpfs_bytes: case.overrides.max_tmpfs,
        removed,
        listed,
    };
    // Directories that were joined to keep renames on one mount; no mount may lie inside them.
    let mut joined = BTreeSet::new();
    loop {
        let targets = ground.targets(&joined);
        let points = case.directories.innermost(targets.iter().map(|target| &target.directory));
        let mut apart = BTreeSet::new();
        let mut found = None;
        for (from, to) in &pairs {
            let (Some(a), Some(b)) = (points.around(*from), points.around(*to)) else { continue };
            if a == b {
                continue;
            }
            let together = common_ancestor(a, b);
            let told = ground.told.contains_key(a) || ground.told.contains_key(b);
            if together.is_root() || told || joined.contains(&together) {
                apart.extend(case.directories.path(*from).cloned().zip(case.directories.path(*to).cloned()));
            } else {
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

/// The directories of a set that lie below none of the others, sorted.
fn topmost<'a>(directories: impl Iterator<Item = &'a SubjectPath>) -> Vec<&'a SubjectPath> {
    let all: BTreeSet<&SubjectPath> = directories.collect();
    all.iter().copied().filter(|d| !d.ancestors().skip(1).any(|ancestor| all.contains(&ancestor))).collect()
}

/// What falls on one mount point.
#[derive(Debug, Default)]
struct Share<'a> {
    /// Needed operations, each once, in the order of the profile.
    writes: Vec<&'a Write>,
    /// How often data was synced.
    syncs: u64,
}

impl<'a> Target<'a> {
    /// Takes over what falls on mount points inside it.
    fn take(&mut self, shares: impl IntoIterator<Item = Share<'a>>) {
        for share in shares {
            self.writes.extend(share.writes);
            self.syncs = self.syncs.saturating_add(share.syncs);
        }
        // A rename has ends on both. All lie in one list: where they lie there tells them apart.
        self.writes.sort_unstable_by_key(|write| std::ptr::from_ref::<Write>(write));
        self.writes.dedup_by(|a, b| std::ptr::eq::<Write>(*a, *b));
    }
}

impl<'a> Ground<'a> {
    fn targets(&self, joined: &BTreeSet<SubjectPath>) -> Vec<Target<'a>> {
        let tops = topmost(self.places.directories.iter().chain(joined).chain(self.told.keys().copied()));
        let top_set: BTreeSet<&SubjectPath> = tops.iter().copied().collect();
        // Directories of the image inside a top one that the subject needs: a tmpfs there would hide them.
        let mut inner: BTreeMap<&SubjectPath, Vec<&SubjectPath>> = BTreeMap::new();
        let needed = self.places.directories.iter().chain(&self.places.unnameable);
        let needed = needed.filter(|place| self.image.has_directory(place) && !self.told.contains_key(place));
        for directory in needed.chain(self.told.keys().copied()) {
            if top_set.contains(directory) {
                continue;
            }
            let top = directory.ancestors().find_map(|ancestor| top_set.get(&ancestor).copied());
            if let Some(top) = top {
                inner.entry(top).or_default().push(directory);
            }
        }
        let points = tops.iter().copied().chain(inner.values().flatten().copied());
        let mut shares = self.shares(points);
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
        share: Share<'a>,
        inside: Vec<(&SubjectPath, Share<'a>)>,
        joined: bool,
        targets: &mut Vec<Target<'a>>,
    ) {
        let inside = self.lay_out_told(inside, targets);
        let mut outer = self.target(top, share);
        let in_the_way = self.in_the_way(joined, &inside);
        let told = outer.storage.basis == Basis::Told;
        if let (true, false, Some(reason)) = (outer.storage.tmpfs, told, in_the_way) {
            outer.storage = Storage::volume(reason, Basis::Seen);
        }
        if !outer.storage.tmpfs || told && in_the_way.is_some() {
            // A volume starts with the image's directories in it. The user's tmpfs hides them.
            outer.take(inside.into_iter().map(|(_, share)| share));
            targets.push(outer);
            return;
        }
        targets.push(outer);
        let mut inside = inside;
        inside.sort_by(|a, b| a.0.cmp(b.0));
        // Outer before inner: a volume brings the directories inside it along.
        let mut volume: Option<Target<'a>> = None;
        for (directory, share) in inside {
            if let Some(around) = volume.as_mut().filter(|around| directory.is_within(&around.directory)) {
                around.take([share]);
                continue;
            }
            targets.extend(volume.take());
            let target = self.target(directory, share);
            if target.storage.tmpfs {
                targets.push(target);
            } else {
                volume = Some(target);
            }
        }
        targets.extend(volume);
    }

    /// The mounts that the user wants among those inside another, each with what lies inside it. Gives back the others.
    fn lay_out_told<'p>(
        &self,
        inside: Vec<(&'p SubjectPath, Share<'a>)>,
        targets: &mut Vec<Target<'a>>,
    ) -> Vec<(&'p SubjectPath, Share<'a>)> {
        let told =
            topmost(inside.iter().map(|(directory, _)| *directory).filter(|d| self.told.contains_key(d)));
        let mut rest = inside;
        for top in told {
            let (mut own, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|(directory, _)| directory.is_within(top));
            rest = others;
            let share =
                own.iter().position(|(directory, _)| *directory == top).map(|at| own.swap_remove(at).1);
            self.lay_out_top(top, share.unwrap_or_default(), own, false, targets);
        }
        rest
    }

    /// Why mounts at directories inside a tmpfs would not do, if so.
    fn in_the_way(&self, joined: bool, inside: &[(&SubjectPath, Share<'_>)]) -> Option<&'static str> {
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
    fn shares<'p>(
        &self,
        points: impl IntoIterator<Item = &'p SubjectPath>,
    ) -> BTreeMap<&'p SubjectPath, Share<'a>> {
        let points = self.directories.innermost(points);
        let mut shares: Vec<Share<'a>> = Vec::new();
        shares.resize_with(points.places().len(), Share::default);
        for (write, ends) in self.directories.writes() {
            // A VOLUME of the image that the user wants something else for.
            let replaced = self.told.contains_key(&write.mount);
            if write.op == Op::Sync && write.succeeded() && (write.mount.is_root() || replaced) {
                let point = points.index(&write.path, ends.path);
                if let Some(share) = point.and_then(|point| shares.get_mut(point)) {
                    share.syncs = share.syncs.saturating_add(write.count);
                }
            } else if is_needed(write) || replaced && takes_write_access(write) {
                let from = write.from.as_ref().filter(|_| write.op.changes_directory());
                let from = from.and_then(|from| points.index(from, ends.from));
                let point = points.index(&write.path, ends.path);
                for point in point.into_iter().chain(from.filter(|from| point != Some(*from))) {
                    if let Some(share) = shares.get_mut(point) {
                        share.writes.push(write);
                    }
                }
            }
        }
        points.places().iter().copied().zip(shares).collect()
    }

    /// The mount at `directory`, of the kind that suits it.
    fn target(&self, directory: &SubjectPath, share: Share<'a>) -> Target<'a> {
        // The directory itself is in the list where it was listed.
        let listed = self.places.directories.contains(directory)
            || self.listed.contains(directory) && self.image.has_directory(directory);
        let told = self.told.get(directory).copied();
        let content = if told.is_some() && !directory.ancestors().any(|above| self.listed.contains(&above)) {
            Content::Unknown
        } else {
            self.image.content(directory, listed)
        };
        let Share { writes, syncs } = share;
        let peak_bytes = self.peak_bytes(directory);
        let storage = match told {
            Some(Told::Tmpfs) => Storage::tmpfs("asked for with --tmpfs", Basis::Told),
            Some(Told::Volume) => Storage::volume("asked for with --volume", Basis::Told),
            None => tmpfs_or_volume::choose(&Facts {
                directory,
                writes: &writes,
                syncs,
                peak_bytes,
                content,
                max_tmpfs_bytes: self.max_tmpfs_bytes,
            }),
        };
        Target { directory: directory.clone(), storage, content, writes, peak_bytes, syncs }
    }

    /// The largest size seen of what was written below a directory, in bytes: what was recorded for it, or else
    /// the sum over the directories inside it that were recorded. Files without a name count twice: seldom is one seen
    /// when it is largest.
    fn peak_bytes(&self, directory: &SubjectPath) -> u64 {
        let sizes = &self.profile.run.sizes;
        let bytes = |size: &DirectorySize| size.peak_bytes.saturating_add(size.unlinked_bytes);
        let own = sizes.iter().filter(|size| size.path == *directory).map(bytes).max();
        let below: Vec<_> =
            sizes.iter().filter(|size| size.path.is_within(directory) && size.path != *directory).collect();
        let tops: BTreeSet<&SubjectPath> = topmost(below.iter().map(|size| &size.path)).into_iter().collect();
        let sum = below
            .iter()
            .filter(|size| tops.contains(&size.path))
            .fold(0u64, |sum, size| sum.saturating_add(bytes(size)));
        own.unwrap_or(sum)
    }
}
