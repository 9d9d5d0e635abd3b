//! The mounts that the subject already had.
//!
//! Owns which of them are somebody's wish. Never moves a mount: what the user configured stays as configured.

use std::collections::BTreeSet;

use crate::model::{Mount, MountKind, Profile, SubjectPath};

/// Whether the user or the image asked for the mount (rather than the runtime or the subject itself).
fn is_configured(mount: &Mount) -> bool {
    match mount.kind {
        MountKind::Volume | MountKind::ImageVolume | MountKind::Bind | MountKind::Tmpfs => true,
        MountKind::Runtime | MountKind::Other => false,
    }
}

/// The targets that no new mount may be put on or inside of: what is there stays what it is.
pub(super) fn taken(profile: &Profile) -> BTreeSet<&SubjectPath> {
    profile.subject.mounts.iter().filter(|mount| is_configured(mount)).map(|mount| &mount.target).collect()
}

/// The mounts that somebody asked for, one for each target, sorted by it.
pub(super) fn configured(profile: &Profile) -> Vec<&Mount> {
    let mut mounts: Vec<&Mount> = profile
        .subject
        .mounts
        .iter()
        .filter(|mount| is_configured(mount) && !mount.target.is_root())
        .collect();
    mounts.sort_by(|a, b| (&a.target, a.kind, &a.source).cmp(&(&b.target, b.kind, &b.source)));
    mounts.dedup_by(|a, b| a.target == b.target);
    mounts
}
