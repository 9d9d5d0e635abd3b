//! What running a subject under its plan has added to the plan: fields of schema `writepath.plan/v1`.
//!
//! Owns field names and meanings, as the other types of the schema do. Never computes anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::SubjectPath;

/// A kind of what a plan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ElementKind {
    /// A tmpfs.
    Tmpfs,
    /// A named volume.
    Volume,
    /// Execution from a tmpfs.
    Exec,
    /// A mount of the subject's own that is not read-only.
    WritableMount,
    /// A capability.
    Capability,
    /// That programs may gain privileges (no `no-new-privileges`).
    NewPrivileges,
    /// The configured user, root, where the plan has an alternative without.
    Root,
}

/// What the subject was seen to live without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OptionalElement {
    /// What it is.
    pub kind: ElementKind,
    /// The target of a mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SubjectPath>,
    /// A capability's name without `CAP_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<String>,
    /// Why it had been recommended.
    pub why: String,
    /// What failed without it and did no harm, for people; a selection.
    #[serde(default)]
    pub failures: Vec<String>,
}

/// What came of running the subject under the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Whether the subject behaved as in training.
    pub holds: bool,
    /// How often it was run under this plan.
    pub runs: u32,
    /// What was compared with training: `readiness`, `exit-status`, `load-test`, `operations`, `capabilities`,
    /// `executions`.
    pub compared: Vec<String>,
}
