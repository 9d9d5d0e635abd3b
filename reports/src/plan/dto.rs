//! The plan as it is written and read: the frozen types of schema `writepath.plan/v1`.
//!
//! Owns field names and meanings, which within v1 never change; fields that came later have a default, and readers
//! ignore what they do not know. Never computes anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grounds::{Grounds, PrivilegesKept, ReadOnlyMount, UserEvidence};
use super::verified::{OptionalElement, Verification};
use crate::model::{Op, Phase, SubjectPath, Verdict};

/// The value of [`Plan::schema`].
pub const PLAN_SCHEMA: &str = "writepath.plan/v1";

/// How to run a subject with no more than it was seen to need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Always [`PLAN_SCHEMA`].
    pub schema: String,
    /// The image reference or command that the plan is for.
    pub subject: String,
    /// Whether the profile behind the plan saw everything. A plan that is not complete may lack something.
    pub complete: bool,
    /// Whether the root file system can be read-only.
    pub read_only: bool,
    /// Writable directories in memory, by target.
    pub tmpfs: Vec<TmpfsMount>,
    /// Writable directories that last, by target.
    pub volumes: Vec<VolumeMount>,
    /// Targets of mounts that the subject already had and only read.
    pub mounts_read_only: Vec<SubjectPath>,
    /// Capabilities to drop, always `ALL`.
    pub cap_drop: Vec<String>,
    /// Capabilities to grant, by their number.
    pub cap_add: Vec<CapAdd>,
    /// Capabilities that the subject had and the plan takes away, by their number.
    #[serde(default)]
    pub cap_dropped: Vec<CapDropped>,
    /// Whether `no-new-privileges` can be set.
    pub no_new_privileges: bool,
    /// `--user`; absent: as configured.
    pub user: Option<String>,
    /// What a person should know before using the plan.
    pub warnings: Vec<Warning>,
    /// Other ways to run the subject, not part of the plan and not verified.
    pub alternatives: Vec<Alternative>,
    /// What each of `mounts_read_only` rests on, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts_read_only_grounds: Vec<ReadOnlyMount>,
    /// What `no_new_privileges` rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_new_privileges_grounds: Option<PrivilegesKept>,
    /// What `verify --minimize` found that the subject lives without; not part of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<OptionalElement>,
    /// What came of running the subject under the plan; absent: it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

/// A tmpfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TmpfsMount {
    /// Where.
    pub target: SubjectPath,
    /// The limit of its size, in bytes.
    pub size: u64,
    /// The mode of its root directory, octal text of four digits.
    pub mode: String,
    /// The owner of its root directory.
    pub uid: u32,
    /// The group of its root directory.
    pub gid: u32,
    /// Whether programs may be executed from it.
    pub exec: bool,
    /// Whether set-id bits work on it.
    pub suid: bool,
    /// Whether device files work on it.
    pub dev: bool,
    /// Why it is there, and why it is a tmpfs.
    pub why: String,
    /// Operations that need it, a selection.
    pub evidence: Vec<WriteEvidence>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evidence_more: u64,
    /// What it rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeMount {
    /// Where.
    pub target: SubjectPath,
    /// A suggested name, the same for the same subject and target.
    pub name: String,
    /// Whether it must start with the content, owner and mode of the image's directory. Docker does that for an
    /// empty named volume; Kubernetes does not.
    pub seed_from_image: bool,
    /// The owner, `UID:GID`, that its root directory and all in it must have before the subject starts. No runtime
    /// sets it by itself: fill the volume, give it to the owner, and mount it without filling it (`volume-nocopy`),
    /// because Docker gives an empty volume back to the image's owner. Absent: as it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Why it is there, and why it is a volume.
    pub why: String,
    /// Operations that need it, a selection.
    pub evidence: Vec<WriteEvidence>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evidence_more: u64,
    /// What it rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// An observed operation that needs write access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WriteEvidence {
    /// The object, or the directory of objects whose names were not kept.
    pub path: SubjectPath,
    /// The other name of a rename or link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SubjectPath>,
    /// What was done.
    pub op: Op,
    /// 0 where it succeeded, else the Linux error number.
    #[serde(default, skip_serializing_if = "is_zero_errno")]
    pub errno: i32,
    /// How often.
    pub count: u64,
    /// An executable that did it.
    pub process: String,
    /// When it was first done.
    pub phase: Option<Phase>,
}

/// A capability to grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapAdd {
    /// Its name without `CAP_`.
    pub cap: String,
    /// Who needs it, and for what.
    pub why: String,
    /// When it was first needed.
    pub phase: Phase,
    /// Checks that hung on it, a selection.
    pub evidence: Vec<CapEvidence>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evidence_more: u64,
    /// What it rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// An observed capability check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapEvidence {
    /// The executable.
    pub process: String,
    /// The system call.
    pub syscall: String,
    /// The kernel function that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// How often.
    pub count: u64,
    /// When it was first seen.
    pub phase: Option<Phase>,
    /// Why the check counts as it does.
    pub reason: String,
}

/// A capability that the plan takes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapDropped {
    /// Its name without `CAP_`.
    pub cap: String,
    /// What it would have given an attacker in the container; a clause that follows on from "lets an attacker".
    pub gives_attacker: String,
    /// What the training run showed of it; absent: it was never asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Verdict>,
}

/// Something a person should know before using a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// A stable name.
    pub code: String,
    /// For people: what it means and what to do.
    pub message: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<SubjectPath>,
}

/// Another way to run the subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// A stable name.
    pub kind: String,
    /// For people: what to do, and what it takes.
    pub message: String,
    /// The user to run as from the first instruction, `UID:GID` in numbers; absent: not known, and what follows is
    /// empty then.
    #[serde(default)]
    pub user: Option<String>,
    /// What takes the place of the plan's `tmpfs`.
    #[serde(default)]
    pub tmpfs: Vec<TmpfsMount>,
    /// What takes the place of the plan's `volumes`.
    #[serde(default)]
    pub volumes: Vec<VolumeMount>,
    /// What takes the place of the plan's `cap_add`.
    #[serde(default)]
    pub cap_add: Vec<CapAdd>,
    /// What speaks for that user.
    #[serde(default)]
    pub evidence: Vec<UserEvidence>,
    /// What it rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

impl Plan {
    /// The targets that the plan makes writable: every tmpfs and volume, sorted.
    #[must_use]
    pub fn writable_targets(&self) -> Vec<&SubjectPath> {
        let mut targets: Vec<_> =
            self.tmpfs.iter().map(|m| &m.target).chain(self.volumes.iter().map(|m| &m.target)).collect();
        targets.sort();
        targets
    }

    /// Whether anything at `path` could be written under the plan, by the mounts that the plan itself makes.
    #[must_use]
    pub fn makes_writable(&self, path: &SubjectPath) -> bool {
        !self.read_only || self.writable_targets().into_iter().any(|target| path.is_within(target))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero_errno(errno: &i32) -> bool {
    *errno == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
