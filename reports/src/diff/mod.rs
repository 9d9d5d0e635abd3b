//! The comparison of two profiles: what NEW writes, uses or needs that OLD did not.
//!
//! Owns what counts as new and what counts as a finding. Looks in one direction only: what OLD did and NEW no
//! longer does is no finding. Operations that failed are not compared; capabilities that were not required are
//! listed but never a finding.

mod dto;
mod format;
mod places;

pub use dto::*;
pub use format::{DiffFormat, UnknownDiffFormat, render};

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::capability;
use crate::model::{Capability, Profile, SubjectPath, Verdict};
use crate::plan::{Plan, recommend};

/// Compares two profiles.
#[must_use]
pub fn diff(old: &Profile, new: &Profile) -> Diff {
    Diff {
        schema: DIFF_SCHEMA.to_owned(),
        old: side(old),
        new: side(new),
        writes: places::new_places(old, new).into_iter().map(|place| new_write(&place)).collect(),
        capabilities: new_capabilities(old, new),
        mounts: new_mounts(&recommend(old), &recommend(new), new),
    }
}

fn side(profile: &Profile) -> Side {
    Side {
        subject: profile.subject.name.clone(),
        image_id: profile.subject.image_id.clone(),
        complete: profile.coverage.complete,
    }
}

fn new_write(place: &places::NewPlace<'_>) -> NewWrite {
    let objects: BTreeSet<&SubjectPath> = place.writes.iter().map(|write| &write.path).collect();
    let processes: BTreeSet<&String> = place.writes.iter().flat_map(|write| &write.processes).collect();
    let phases: BTreeSet<_> = place.writes.iter().flat_map(|write| &write.phases).copied().collect();
    NewWrite {
        path: place.first.path.clone(),
        from: place.first.from.clone(),
        op: place.first.op,
        mount: place.first.mount.clone(),
        objects: u64::try_from(objects.len()).unwrap_or(u64::MAX),
        count: place.writes.iter().fold(0, |sum, write| sum.saturating_add(write.count)),
        processes: processes.into_iter().cloned().collect(),
        phases: phases.into_iter().collect(),
    }
}

/// The strongest verdict on every capability, with its entries, by number (unknown ones behind, by name).
fn verdicts(profile: &Profile) -> BTreeMap<(u8, &str), (Verdict, Vec<&Capability>)> {
    let mut verdicts: BTreeMap<(u8, &str), (Verdict, Vec<&Capability>)> = BTreeMap::new();
    for entry in &profile.capabilities {
        let known = capability::by_name(&entry.cap).map(|info| (info.number, info.name));
        let slot =
            verdicts.entry(known.unwrap_or((u8::MAX, &entry.cap))).or_insert((entry.verdict, Vec::new()));
        slot.0 = slot.0.max(entry.verdict);
        slot.1.push(entry);
    }
    verdicts
}

fn new_capabilities(old: &Profile, new: &Profile) -> Vec<NewCapability> {
    let before = verdicts(old);
    verdicts(new)
        .into_iter()
        .filter_map(|(key, (verdict, entries))| {
            let before = before.get(&key).map(|(verdict, _)| *verdict);
            if before >= Some(verdict) {
                return None;
            }
            let checks =
                || entries.iter().flat_map(|entry| &entry.evidence).filter(|check| check.verdict == verdict);
            let processes: BTreeSet<&String> = checks().map(|check| &check.process).collect();
            let syscalls: BTreeSet<&String> = checks().map(|check| &check.syscall).collect();
            Some(NewCapability {
                cap: key.1.to_owned(),
                verdict,
                before,
                processes: processes.into_iter().cloned().collect(),
                syscalls: syscalls.into_iter().cloned().collect(),
            })
        })
        .collect()
}

fn new_mounts(old: &Plan, new: &Plan, profile: &Profile) -> Vec<NewMount> {
    let covered =
        |target: &SubjectPath| old.writable_targets().into_iter().any(|other| target.is_within(other));
    let tmpfs = new.tmpfs.iter().map(|mount| (&mount.target, NewMountKind::Tmpfs, &mount.why));
    let volumes = new.volumes.iter().map(|mount| (&mount.target, NewMountKind::Volume, &mount.why));
    let mut mounts: Vec<NewMount> = tmpfs
        .chain(volumes)
        // A mount of OLD's that was only read is told apart below.
        .filter(|(target, ..)| !covered(target) && !old.mounts_read_only.contains(target))
        .map(|(target, kind, why)| NewMount { target: target.clone(), kind, why: why.clone() })
        .collect();
    let has = |target: &SubjectPath| profile.subject.mounts.iter().any(|mount| mount.target == *target);
    let written =
        old.mounts_read_only.iter().filter(|target| has(target) && !new.mounts_read_only.contains(target));
    mounts.extend(written.map(|target| {
        let why = new.volumes.iter().find(|volume| volume.target == *target).map(|volume| volume.why.clone());
        NewMount {
            target: target.clone(),
            kind: NewMountKind::Existing,
            why: why.unwrap_or_else(|| "OLD only read this mount, NEW writes it".to_owned()),
        }
    }));
    if old.read_only && !new.read_only {
        let why = new.warnings.iter().find(|warning| warning.code == "writes-in-root").map_or_else(
            || "the root file system can no longer be read-only".to_owned(),
            |w| w.message.clone(),
        );
        mounts.push(NewMount { target: SubjectPath::root(), kind: NewMountKind::Root, why });
    }
    mounts.sort_by(|a, b| (&a.target, a.kind).cmp(&(&b.target, b.kind)));
    mounts
}

/// What of a comparison counts as a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailOn {
    /// A new place that is written.
    Write,
    /// A capability newly required.
    Cap,
    /// A new mount, or one that must now be writable.
    Mount,
    /// Any of these.
    Any,
    /// Nothing.
    None,
}

/// Not a kind of finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of write, cap, mount, any, none")]
pub struct UnknownFailOn(String);

impl FromStr for FailOn {
    type Err = UnknownFailOn;

    fn from_str(name: &str) -> Result<Self, UnknownFailOn> {
        match name.trim() {
            "write" => Ok(Self::Write),
            "cap" => Ok(Self::Cap),
            "mount" => Ok(Self::Mount),
            "any" => Ok(Self::Any),
            "none" => Ok(Self::None),
            other => Err(UnknownFailOn(crate::text::printable(other))),
        }
    }
}

impl FailOn {
    /// Reads a comma-separated list.
    ///
    /// # Errors
    /// [`UnknownFailOn`] names the first entry that is no kind of finding.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, UnknownFailOn> {
        list.split(',').map(str::parse).collect()
    }
}

impl Diff {
    /// Whether the comparison holds a finding of one of these kinds.
    #[must_use]
    pub fn fails(&self, kinds: &[FailOn]) -> bool {
        let write = !self.writes.is_empty();
        let cap = self.capabilities.iter().any(|capability| capability.verdict == Verdict::Required);
        let mount = !self.mounts.is_empty();
        kinds.iter().any(|kind| match kind {
            FailOn::Write => write,
            FailOn::Cap => cap,
            FailOn::Mount => mount,
            FailOn::Any => write || cap || mount,
            FailOn::None => false,
        })
    }
}
