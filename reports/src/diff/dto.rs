//! The comparison as it is written: the frozen types of schema `writepath.diff/v1`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Op, Phase, SubjectPath, Verdict};

/// The value of [`Diff::schema`].
pub const DIFF_SCHEMA: &str = "writepath.diff/v1";

/// What one profile shows that another does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// Always [`DIFF_SCHEMA`].
    pub schema: String,
    /// The profile that is compared with.
    pub old: Side,
    /// The profile that is looked at.
    pub new: Side,
    /// Places that NEW writes and OLD does not, by path.
    pub writes: Vec<NewWrite>,
    /// Capabilities of which NEW shows more than OLD, by number.
    pub capabilities: Vec<NewCapability>,
    /// What the plan for NEW makes writable and the plan for OLD does not, by target.
    pub mounts: Vec<NewMount>,
}

/// One of the two profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The image reference or command.
    pub subject: String,
    /// The image's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Whether the profile saw everything. What an incomplete OLD lacks may show as new.
    pub complete: bool,
}

/// A place that only NEW writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewWrite {
    /// The object, the first by name where there are several.
    pub path: SubjectPath,
    /// The other name of a rename or link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SubjectPath>,
    /// What was done.
    pub op: Op,
    /// The mount point that it fell on.
    pub mount: SubjectPath,
    /// How many objects whose names differ in generated parts alone.
    pub objects: u64,
    /// How often in all.
    pub count: u64,
    /// The executables that did it.
    pub processes: Vec<String>,
    /// When.
    pub phases: Vec<Phase>,
}

/// A capability of which NEW shows more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewCapability {
    /// Its name without `CAP_`.
    pub cap: String,
    /// NEW's verdict. Only `required` counts as a finding.
    pub verdict: Verdict,
    /// OLD's verdict; absent: never asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Verdict>,
    /// Who asked, in NEW.
    pub processes: Vec<String>,
    /// In which system calls.
    pub syscalls: Vec<String>,
}

/// Something that must be writable for NEW alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewMount {
    /// Where.
    pub target: SubjectPath,
    /// What the plan for NEW has there.
    pub kind: NewMountKind,
    /// Why.
    pub why: String,
}

/// Kinds of [`NewMount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NewMountKind {
    /// A tmpfs.
    Tmpfs,
    /// A volume.
    Volume,
    /// A mount of the subject's own that could be read-only.
    Existing,
    /// The root file system, which could be read-only.
    Root,
}
