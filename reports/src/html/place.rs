//! Which mount a path lies on when the subject runs under its plan.
//!
//! Owns the order of precedence: the innermost mount; where the plan says something of one that the subject has already,
//! the plan's word.

use std::collections::{BTreeSet, HashMap};

use crate::model::{MountKind, Profile, SubjectPath};
use crate::plan::{Plan, is_kernel_file_system};

/// What is mounted somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mounted {
    /// A tmpfs of the plan.
    Tmpfs,
    /// A volume of the plan.
    Volume,
    /// A mount of the subject's own that the plan makes read-only.
    ReadOnly,
    /// A mount of the subject's own that stays as it is.
    Own(&'static str),
    /// What the runtime mounts in every container.
    Kernel,
    /// Nothing: the root file system.
    Root,
}

impl Mounted {
    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tmpfs => "tmpfs",
            Self::Volume => "volume",
            Self::ReadOnly => "read-only mount",
            Self::Own(name) => name,
            Self::Kernel => "of every container",
            Self::Root => "root file system",
        }
    }

    /// Its class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Tmpfs => "tmpfs",
            Self::Volume => "volume",
            Self::ReadOnly | Self::Own(_) | Self::Kernel | Self::Root => "other",
        }
    }
}

/// All mounts, for look-up.
pub(super) struct Mounts<'a> {
    by_target: HashMap<&'a [u8], Mounted>,
    /// The lengths of all targets, so that only prefixes that may be one are looked up.
    lengths: BTreeSet<usize>,
}

impl<'a> Mounts<'a> {
    pub(super) fn of(profile: &'a Profile, plan: &'a Plan) -> Self {
        let mut by_target: HashMap<&[u8], Mounted> =
            [b"/proc" as &[u8], b"/sys", b"/dev"].into_iter().map(|at| (at, Mounted::Kernel)).collect();
        by_target.extend(
            profile
                .subject
                .mounts
                .iter()
                .map(|mount| (mount.target.as_bytes(), Mounted::Own(own(mount.kind)))),
        );
        by_target.extend(plan.mounts_read_only.iter().map(|target| (target.as_bytes(), Mounted::ReadOnly)));
        by_target.extend(plan.volumes.iter().map(|mount| (mount.target.as_bytes(), Mounted::Volume)));
        by_target.extend(plan.tmpfs.iter().map(|mount| (mount.target.as_bytes(), Mounted::Tmpfs)));
        let lengths = by_target.keys().map(|target| target.len()).collect();
        Self { by_target, lengths }
    }

    /// What is mounted at exactly that path.
    pub(super) fn at(&self, path: &[u8]) -> Option<Mounted> {
        self.by_target.get(path).copied()
    }

    /// The mount that a path lies on, and its target.
    pub(super) fn around<'p>(&self, path: &'p SubjectPath) -> (&'p [u8], Mounted) {
        let bytes = path.as_bytes();
        let ends = self.lengths.iter().rev().filter(|end| bytes.get(**end).is_none_or(|next| *next == b'/'));
        let found = ends
            .filter_map(|end| bytes.get(..*end))
            .find_map(|target| self.by_target.get(target).map(|mounted| (target, *mounted)));
        found.unwrap_or_else(|| {
            // Every container's own mounts below /dev and the like.
            if is_kernel_file_system(path) { (bytes, Mounted::Kernel) } else { (b"/", Mounted::Root) }
        })
    }
}

fn own(kind: MountKind) -> &'static str {
    match kind {
        MountKind::Volume => "volume it had",
        MountKind::ImageVolume => "VOLUME of the image",
        MountKind::Bind => "bind it had",
        MountKind::Tmpfs => "tmpfs it had",
        MountKind::Runtime => "of the runtime",
        MountKind::Other => "mount of its own",
    }
}
