//! Which change of a plan lets an operation succeed.
//!
//! Goes by what the recommender would make of the operation: the mount of training's own plan that covers it, or, for
//! what training never saw, the mount of the plan for a training in which it had succeeded.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::capabilities::denied;
use super::operations::tmpfs_of;
use super::{Change, Comparison};
use crate::errno::{EACCES, EBUSY, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP, EPERM, EROFS, EXDEV};
use crate::model::{CapabilityCheck, Op, SubjectPath, Verdict, Write};
use crate::plan::{Grounds, Plan, VolumeMount, directories_to_list, recommend, volume_name};

/// Knows what there is to choose from.
#[derive(Debug)]
pub(super) struct Mender<'a> {
    comparison: &'a Comparison<'a>,
    /// Training's own plan.
    recommended: Plan,
    /// See [`imagined`].
    imagined: OnceCell<Plan>,
}

impl<'a> Mender<'a> {
    pub(super) fn new(comparison: &'a Comparison<'a>) -> Self {
        Self { comparison, recommended: recommend(comparison.training), imagined: OnceCell::new() }
    }

    /// For an operation that failed.
    pub(super) fn operation(&self, write: &Write) -> Option<Change> {
        let plan = self.comparison.plan;
        match write.errno {
            EROFS if plan.mounts_read_only.contains(&write.mount) => {
                Some(Change::KeepWritable { target: write.mount.clone() })
            }
            EROFS => self.mount_for(write),
            ENOSPC => self.larger(tmpfs_of(plan, &write.path)?),
            EXDEV => self.mount_for(write),
            EPERM | EACCES => self.capability_for(write).or_else(|| self.volume_instead(&write.path)),
            ENOENT | EBUSY | EINVAL | EOPNOTSUPP => self.volume_instead(&write.path),
            _ => None,
        }
    }

    /// A larger limit for a tmpfs: what training calls for, and in any case twice as much as now.
    pub(super) fn larger(&self, target: &SubjectPath) -> Option<Change> {
        const LEAST_BYTES: u64 = 1 << 20;
        let now = self.comparison.plan.tmpfs.iter().find(|mount| mount.target == *target)?.size;
        let trained = self.recommended.tmpfs.iter().filter(|mount| mount.target == *target);
        let trained = trained.map(|mount| mount.size).max().unwrap_or(0);
        let size = now.saturating_mul(2).max(trained).max(LEAST_BYTES);
        Some(Change::EnlargeTmpfs { target: target.clone(), size })
    }

    /// With nothing else to go by: something that training's own plan has and this one has not.
    pub(super) fn guess(&self) -> Option<Change> {
        let Comparison { plan, training, under_plan, .. } = self.comparison;
        let missing = self.recommended.cap_add.iter().find(|add| !has_capability(plan, &add.cap));
        if let Some(add) = missing {
            return Some(Change::AddCapability { cap: add.cap.clone() });
        }
        let lacks = |target: &SubjectPath| !plan.writable_targets().contains(&target);
        if let Some(mount) = self.recommended.tmpfs.iter().find(|mount| lacks(&mount.target)) {
            return Some(Change::AddTmpfs { mount: mount.clone() });
        }
        if let Some(volume) = self.recommended.volumes.iter().find(|volume| lacks(&volume.target)) {
            return Some(Change::AddVolume { volume: volume.clone() });
        }
        let read_only = plan.mounts_read_only.iter();
        let mut superfluous = read_only.filter(|target| !self.recommended.mounts_read_only.contains(target));
        if let Some(target) = superfluous.next() {
            return Some(Change::KeepWritable { target: target.clone() });
        }
        if plan.no_new_privileges && !self.recommended.no_new_privileges {
            return Some(Change::AllowNewPrivileges);
        }
        // What would have been granted, and was refused now; whatever training made of it.
        let was_granted = |cap: &str| {
            training.capabilities.iter().any(|entry| entry.cap == cap && entry.verdict > Verdict::Attempted)
        };
        if let Some((cap, _)) = denied(under_plan, plan).find(|(cap, _)| was_granted(cap)) {
            return Some(Change::AddCapability { cap: cap.to_owned() });
        }
        plan.user.is_some().then_some(Change::RunAsConfigured)
    }

    /// The mount that the recommender would make for an operation, unless the plan has it.
    fn mount_for(&self, write: &Write) -> Option<Change> {
        self.mount_in(&self.recommended, write).or_else(|| {
            let imagined = self.imagined.get_or_init(|| imagined(self.comparison));
            self.mount_in(imagined, write)
        })
    }

    fn mount_in(&self, recommended: &Plan, write: &Write) -> Option<Change> {
        let place = |path: &SubjectPath| {
            let parent = path.parent().filter(|_| write.op.changes_directory() && !write.collapsed);
            parent.unwrap_or_else(|| path.clone())
        };
        let place_from = write.from.as_ref().map(place);
        let covers = |target: &SubjectPath| {
            place(&write.path).is_within(target)
                && place_from.as_ref().is_none_or(|from| write.errno != EXDEV || from.is_within(target))
        };
        let target =
            recommended.writable_targets().into_iter().filter(|target| covers(target)).max()?.clone();
        if self.comparison.plan.writable_targets().contains(&&target) {
            return None;
        }
        let tmpfs = recommended.tmpfs.iter().find(|mount| mount.target == target);
        if let Some(mount) = tmpfs {
            return Some(Change::AddTmpfs { mount: mount.clone() });
        }
        let volume = recommended.volumes.iter().find(|volume| volume.target == target)?;
        Some(Change::AddVolume { volume: volume.clone() })
    }

    /// A capability that was refused to who failed, and that has to do with what failed.
    fn capability_for(&self, write: &Write) -> Option<Change> {
        let by_same = |check: &&CapabilityCheck| {
            write.processes.contains(&check.process) && check.syscall.contains(syscall_part(write.op))
        };
        let Comparison { under_plan, plan, .. } = self.comparison;
        let refused: Vec<&str> = denied(under_plan, plan)
            .filter(|(_, checks)| checks.iter().any(by_same))
            .map(|(cap, _)| cap)
            .collect();
        // Reading and searching is not what a write lacks.
        let preferred = refused.iter().find(|cap| **cap != "DAC_READ_SEARCH");
        preferred.or(refused.first()).map(|cap| Change::AddCapability { cap: (*cap).to_owned() })
    }

    /// A volume in the place of a tmpfs: it starts with content, owner and mode of the image's directory, and takes
    /// what a tmpfs does not.
    fn volume_instead(&self, path: &SubjectPath) -> Option<Change> {
        let target = tmpfs_of(self.comparison.plan, path)?;
        let subject = &self.comparison.training.subject;
        subject.image_entries.iter().find(|entry| entry.path == *target)?;
        Some(Change::AddVolume {
            volume: VolumeMount {
                target: target.clone(),
                name: volume_name(&subject.name, target),
                seed_from_image: true,
                owner: None,
                why: "a tmpfs does not serve: under it operations fail that succeed on the image's directory"
                    .to_owned(),
                evidence: Vec::new(),
                evidence_more: 0,
                grounds: Grounds::default(),
            },
        })
    }
}

/// The plan of a training in which all had succeeded that mounts refuse now.
fn imagined(comparison: &Comparison<'_>) -> Plan {
    let mut trained = comparison.training.clone();
    let refused = comparison.under_plan.writes.iter().filter(|write| matches!(write.errno, EROFS | EXDEV));
    let refused: Vec<Write> = refused.map(|write| Write { errno: 0, ..write.clone() }).collect();
    // Nobody has listed what the image holds there, and nothing of it may be hidden.
    let listed: HashSet<&SubjectPath> =
        comparison.training.subject.image_entries.iter().map(|entry| &entry.path).collect();
    let unlisted = directories_to_list(&refused).into_iter().filter(|directory| !listed.contains(directory));
    trained.subject.image_cut.extend(unlisted);
    trained.writes.extend(refused);
    recommend(&trained)
}

fn has_capability(plan: &Plan, cap: &str) -> bool {
    plan.cap_add.iter().any(|add| add.cap == cap)
}

/// What the names of the system calls of an operation have in common.
fn syscall_part(op: Op) -> &'static str {
    match op {
        Op::Open | Op::Create | Op::Tmpfile => "open",
        Op::Mkdir => "mkdir",
        Op::Mknod => "mknod",
        Op::Symlink => "symlink",
        Op::Link => "link",
        Op::Unlink => "unlink",
        // unlinkat(AT_REMOVEDIR), too.
        Op::Rmdir => "",
        Op::Rename => "rename",
        Op::Truncate => "",
        Op::Chmod => "chmod",
        Op::Chown => "chown",
        Op::Utimes => "utime",
        Op::Setxattr | Op::Removexattr => "xattr",
        Op::Bind => "bind",
        Op::Sync => "sync",
    }
}
