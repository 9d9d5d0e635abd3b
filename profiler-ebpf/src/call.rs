//! System calls as the programs see them: one small descriptor for each number, filled in by userspace.

/// What a system call does, or how else it is treated. The numbers are the ABI; 0 means: of no interest.
pub mod op {
    /// No interest in this call.
    pub const NONE: u8 = 0;
    /// An existing object opened for writing.
    pub const OPEN: u8 = 1;
    /// An open that created the file.
    pub const CREATE: u8 = 2;
    /// An open of an unnamed file (`O_TMPFILE`).
    pub const TMPFILE: u8 = 3;
    /// mkdir
    pub const MKDIR: u8 = 4;
    /// mknod
    pub const MKNOD: u8 = 5;
    /// symlink
    pub const SYMLINK: u8 = 6;
    /// link
    pub const LINK: u8 = 7;
    /// unlink
    pub const UNLINK: u8 = 8;
    /// rmdir
    pub const RMDIR: u8 = 9;
    /// rename
    pub const RENAME: u8 = 10;
    /// truncate
    pub const TRUNCATE: u8 = 11;
    /// chmod
    pub const CHMOD: u8 = 12;
    /// chown
    pub const CHOWN: u8 = 13;
    /// utimes
    pub const UTIMES: u8 = 14;
    /// setxattr
    pub const SETXATTR: u8 = 15;
    /// removexattr
    pub const REMOVEXATTR: u8 = 16;
    /// bind of a path-named AF_UNIX socket
    pub const BIND: u8 = 17;
    /// fsync and its kin
    pub const SYNC: u8 = 18;
    /// A program was executed (seen at `sched_process_exec`, not by a system call).
    pub const EXEC: u8 = 19;
    /// bind of an Internet socket to a port below 1024.
    pub const LOW_PORT: u8 = 20;
    /// io_uring: operations that are not followed.
    pub const IO_URING: u8 = 21;
    /// A file was mapped to be executed.
    pub const MAP_EXEC: u8 = 22;
    /// A file was mapped to be written to, shared with others: what msync makes last.
    pub const MAP_SHARED: u8 = 23;
    /// msync, of whatever the process has mapped.
    pub const MSYNC: u8 = 24;
}

/// An index into a system call's six arguments, or [`NO_ARG`].
pub const NO_ARG: u8 = 7;

/// How one system call names what it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(8))]
#[cfg_attr(feature = "host", derive(zerocopy::IntoBytes, zerocopy::Immutable))]
pub struct Call {
    /// One of [`op`].
    pub op: u8,
    /// One of [`form`].
    pub form: u8,
    /// Which argument is the (first) directory or file descriptor; [`NO_ARG`]: the working directory.
    pub dirfd: u8,
    /// Which argument points to the (first) path; [`NO_ARG`]: the object is the descriptor itself.
    pub path: u8,
    /// The same for the second name of rename and link.
    pub dirfd2: u8,
    /// The same for the second name of rename and link.
    pub path2: u8,
    /// Which argument holds the flags (`O_…` or `AT_…`), or [`NO_ARG`].
    pub flags: u8,
    /// One of [`last`].
    pub last: u8,
}

impl Call {
    /// A call of no interest.
    pub const NONE: Self = Self {
        op: op::NONE,
        form: form::PLAIN,
        dirfd: NO_ARG,
        path: NO_ARG,
        dirfd2: NO_ARG,
        path2: NO_ARG,
        flags: NO_ARG,
        last: last::FOLLOWED,
    };
}

/// What becomes of the last component of the (first) path where it is a symbolic link.
pub mod last {
    /// It is followed.
    pub const FOLLOWED: u8 = 0;
    /// It is the object itself.
    pub const SPARED: u8 = 1;
    /// It is followed unless the flags hold `AT_SYMLINK_NOFOLLOW`.
    pub const UNLESS_FLAG: u8 = 2;
    /// It is followed only where the flags hold `AT_SYMLINK_FOLLOW`.
    pub const ONLY_WITH_FLAG: u8 = 3;
    /// It is followed unless the flags hold `O_NOFOLLOW`.
    pub const UNLESS_OPEN_FLAG: u8 = 4;
}

/// How a system call differs from the plain pattern.
pub mod form {
    /// Names, descriptors and `AT_…` flags as described.
    pub const PLAIN: u8 = 0;
    /// open: `O_…` flags decide whether it is a write; the result is a descriptor.
    pub const OPEN: u8 = 1;
    /// creat: an open with `O_CREAT|O_WRONLY|O_TRUNC`.
    pub const CREAT: u8 = 2;
    /// openat2: the flags are the first member of the `struct open_how` that the `flags` argument points to.
    pub const OPENAT2: u8 = 3;
    /// bind: the address decides.
    pub const BIND: u8 = 4;
    /// io_uring_enter: submissions are only counted.
    pub const URING_ENTER: u8 = 5;
    /// io_uring_setup: rings whose submissions take no system call are only counted.
    pub const URING_SETUP: u8 = 6;
    /// mmap: protection and flags decide, what is mapped is a descriptor.
    pub const MMAP: u8 = 7;
    /// msync: the flags decide; it names no file.
    pub const MSYNC: u8 = 8;
    /// ioctl: the command decides.
    pub const IOCTL: u8 = 9;
}
