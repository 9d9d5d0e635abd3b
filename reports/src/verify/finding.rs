//! One thing that went otherwise than in training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Change;
use crate::errno;
use crate::model::{Op, SubjectPath, Write};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The runtime could not start the subject.
    NotStarted,
    /// The subject did not become ready.
    NotReady,
    /// The subject ended otherwise than in training.
    Exit,
    /// The load test failed.
    Load,
    /// An operation failed.
    Operation,
    /// A capability was refused.
    Capability,
    /// A program could not be executed, or not with the privileges that it gains.
    Execution,
}

impl FindingKind {
    /// Whether the subject does not work, whatever it did.
    #[must_use]
    pub fn is_hard(self) -> bool {
        matches!(self, Self::NotStarted | Self::NotReady | Self::Exit | Self::Load)
    }

    /// The name used in files and on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            Self::NotReady => "not-ready",
            Self::Exit => "exit",
            Self::Load => "load",
            Self::Operation => "operation",
            Self::Capability => "capability",
            Self::Execution => "execution",
        }
    }
}

/// Something that went otherwise under the plan than in training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is about.
    pub kind: FindingKind,
    /// For people, in a few words.
    pub message: String,
    /// The object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<SubjectPath>,
    /// The other name of a rename or link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SubjectPath>,
    /// What was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<Op>,
    /// The name of the error, for instance `EROFS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// A capability's name without `CAP_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<String>,
    /// The executables that tried, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// How often.
    pub count: u64,
    /// The smallest change of the plan that is known to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Whether it is known to do no harm, because the plan leaves out what it would take as optional.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub harmless: bool,
}

impl Finding {
    /// One that concerns the whole run.
    #[must_use]
    pub fn of_run(kind: FindingKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            path: None,
            from: None,
            op: None,
            errno: None,
            cap: None,
            processes: Vec::new(),
            count: 1,
            change: None,
            harmless: false,
        }
    }

    /// A failed operation.
    pub(super) fn of_operation(write: &Write, change: Option<Change>) -> Self {
        let errno = errno::words(write.errno);
        let from = write.from.as_ref().map(|from| format!(" (from {from})")).unwrap_or_default();
        let where_ = if write.collapsed { "in " } else { "" };
        Self {
            path: Some(write.path.clone()),
            from: write.from.clone(),
            op: Some(write.op),
            processes: write.processes.to_vec(),
            count: write.count,
            change,
            ..Self::of_run(
                FindingKind::Operation,
                format!("{} {where_}{}{from} fails with {errno}", write.op.name(), write.path),
            )
        }
        .with_errno(errno)
    }

    fn with_errno(mut self, errno: String) -> Self {
        self.errno = Some(errno);
        self
    }

    /// What tells this finding from others of the same run; counts and messages differ from run to run.
    #[must_use]
    pub fn key(&self) -> impl Ord + use<> {
        (self.kind, self.path.clone(), self.op, self.errno.clone(), self.cap.clone())
    }
}
