//! The comparison as it is written: the frozen types of schema `writepath.diff/v1`.
//!
//! Owns field names and meanings, which within v1 never change; fields that came later have a default, and readers
//! ignore what they do not know. Never computes anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Op, Phase, SubjectPath};

/// The value of [`Diff::schema`].
pub const DIFF_SCHEMA: &str = "writepath.diff/v1";

/// What NEW shows that OLD does not, and the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// Always [`DIFF_SCHEMA`].
    pub schema: String,
    /// How many differences are new, count as a finding, and are not accepted.
    pub findings: u64,
    /// How many are new, would count as a finding, and are accepted.
    pub accepted: u64,
    /// The comparison of two files; of two directories one for each service that both have, by name.
    pub comparisons: Vec<Comparison>,
    /// Services that only one of two directories has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Difference>,
    /// What a person should know about the baseline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<DiffWarning>,
}

/// Two profiles or plans of one subject, compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The service; absent where two files are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What is compared with.
    pub old: Side,
    /// What is looked at.
    pub new: Side,
    /// What NEW needs and the plan for OLD does not give: deployed with it, NEW would break. Empty: it would not, as far
    /// as was seen.
    pub breaks: Vec<Need>,
    /// All differences: what is new first, then what changed, then what is gone.
    pub differences: Vec<Difference>,
    /// What may be missing or misleading in the comparison.
    pub warnings: Vec<DiffWarning>,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// What was read.
    pub kind: SideKind,
    /// The image reference or command.
    pub subject: String,
    /// The image's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Whether everything was seen.
    pub complete: bool,
}

/// What can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SideKind {
    /// A profile; its plan is the one that is recommended for it.
    Profile,
    /// A plan. What it does not say cannot be compared: single writes, executions, ports.
    Plan,
}

/// Something that NEW needs and the plan for OLD does not give.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// What kind of difference it comes from.
    pub kind: Kind,
    /// For people, for instance `tmpfs /var/cache/app`.
    pub what: String,
    /// For people: why.
    pub why: String,
}

/// Kinds of differences; the words of `--fail-on` and of a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An operation on a place.
    Write,
    /// Something that must be writable, or mounted otherwise.
    Mount,
    /// A capability.
    Cap,
    /// A program executed, or a file mapped to be executed, that the subject itself wrote.
    Exec,
    /// A program that gains privileges, or the user that a plan runs as.
    Privileges,
    /// A port below 1024 that was bound.
    Port,
    /// An operation that was refused.
    Denied,
    /// The size of what was written at one place.
    Size,
    /// A service of a project.
    Service,
}

impl Kind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Write,
        Self::Mount,
        Self::Cap,
        Self::Exec,
        Self::Privileges,
        Self::Port,
        Self::Denied,
        Self::Size,
        Self::Service,
    ];

    /// Its name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Mount => "mount",
            Self::Cap => "cap",
            Self::Exec => "exec",
            Self::Privileges => "privileges",
            Self::Port => "port",
            Self::Denied => "denied",
            Self::Size => "size",
            Self::Service => "service",
        }
    }
}

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only NEW has it.
    New,
    /// Both have it, otherwise.
    Changed,
    /// Only OLD has it.
    Gone,
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// What kind of thing.
    pub kind: Kind,
    /// How.
    pub change: Change,
    /// Whether it counts: it is new, and NEW needs it or does it. What is gone, and capabilities that are not required,
    /// do not.
    pub finding: bool,
    /// The entry of the baseline that accepts it; absent: none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// The place, what differs from run to run as `{pid}`, `{n}`, `{uuid}`, `{time}`, `{hex}`, `{rand}`. A backslash is
    /// written `\\`, a byte that is no UTF-8 `\xHH`, a brace that belongs to a name `\x7b`. At the end `/*` stands for
    /// many names of one directory, `/**` for all that is below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The other name of a rename or link, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<Op>,
    /// The Linux error number of an operation that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// The capability's name without `CAP_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<String>,
    /// The port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What OLD has: a verdict, a kind of mount, a size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What NEW has, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Why the plan has it, or what it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many objects.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub objects: u64,
    /// How often in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub count: u64,
    /// The executables that did it, sorted, a selection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// What was observed, a selection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Observed>,
}

/// The entry of a baseline that accepts a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// The entry's line in the file, from 1.
    pub line: u64,
    /// Its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// The object, as it was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<SubjectPath>,
    /// The other name of a rename or link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SubjectPath>,
    /// The mount point that it fell on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<SubjectPath>,
    /// The system call, of a capability check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syscall: Option<String>,
    /// The kernel function that asked, of a capability check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// An executable that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// How often.
    pub count: u64,
}

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct DiffWarning {
    /// A stable name.
    pub code: String,
    /// For people: what it means for the comparison.
    pub message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
