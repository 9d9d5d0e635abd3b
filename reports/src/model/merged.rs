//! Where a union of profiles comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Exit, Host, Load, SubjectPath, Tool};

/// What a union of profiles consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Merged {
    /// The training runs, each once, by their start.
    pub runs: Vec<MergedRun>,
    /// Directories in which the runs together wrote more names than are kept: all that lies below one is counted as
    /// done in it, as in `writes[].collapsed`. Sorted; none lies in another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<SubjectPath>,
}

/// One training run of a union.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct MergedRun {
    /// When the subject was started, RFC 3339 in UTC.
    pub started: String,
    /// `sha256:` and the digest of the run's own profile, by which the same run is known again.
    pub id: String,
    /// From the subject's start to its end, in milliseconds.
    pub duration_ms: u64,
    /// The program that wrote the run's profile.
    pub tool: Tool,
    /// Where it was recorded.
    pub host: Host,
    /// The image reference as given, or the command.
    pub subject: String,
    /// The image's content-addressed id; absent for a plain command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The load test, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// How the subject ended; absent where that was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Whether everything was seen.
    pub complete: bool,
    /// The codes of what was not, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}
