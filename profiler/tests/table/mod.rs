//! The operations and the scripts that show each of them, as data.
//!
//! Three readers: the integration tests perform the scripts and compare (tests/operations.rs, tests/oracle.rs); the unit
//! tests of `sensor::calls` see to it that every system call that the sensors look at has a row, and the other way
//! round, and generate docs/operations.md. Nothing here but the standard library, as it is compiled for each of them.

// Each of them uses its own part.
#![allow(dead_code, clippy::allow_attributes, reason = "not every reader uses everything")]

/// A script and the operations that it amounts to.
pub(crate) struct Row {
    /// The name of its directory, and of the row in the documentation.
    pub(crate) name: &'static str,
    /// Steps, separated by commas. A step is named for its system call, and for its form behind a colon; words that are
    /// names stand for names in the row's directory, those after `@` for themselves. `?`: the step may fail; `thread+`
    /// and so on: who makes the call (xtask/subjects/src/calls.rs).
    pub(crate) script: &'static str,
    /// `OP NAME`, `OP NAME<OLD-NAME`, separated by commas; `/…` is an absolute path, digits behind a `#` are left out. With
    /// `!ERRNO` where it fails, with `?` where it depends on the file system whether it does.
    pub(crate) expected: &'static str,
}

const fn row(name: &'static str, script: &'static str, expected: &'static str) -> Row {
    Row { name, script, expected }
}

/// Calls that Linux 5.10 does not have yet: fchmodat2 (6.6), setxattrat and removexattrat (6.13), file_setattr (6.17).
pub(crate) const NEWER: [&str; 4] = ["fchmodat2", "setxattrat", "removexattrat", "file_setattr"];

/// What one container does, row after row, in one process.
pub(crate) const TABLE: &[Row] = &[
    // open
    row("open", "openat f, openat:write f, openat:read-write f", "create f, open f"),
    row("reading", "openat f, openat:read f", "create f"),
    row("exclusive", "openat:new f, ?openat:new f", "create f, create f!17"),
    row("create-to-read", "openat:create-to-read f", "create f"),
    row("create-existing", "openat f, openat:create-to-read f", "create f"),
    row("truncating", "openat f, openat:truncate f", "create f, open f"),
    // fuse-overlayfs refuses it, and so does overlayfs before Linux 6.1.
    row("unnamed", "?openat:tmpfile .", "tmpfile .?"),
    row("openat-directory", "openat:directory f", "create f"),
    row("openat2", "openat2 f, openat2 f", "create f, open f"),
    row("openat2-directory", "openat2:directory f", "create f"),
    row("working-directory", "chdir ., openat @f", "create f"),
    row(
        "open-by-handle",
        "openat @/dev/shm/h, open_by_handle_at @/dev/shm/h",
        "create /dev/shm/h, open /dev/shm/h",
    ),
    // Names
    row("mkdirat", "mkdirat a, mkdirat:directory b", "mkdir a, mkdir b"),
    row("mkdirat-relative", "chdir ., mkdirat @a", "mkdir a"),
    row(
        "mknodat",
        "mknodat p, mknodat:file f, mknodat:socket s, mknodat:device d, mknodat:directory q",
        "mknod p, mknod f, mknod s, mknod d, mknod q",
    ),
    row("symlinkat", "symlinkat @target l, symlinkat:directory @target m", "symlink l, symlink m"),
    row("linkat", "openat f, linkat f g, linkat:directory f h", "create f, link g<f, link h<f"),
    row(
        "linkat-link",
        "openat f, symlinkat @f l, linkat l g, linkat:follow l h",
        "create f, symlink l, link g<l, link h<f",
    ),
    row("linkat-empty", "openat f, linkat:empty f g", "create f, link g<f"),
    row(
        "unlinkat",
        "openat f, openat g, unlinkat f, unlinkat:directory g",
        "create f, create g, unlink f, unlink g",
    ),
    row("unlinkat-rmdir", "mkdirat d, unlinkat:rmdir d", "mkdir d, rmdir d"),
    row("renameat", "openat f, renameat f g, renameat:directory g h", "create f, rename g<f, rename h<g"),
    row("across-directories", "mkdirat d, openat f, renameat f d/g", "mkdir d, create f, rename d/g<f"),
    row("renameat2", "openat f, renameat2 f g", "create f, rename g<f"),
    row("exchange", "openat f, openat g, ?renameat2:exchange f g", "create f, create g, rename g<f?"),
    row(
        "noreplace",
        "openat f, openat g, ?renameat2:noreplace f h, ?renameat2:noreplace g g",
        "create f, create g, rename h<f?, rename g<g?",
    ),
    // Content
    row("truncate", "openat f, truncate f", "create f, truncate f"),
    row("ftruncate", "openat f, ftruncate f", "create f, open f, truncate f"),
    row("fallocate", "openat f, ?fallocate f", "create f, open f, truncate f?"),
    // Mode
    row(
        "fchmodat",
        "openat f, openat g, fchmodat f, fchmodat:directory g",
        "create f, create g, chmod f, chmod g",
    ),
    row("fchmod", "openat f, fchmod f", "create f, chmod f"),
    row("fchmodat2", "openat f, fchmodat2 f", "create f, chmod f"),
    row("fchmodat2-empty", "openat f, fchmodat2:empty f", "create f, chmod f"),
    // Owner
    row(
        "fchownat",
        "openat f, openat g, fchownat f, fchownat:directory g",
        "create f, create g, chown f, chown g",
    ),
    row("fchown", "openat f, fchown f", "create f, chown f"),
    row("fchownat-empty", "openat f, fchownat:empty f", "create f, chown f"),
    row(
        "last-link",
        "openat f, symlinkat @f l, fchownat l, fchownat:nofollow l",
        "create f, symlink l, chown f, chown l",
    ),
    // Times
    row("utimensat", "openat f, utimensat f", "create f, utimes f"),
    row(
        "utimensat-link",
        "openat f, symlinkat @f l, utimensat:nofollow l, utimensat l",
        "create f, symlink l, utimes l, utimes f",
    ),
    row("utimensat-descriptor", "openat f, utimensat:descriptor f", "create f, utimes f"),
    // Attributes
    row(
        "setxattr",
        "openat f, openat g, setxattr f, fsetxattr g",
        "create f, create g, setxattr f, setxattr g",
    ),
    row(
        "removexattr",
        "openat f, openat g, setxattr f, setxattr g, removexattr f, fremovexattr g",
        "create f, create g, setxattr f, setxattr g, removexattr f, removexattr g",
    ),
    // A symbolic link has no attributes of the user's: refused.
    row(
        "lsetxattr",
        "openat f, symlinkat @f l, ?lsetxattr l, lsetxattr f, ?lremovexattr l, lremovexattr f",
        "create f, symlink l, setxattr l?, setxattr f, removexattr l?, removexattr f",
    ),
    row(
        "setxattrat",
        "openat f, openat g, setxattrat f, setxattrat:empty g, removexattrat f",
        "create f, create g, setxattr f, setxattr g, removexattr f",
    ),
    row("ioctl-flags", "openat f, ?ioctl:setflags f, ?ioctl:getflags f", "create f, setxattr f?"),
    row("ioctl-fsxattr", "openat f, ?ioctl:fssetxattr f", "create f, setxattr f?"),
    row("file_setattr", "openat f, ?file_setattr f", "create f, setxattr f?"),
    // Sockets
    row("bind", "bind s, bind:short t", "bind s, bind t"),
    row("bind-relative", "chdir ., bind @s", "bind s"),
    row("bind-abstract", "bind:abstract @abstract", ""),
    // What is meant to last
    row("fsync", "openat f, fsync f", "create f, sync f"),
    row("fdatasync", "openat f, fdatasync f", "create f, sync f"),
    row("sync_file_range", "openat f, sync_file_range f", "create f, open f, sync f"),
    row("syncfs", "openat f, syncfs f", "create f, sync f"),
    row("msync", "openat f, truncate f, msync f", "create f, truncate f, open f, sync f"),
    // How a name leads to its object
    row("through-link", "mkdirat d, symlinkat @d l, openat l/f", "mkdir d, symlink l, create d/f"),
    row("name-through-link", "mkdirat d, symlinkat @d l, mkdirat l/e", "mkdir d, symlink l, mkdir d/e"),
    row("dots", "mkdirat d, mkdirat d/../e", "mkdir d, mkdir e"),
    row(
        "descriptor-link",
        "openat f, openat:descriptor f, truncate:descriptor f, fchownat:descriptor f, fchmodat:descriptor f",
        "create f, open f, truncate f, chown f, chmod f",
    ),
    row("thread-self-link", "openat f, fchmodat:thread-self f", "create f, chmod f"),
    row("dev-fd-link", "openat f, fchmodat:dev-fd f", "create f, chmod f"),
    row(
        "below-descriptor-link",
        "mkdirat d, openat d/f, mkdirat:descriptor d @e, unlinkat:descriptor d @f",
        "mkdir d, create d/f, mkdir d/e, unlink d/f",
    ),
    row(
        "named-tmpfile",
        "openat:tmpfile @/dev/shm, linkat:tmpfile @/dev/shm @/dev/shm/named",
        "tmpfile /dev/shm, link /dev/shm/named</dev/shm/#",
    ),
    row(
        "hard-links",
        "openat f, linkat f g, openat:write g, fchmod f, fchmod g",
        "create f, link g<f, open g, chmod f, chmod g",
    ),
    row(
        "deleted",
        "openat f, ftruncate:unlinked f, openat f, unlinkat f, openat g, fchmod:unlinked g",
        "create f, open f, unlink f, truncate f, create g, unlink g, chmod g",
    ),
    // Who makes the call
    row(
        "tasks",
        "thread+openat a, fork+openat b, vfork+openat c, thread+mkdirat d, fork+mkdirat e, vfork+mkdirat f",
        "create a, create b, create c, mkdir d, mkdir e, mkdir f",
    ),
    // What fails
    row("missing", "?unlinkat f, ?mkdirat d/e", "unlink f!2, mkdir d/e!2"),
    row("existing", "mkdirat d, ?mkdirat d", "mkdir d, mkdir d!17"),
    row("not-empty", "mkdirat d, openat d/f, ?unlinkat:rmdir d", "mkdir d, create d/f, rmdir d!39"),
    row("device", "openat:write @/dev/null", "open /dev/null"),
    // The calls of before, which newer architectures do not have
    #[cfg(target_arch = "x86_64")]
    row("old-open", "open f, open f, creat g, creat g", "create f, open f, create g, open g"),
    #[cfg(target_arch = "x86_64")]
    row(
        "old-names",
        "mkdir d, mknod p, symlink @target l, open f, link f g, rename g h, unlink h, rmdir d",
        "mkdir d, mknod p, symlink l, create f, link g<f, rename h<g, unlink h, rmdir d",
    ),
    #[cfg(target_arch = "x86_64")]
    row(
        "old-attributes",
        "open f, symlink @f l, chmod l, chown l, lchown l",
        "create f, symlink l, chmod f, chown f, chown l",
    ),
    #[cfg(target_arch = "x86_64")]
    row("old-utime", "open f, utime f", "create f, utimes f"),
    #[cfg(target_arch = "x86_64")]
    row("old-utimes", "open f, utimes f", "create f, utimes f"),
    #[cfg(target_arch = "x86_64")]
    row("old-futimesat", "open f, futimesat f", "create f, utimes f"),
    // Last: the root stays changed.
    row(
        "changed-root",
        "mkdirat jail, mkdirat jail/etc, symlinkat @/etc jail/out, chroot jail, chdir @/, openat @/etc/f, mkdirat @/out/d, unlinkat @/etc/f",
        "mkdir jail, mkdir jail/etc, symlink jail/out, create jail/etc/f, mkdir jail/etc/d, unlink jail/etc/f",
    ),
];

/// Where the scripts work: below a directory of the image.
const PLACE: &str = "/var/lib/app";

impl Row {
    /// The directory that holds the row's: one for each initial, as the sensors keep 64 names of a directory.
    pub(crate) fn initial(&self) -> String {
        format!("{PLACE}/{}", self.name.chars().next().unwrap_or_default())
    }

    /// The row's own directory.
    pub(crate) fn directory(&self) -> String {
        format!("{}/{}", self.initial(), self.name)
    }

    /// A word as the subject is given it.
    pub(crate) fn in_directory(&self, name: &str) -> String {
        match name.strip_prefix('@') {
            Some(name) => name.to_owned(),
            None if name.starts_with('/') => name.to_owned(),
            None if name == "." => self.directory(),
            None => format!("{}/{name}", self.directory()),
        }
    }

    /// The words of the script, the making of the row's directory first.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec!["mkdirat".to_owned(), self.directory()];
        for step in self.script.split(", ") {
            let mut step = step.split(' ');
            words.extend(step.next().map(str::to_owned));
            words.extend(step.map(|word| self.in_directory(word)));
        }
        words
    }

    /// The system calls that the steps are named for.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &'static str> {
        self.script.split(", ").filter_map(|step| {
            let name = step.split(' ').next()?.trim_start_matches('?');
            let name = name.split_once('+').map_or(name, |(_, name)| name);
            name.split(':').next()
        })
    }

    /// The operations' names and the rest of their text, as in [`Row::expected`].
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.expected.split(", ").filter_map(|operation| operation.split_once(' '))
    }
}

/// Steps that stand for no operation, though they make system calls.
pub(crate) const HELPERS: &[&str] = &["chdir", "chroot"];

/// Calls that no row shows, with the test in tests/operations.rs that does.
pub(crate) const ELSEWHERE: &[(&str, &str)] = &[
    ("mmap", "executions_and_mappings_of_written_files_take_noexec_away"),
    ("io_uring_enter", "io_uring_is_a_gap"),
    ("io_uring_setup", "io_uring_is_a_gap"),
];

/// What is not followed but counted: the gap's code, what it stands for, its test in tests/operations.rs.
pub(crate) const NOT_FOLLOWED: &[(&str, &str, &str)] = &[
    (
        "io-uring",
        "`io_uring_enter` that submits anything, and `io_uring_setup` of a ring that a thread of the kernel's looks at",
        "io_uring_is_a_gap",
    ),
    (
        "32-bit-calls",
        "executions of 32-bit programs, and their system calls",
        "programs_of_32_bits_are_a_gap",
    ),
    ("paths-cut", "paths of more than about 120 components", ""),
    ("strings-unreadable", "a path that could not be read when its call succeeded", ""),
];

/// What leaves no trace at all.
pub(crate) const NOT_SEEN: &[&str] = &[
    "`int 0x80` in a 64-bit program: a 32-bit call that no execution announces. (Under the tracepoint it is counted where \
     its number is that of a 64-bit call in the table.)",
    "System calls of the x32 ABI (`CONFIG_X86_X32_ABI`, off in Debian's kernels unless `syscall.x32=y`): their numbers are \
     those of no call in the table.",
    "`mprotect` that makes a mapped file executable which was not mapped so. A mount with `noexec` refuses it.",
    "Paths through `/proc/PID/fd/N` with a number instead of `self`, and through `/dev/stdin` and its like, in calls that \
     take a path and are no open: they are reported under `/proc` or `/dev`, and ask for no mount.",
    "`open_by_handle_at` that fails: a handle has no name.",
    "The name in a mount namespace of the subject's own where its process ends within milliseconds: it is taken as in the \
     container's own.",
    "Core dumps into a directory of the container's: the kernel writes them, not the subject.",
];

/// Calls that change something and still are of no interest, with the reason (Linux 5.10 to 7.x).
pub(crate) const NO_WRITE: &[(&str, &str)] = &[
    (
        "`write`, `pwrite64`, `writev`, `sendfile`, `splice`, `copy_file_range`, `ioctl(FICLONE)`, `ioctl(FICLONERANGE)`",
        "the descriptor has write access since it was opened, which is reported",
    ),
    (
        "`ftruncate`, `fallocate`, `fsync` and its like",
        "the same; they are reported all the same, as `truncate` and `sync`",
    ),
    (
        "`open` with `O_PATH`, or for reading only",
        "takes no write access; with `O_CREAT` on an existing file it does without",
    ),
    ("`bind` to an abstract or empty AF_UNIX address", "has no name in any file system"),
    ("`mq_open`, `mq_unlink`, `shmget`, `memfd_create`", "work on mounts of the kernel's own"),
    ("`bpf(BPF_OBJ_PIN)`", "works on a mounted bpf file system only, never on the root"),
    (
        "`mount`, `umount2`, `open_tree`, `move_mount`, `mount_setattr`, `pivot_root`",
        "change the tree of mounts, not what is on one",
    ),
    (
        "`swapon`, `quotactl`, `acct`",
        "take CAP_SYS_ADMIN or CAP_SYS_PACCT of the initial user namespace; acct's file is opened by the kernel",
    ),
    (
        "`ioctl` with other commands",
        "those that a file system defines for itself (resizing, defragmenting) take CAP_SYS_ADMIN or CAP_SYS_RESOURCE of the host",
    ),
    (
        "the time of the last access or change",
        "set by the kernel where the mount is writable, left where it is not",
    ),
];
