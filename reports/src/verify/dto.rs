//! The result of a verification as it is written: the frozen types of schema `writepath.verification/v1`.
//!
//! Owns field names and meanings, which within v1 never change; fields that came later have a default, and readers
//! ignore what they do not know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Finding};
use crate::plan::{OptionalElement, Plan, Warning};

/// The value of [`VerificationReport::schema`].
pub const VERIFICATION_SCHEMA: &str = "writepath.verification/v1";

/// What a verification came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Under the plan the subject behaves as in training.
    Holds,
    /// It does not.
    DoesNotHold,
    /// It does in some runs and not in others.
    Flaky,
    /// Something was lost or not seen, so that it cannot be told.
    Undecided,
    /// The user ended it; what was known by then is there.
    Interrupted,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerificationReport {
    /// Always [`VERIFICATION_SCHEMA`].
    pub schema: String,
    /// The image reference.
    pub subject: String,
    /// What it came to.
    pub verdict: Outcome,
    /// How often the subject was run.
    pub runs: u32,
    /// How long all of it took, in milliseconds.
    pub duration_ms: u64,
    /// What was compared with training.
    pub compared: Vec<String>,
    /// What went otherwise than in training, in the last run under the plan below.
    pub findings: Vec<Finding>,
    /// What was changed of the plan (`--fix`), in order.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// What taking away does harm (`--minimize`), for people.
    #[serde(default)]
    pub necessary: Vec<Necessary>,
    /// What the subject lives without (`--minimize`).
    #[serde(default)]
    pub optional: Vec<OptionalElement>,
    /// What was not decided, because results differ between repetitions; for people.
    #[serde(default)]
    pub flaky: Vec<String>,
    /// What a person should know.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// The plan in the end.
    pub plan: Plan,
}

/// A part of the plan that was taken away, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Necessary {
    /// The part, for people: `the tmpfs /run`.
    pub element: String,
    /// What went wrong without it.
    pub without: String,
}
