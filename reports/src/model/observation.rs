//! What was observed: operations that take write access to a mount, and capability checks.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{ExecutableLists, Executables, Phases, SubjectPath};

/// An operation that needs write access to the mount it falls on (the kernel's `mnt_want_write`), or tells how
/// long written data is meant to last (`sync`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// An existing object opened for writing.
    Open,
    /// An open that created the file.
    Create,
    /// `O_TMPFILE`; the path is that of the directory.
    Tmpfile,
    /// mkdir.
    Mkdir,
    /// mknod: FIFOs, devices, sockets and plain files.
    Mknod,
    /// symlink; the path is that of the link.
    Symlink,
    /// link; `path` is the new name, `from` the old one.
    Link,
    /// unlink.
    Unlink,
    /// rmdir.
    Rmdir,
    /// rename; `path` is the new name, `from` the old one.
    Rename,
    /// truncate, and fallocate.
    Truncate,
    /// chmod.
    Chmod,
    /// chown.
    Chown,
    /// utimes.
    Utimes,
    /// setxattr, and changes of a file's flags (chattr).
    Setxattr,
    /// removexattr.
    Removexattr,
    /// bind of a path-named AF_UNIX socket.
    Bind,
    /// fsync, fdatasync, sync_file_range, syncfs, msync: the data is meant to last. Needs no write access of its own.
    Sync,
}

impl Op {
    /// Whether the operation changes the directory that holds the object (so that the directory must be
    /// writable), rather than the object itself.
    #[must_use]
    pub fn changes_directory(self) -> bool {
        match self {
            Self::Create
            | Self::Mkdir
            | Self::Mknod
            | Self::Symlink
            | Self::Link
            | Self::Unlink
            | Self::Rmdir
            | Self::Rename
            | Self::Bind => true,
            Self::Open
            | Self::Tmpfile
            | Self::Truncate
            | Self::Chmod
            | Self::Chown
            | Self::Utimes
            | Self::Setxattr
            | Self::Removexattr
            | Self::Sync => false,
        }
    }

    /// The name used in files and on screen, for instance `mkdir`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::Tmpfile => "tmpfile",
            Self::Mkdir => "mkdir",
            Self::Mknod => "mknod",
            Self::Symlink => "symlink",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::Rmdir => "rmdir",
            Self::Rename => "rename",
            Self::Truncate => "truncate",
            Self::Chmod => "chmod",
            Self::Chown => "chown",
            Self::Utimes => "utimes",
            Self::Setxattr => "setxattr",
            Self::Removexattr => "removexattr",
            Self::Bind => "bind",
            Self::Sync => "sync",
        }
    }
}

/// What kind of object an operation met. Existing FIFOs, sockets and devices may be opened for writing on a
/// read-only mount (Linux `sb_permission`, fs/namei.c).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
    /// Not known: the operation was seen by its name alone.
    #[default]
    Unknown,
}

/// One kind of operation on one object, with all its repetitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Write {
    /// The object's resolved path; of the directory where `collapsed`.
    pub path: SubjectPath,
    /// The other name of a rename or link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SubjectPath>,
    /// What was done.
    pub op: Op,
    /// 0 where it succeeded, else the Linux error number (positive, for instance 30 for EROFS).
    pub errno: i32,
    /// How often.
    pub count: u64,
    /// The mount point of the mount that it fell on; `/` is the container's root file system.
    pub mount: SubjectPath,
    /// What the object was.
    #[serde(default)]
    pub object: ObjectKind,
    /// Whether this stands for many objects in the directory `path` whose names were not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub collapsed: bool,
    /// The first time, in milliseconds since the start of the run.
    pub first_ms: u64,
    /// The last time, in milliseconds since the start of the run.
    pub last_ms: u64,
    /// The phases it was seen in.
    #[serde(default)]
    pub phases: Phases,
    /// The executables that did it, as paths, sorted.
    pub processes: Executables,
}

impl Write {
    /// Whether it succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.errno == 0
    }
}

/// Reads a list of operations whose lists of executables are shared.
///
/// # Errors
/// Those of the deserializer.
pub(super) fn deserialize_writes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Write>, D::Error> {
    struct Writes;

    impl<'de> Visitor<'de> for Writes {
        type Value = Vec<Write>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of operations")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Write>, A::Error> {
            let mut writes = Vec::new();
            let mut executables = ExecutableLists::default();
            while let Some(mut write) = list.next_element::<Write>()? {
                write.processes = executables.shared(write.processes);
                writes.push(write);
            }
            Ok(writes)
        }
    }

    deserializer.deserialize_seq(Writes)
}

/// Whether the subject needs a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was asked for and refused, or the operation was refused all the same, and the subject went on.
    Attempted,
    /// It was granted, but the operation would have succeeded without it.
    Opportunistic,
    /// It was granted, and the operation hung on it.
    Required,
}

/// A capability that the kernel was asked about on the subject's behalf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capability {
    /// The name without `CAP_`, for instance `CHOWN`.
    pub cap: String,
    /// The strongest verdict among the evidence.
    pub verdict: Verdict,
    /// How many checks there were.
    pub count: u64,
    /// Who asked, where, and what came of it.
    pub evidence: Vec<CapabilityCheck>,
}

/// Checks of one capability by one executable from one place in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapabilityCheck {
    /// The executable, as a path.
    pub process: String,
    /// The system call's name, for instance `chown`; `-` outside any.
    pub syscall: String,
    /// The kernel function that asked, for instance `chown_ok`; absent where symbols cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The kernel's call chain, innermost first; empty where symbols cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<String>,
    /// Whether the check succeeded.
    pub granted: bool,
    /// What these checks alone amount to.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The first time, in milliseconds since the start of the run.
    pub first_ms: u64,
    /// The last time, in milliseconds since the start of the run.
    pub last_ms: u64,
    /// The phases they were seen in.
    #[serde(default)]
    pub phases: Phases,
}
