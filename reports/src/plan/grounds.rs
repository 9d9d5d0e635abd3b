//! What an element of a plan rests on, as it is written and read: rules, confidence and doubts, and the evidence of
//! elements that are not mounts or capabilities.
//!
//! Part of schema `writepath.plan/v1`: every field here came after the first plans and has a default. Never computes
//! anything (see `doubt` for what lowers confidence).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Phase, SubjectPath};

/// How sure an element of a plan is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Something that the element rests on is not known.
    Low,
    /// Nothing speaks against it, but it rests on a convention or on less than was to be seen. Also what elements
    /// count as that do not say.
    #[default]
    Medium,
    /// The training run showed it.
    High,
}

impl Confidence {
    /// The name used in files and on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What an element of a plan rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grounds {
    /// The ids of the rules that made it, in the order in which they were applied.
    #[serde(default)]
    pub rule: Vec<String>,
    /// How sure it is.
    #[serde(default)]
    pub confidence: Confidence,
    /// The stable names of what lowers the confidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

/// What a read-only mount rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadOnlyMount {
    /// Where.
    pub target: SubjectPath,
    /// Why it can be read-only.
    pub why: String,
    /// What it rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// What setting `no-new-privileges`, or not, rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrivilegesKept {
    /// Why.
    pub why: String,
    /// Programs that gained privileges, a selection; empty where none did.
    #[serde(default)]
    pub evidence: Vec<ExecutionEvidence>,
    /// What it rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// An observed execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExecutionEvidence {
    /// The executable.
    pub path: SubjectPath,
    /// How often.
    pub count: u64,
}

/// What speaks for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserEvidence {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// An executable that ran as that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// A directory of the image that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<SubjectPath>,
    /// When it was first seen.
    #[serde(default)]
    pub phase: Option<Phase>,
}
