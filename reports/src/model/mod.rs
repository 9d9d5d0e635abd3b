//! The profile: what one training run of one subject showed. Everything else here is computed from it.
//!
//! The types are the schema `writepath.profile/v1`. Within v1 a field is never renamed or given another meaning,
//! fields that came later have a default, and readers ignore what they do not know.

mod executables;
mod merged;
mod observation;
mod path;
mod phases;
mod read;
mod subject;

pub use executables::*;
pub use merged::*;
pub use observation::*;
pub use path::{MAX_PATH_BYTES, PathError, SubjectPath};
pub use phases::Phases;
pub use read::{MAX_ENTRIES, MAX_IMAGE_ENTRIES, MAX_MERGED_RUNS, MAX_PROFILE_BYTES, MAX_WRITES, ReadError};
pub use subject::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of [`Profile::schema`].
pub const PROFILE_SCHEMA: &str = "writepath.profile/v1";

/// One training run of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// Always [`PROFILE_SCHEMA`].
    pub schema: String,
    /// The program that wrote the profile.
    pub tool: Tool,
    /// Where it was recorded.
    pub host: Host,
    /// What was profiled, and how it was configured.
    pub subject: Subject,
    /// The course of the run.
    pub run: Run,
    /// What could not be seen.
    pub coverage: Coverage,
    /// Operations that take write access to a mount, aggregated.
    #[serde(deserialize_with = "observation::deserialize_writes")]
    pub writes: Vec<Write>,
    /// Capabilities that the kernel was asked about on the subject's behalf.
    pub capabilities: Vec<Capability>,
}

/// The program that wrote a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `writepath`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// Whether it is a later version than this one, and so may have recorded what this one does not know of. Of a version
    /// that cannot be read nothing is known: then it is not.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        let read = |version: &str| semver::Version::parse(version);
        match (read(&self.version), read(env!("CARGO_PKG_VERSION"))) {
            (Ok(theirs), Ok(ours)) => theirs > ours,
            _ => false,
        }
    }
}

/// Where a profile was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub arch: String,
    /// The kernel hooks in use, for instance `tp_btf/sys_exit`.
    #[serde(default)]
    pub sensors: Vec<String>,
    /// The container runtime; absent for a plain command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
}

/// A container runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Runtime {
    /// For instance `docker`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// For instance `overlay2`.
    #[serde(default)]
    pub storage_driver: String,
    /// The cgroup version that the runtime uses, `1` or `2`.
    #[serde(default)]
    pub cgroup_version: String,
    /// `cgroupfs` or `systemd`.
    #[serde(default)]
    pub cgroup_driver: String,
}

/// The course of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// When the subject was started, RFC 3339 in UTC.
    pub started: String,
    /// From the subject's start to its end, in milliseconds. All `_ms` fields count from the same start.
    pub duration_ms: u64,
    /// The phases that were gone through, in order.
    #[serde(default)]
    pub phases: Vec<PhaseSpan>,
    /// The load test, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// How the subject ended; absent where that was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Programs that the subject executed, and files that it mapped to be executed.
    #[serde(default)]
    pub executions: Vec<Execution>,
    /// Observed sizes of what was written, per directory.
    #[serde(default)]
    pub sizes: Vec<DirectorySize>,
    /// The users that the subject's processes ran as; empty where that was not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserSeen>,
    /// The ports below 1024 that the subject bound; empty where that was not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<BoundPort>,
    /// The training runs that this is the union of; absent where it is a single one. In a union counts and peaks are
    /// the largest of any one run, times the earliest and the latest, each from the start of its own run; `duration_ms`
    /// is the longest run's, `started` and the host are the first run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}

impl Run {
    /// The phase that a time falls into.
    #[must_use]
    pub fn phase_at(&self, ms: u64) -> Option<Phase> {
        self.phases.iter().find(|span| (span.start_ms..=span.end_ms).contains(&ms)).map(|span| span.phase)
    }
}

/// A user that processes of one executable ran as.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct UserSeen {
    /// The effective user id, as the subject's user namespace has it.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
    /// The executable, as a path.
    pub executable: String,
    /// How many processes were seen to run as that user. Short-lived ones may not be seen.
    pub count: u64,
    /// The phases that such processes were seen in.
    #[serde(default)]
    pub phases: Phases,
}

/// A port below 1024 that was bound, with success.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct BoundPort {
    /// The port as asked for, never 0 (which asks for any).
    pub port: u16,
    /// The executable, as a path.
    pub executable: String,
    /// The phases it was bound in.
    #[serde(default)]
    pub phases: Phases,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// From the first instruction until the subject is ready (or, without a readiness condition, until the load starts).
    Startup,
    /// Under load, or simply running.
    Steady,
    /// From the stop signal to the end.
    Shutdown,
}

/// When a phase was gone through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseSpan {
    /// Which.
    pub phase: Phase,
    /// Its begin.
    pub start_ms: u64,
    /// Its end.
    pub end_ms: u64,
}

/// The load test of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// The host shell command, for people; it is never run from a profile.
    pub command: String,
    /// Its exit status; absent where a signal ended it.
    pub exit_status: Option<i32>,
}

/// How the subject ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Exit {
    /// The exit status, 128 + n where signal n ended it.
    pub status: i64,
    /// Whether the kernel's OOM killer ended it.
    #[serde(default)]
    pub oom_killed: bool,
    /// Whether the profiler asked it to stop (rather than it ending by itself).
    #[serde(default)]
    pub stopped: bool,
}

/// A program that the subject executed, or a file that it mapped to execute what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Execution {
    /// The executable file. Where more files of one directory were mapped than names are kept, the directory stands for
    /// the others.
    pub path: SubjectPath,
    /// The mount point that it lies on.
    pub mount: SubjectPath,
    /// How often.
    pub count: u64,
    /// Whether the execution raised privileges (set-user-id, set-group-id or file capabilities), which
    /// `no-new-privileges` prevents.
    #[serde(default)]
    pub gains_privileges: bool,
    /// Whether it was mapped (mmap with `PROT_EXEC`, as shared libraries are) and not executed as a program. A mount
    /// with `noexec` refuses both.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mapped: bool,
}

/// The observed size of a directory's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectorySize {
    /// The directory.
    pub path: SubjectPath,
    /// The largest total seen of the files written below it, in bytes.
    pub peak_bytes: u64,
    /// The largest part of it seen that was files without a name, in bytes: such come and go quickly, and most of what
    /// they took may have been missed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlinked_bytes: u64,
}

/// What could not be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// False whenever anything was lost or not seen.
    pub complete: bool,
    /// What was lost or not seen.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// Something that was lost or not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// A stable name, for instance `records-lost`.
    pub code: String,
    /// For people: what it means and what mends it.
    pub message: String,
    /// How often it happened.
    pub count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
