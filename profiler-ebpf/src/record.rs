//! What the programs send and count.

/// Identifies one kind of operation on one object (or in one directory) by one executable.
///
/// 48 bytes without padding: it is hashed as raw memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct WriteKey {
    /// Inode number of the directory that the name is relative to.
    pub base_ino: u64,
    /// Hash of the name, 0 for the directory's own entry.
    pub name: u64,
    /// Hash of the second name of a rename or link, else 0.
    pub name2: u64,
    /// The executable, see [`Subject::exe`].
    pub exe: u64,
    /// Device number (`s_dev`) of the directory's file system.
    pub base_dev: u32,
    /// 0 or the positive error number.
    pub errno: u32,
    /// The followed container, as numbered by userspace.
    pub slot: u32,
    /// One of [`crate::call::op`].
    pub op: u8,
    /// One of [`scope`].
    pub scope: u8,
    /// The system call's number, or [`NO_SYSCALL`].
    pub syscall: u16,
}

/// What a [`WriteKey`] stands for.
pub mod scope {
    /// One object.
    pub const NAME: u8 = 0;
    /// The directory: how many distinct names were seen, and the operations on names beyond the limit.
    pub const DIRECTORY: u8 = 1;
    /// The directory above: how many distinct directories were seen in it, and the operations in those beyond the limit.
    /// Its `base_ino` is [`super::WriteRecord::tree`].
    pub const TREE: u8 = 2;
}

/// How often something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Count {
    /// Times.
    pub count: u64,
    /// The first time, `CLOCK_MONOTONIC` in nanoseconds.
    pub first_ns: u64,
    /// The last time.
    pub last_ns: u64,
    /// Bits of the phases it happened in, as set in `CONTROL`.
    pub phases: u32,
    /// In the entry of a directory: names seen in it; of the directory above, directories.
    pub names: u32,
}

/// A cgroup whose processes are the subject's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Followed {
    /// The address of the `struct mnt_namespace` of whoever made the cgroup for a container: what is executed in it is the
    /// runtime's. 0: nobody did.
    pub maker: u64,
    /// The followed container, as numbered by userspace.
    pub slot: u32,
    /// Always 0.
    pub unused: u32,
}

/// A process that belongs to a subject: it, or an ancestor of it, has executed a program from the container's own
/// mounts since it entered the cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Subject {
    /// The executable: a mix of its inode's device and number.
    pub exe: u64,
    /// The followed container, as numbered by userspace.
    pub slot: u32,
    /// How deep below the host's the user namespace is nested that the subject started in, or [`LEVEL_UNKNOWN`].
    pub level: u32,
}

/// [`Subject::level`] of a process that was running already.
pub const LEVEL_UNKNOWN: u32 = u32::MAX;

/// Identifies one kind of capability check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct CapKey {
    /// The executable.
    pub exe: u64,
    /// The followed container.
    pub slot: u32,
    /// Index into the map `STACKS`, or [`NO_STACK`].
    pub stack: u32,
    /// The system call's number, or [`NO_SYSCALL`].
    pub syscall: u16,
    /// The capability's number.
    pub cap: u8,
    /// Bits of [`check`].
    pub flags: u8,
    /// Zero.
    pub reserved: u32,
}

/// No kernel stack was taken.
pub const NO_STACK: u32 = u32::MAX;
/// Outside any system call.
pub const NO_SYSCALL: u16 = u16::MAX;

/// Bits of [`CapKey::flags`].
pub mod check {
    /// The check succeeded.
    pub const GRANTED: u8 = 1;
    /// It was made against a user namespace below the one that the subject started in.
    pub const OWN_NAMESPACE: u8 = 2;
    /// The kernel function that asked wants no audit of it (`CAP_OPT_NOAUDIT`); never set where the hook does not tell.
    pub const NO_AUDIT: u8 = 4;
    /// The system call's arguments ask for nothing that this capability gives: only for ids that the process has, for no
    /// namespace, for memory alone.
    pub const NOTHING_NEW: u8 = 16;
    /// The effective user is root of the host; looked at for NET_ADMIN only.
    pub const AS_ROOT: u8 = 32;
}

/// How often a kind of capability check happened, and what came of the system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct CheckCount {
    /// How often.
    pub count: Count,
    /// How often it was met at all, where most of the checks are counted without their kernel stack.
    pub met: u64,
    /// 1 at the index of every [`outcome`] that was seen; bytes, because several CPUs may write at once.
    pub outcomes: [u8; 8],
}

/// What came of a system call in which a check was granted: indices into [`CheckCount::outcomes`].
pub mod outcome {
    /// It succeeded.
    pub const SUCCEEDED: usize = 0;
    /// It failed with `EPERM` or `EACCES` all the same.
    pub const REFUSED: usize = 1;
    /// It failed with another error.
    pub const FAILED: usize = 2;
    /// There was no room to wait for it.
    pub const UNKNOWN: usize = 3;
}

/// The kind of a record, its first four bytes.
pub mod kind {
    /// [`super::WriteRecord`], followed by its names.
    pub const WRITE: u32 = 1;
    /// [`super::CapRecord`].
    pub const CAPABILITY: u32 = 2;
}

/// One of the (at most two) names of an operation: a walk from a known directory or object up to the top of its
/// mount namespace, and a string relative to it.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Name {
    /// Bytes of the walk: components from the leaf upward, each ending in a NUL.
    pub walk_len: u32,
    /// Where in the walk the first mount boundary is crossed: what lies behind is the mount point's own path.
    /// [`ROOT_MOUNT`] where none is: the object is on the mount at the top of the namespace.
    pub mount_at: u32,
    /// Bytes of the string, without a NUL. 0: the walk names the object itself.
    pub string_len: u32,
    /// Bits of [`name_flag`].
    pub flags: u32,
}

/// The object lies on the mount at the top of its mount namespace.
pub const ROOT_MOUNT: u32 = u32::MAX;

/// Bits of [`Name::flags`].
pub mod name_flag {
    /// The walk did not reach the top of a mount namespace: an object outside (memfd, pipe) or one moved away.
    pub const DETACHED: u32 = 1;
    /// The walk was cut off (too many components or bytes).
    pub const CUT: u32 = 2;
}

/// Bits of [`WriteRecord::call_flags`] of an execution.
pub mod execution {
    /// It raised privileges.
    pub const GAINS_PRIVILEGES: u64 = 1;
}

/// A first sight of an operation. Followed by the bytes of both names: walk, string, walk, string.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct WriteRecord {
    /// [`kind::WRITE`].
    pub kind: u32,
    /// The process.
    pub tgid: u32,
    /// What it is counted under.
    pub key: WriteKey,
    /// The `name` of the [`WriteKey`] of scope [`scope::DIRECTORY`] that this name is counted in.
    pub directory: u64,
    /// The `base_ino` of the [`WriteKey`] of scope [`scope::TREE`] that its directory is counted in.
    pub tree: u64,
    /// The flags argument of the call; of a bind to a low port, the port; of an execution, [`execution`].
    pub call_flags: u64,
    /// `i_mode` of the object; 0 where only its name is known.
    pub mode: u32,
    /// Zero.
    pub reserved: u32,
    /// The names; the second one of rename and link only.
    pub names: [Name; 2],
}

/// A first sight of a capability check.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
#[cfg_attr(
    feature = "host",
    derive(zerocopy::IntoBytes, zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct CapRecord {
    /// [`kind::CAPABILITY`].
    pub kind: u32,
    /// The process.
    pub tgid: u32,
    /// What it is counted under.
    pub key: CapKey,
}

/// The most bytes of one string, NUL included (`PATH_MAX`).
pub const STRING_MAX: usize = 4096;
/// The longest component (`NAME_MAX`) with its NUL.
pub const COMPONENT_MAX: usize = 256;
/// The most bytes of one walk: any path of `PATH_MAX` bytes, however its components fall.
pub const WALK_MAX: usize = 4096 + COMPONENT_MAX;
/// The most bytes of names behind a [`WriteRecord`], a power of two. Two walks and two strings of the full length
/// would take a little more: the last string is cut then.
pub const NAMES_MAX: usize = 16 * 1024;
