//! tmpfs or volume: which kind of storage a writable directory gets, and why.
//!
//! Owns the conventions about paths and the limits of size. Never looks at how mounts lie to each other (see
//! `layout`). Where nothing speaks for durability the answer is a tmpfs: it is gone with the container, as the
//! container's own root file system is.

use super::image::Content;
use crate::model::{ObjectKind, Op, SubjectPath, Write};

/// Above this observed size a tmpfs would take too much of the host's memory.
const TMPFS_LIMIT_BYTES: u64 = 256 << 20;

/// Above this observed size, temporary data that the subject syncs is a cache worth keeping.
const SYNCED_CACHE_LIMIT_BYTES: u64 = 64 << 20;

/// Directories whose content may vanish with the container (Filesystem Hierarchy Standard 3.0, §3.15, §3.18, §5.5,
/// §5.13, §5.15), with all below them.
const TEMPORARY: &[&str] =
    &["/tmp", "/var/tmp", "/run", "/var/run", "/var/lock", "/run/lock", "/dev/shm", "/var/cache"];

/// Names of directories that by themselves say so.
const TEMPORARY_NAMES: &[&[u8]] = &[b"tmp", b"temp", b".tmp", b"cache", b".cache", b"run", b"lock"];

/// Directories whose content is meant to last (the same standard, §3.17, §5.8, §5.10, §5.11, §5.14), with all below.
const LASTING: &[&str] =
    &["/data", "/srv", "/var/lib", "/var/log", "/var/mail", "/var/spool", "/var/www", "/var/backups"];

/// Names of directories that by themselves say so.
const LASTING_NAMES: &[&[u8]] = &[b"data", b"db", b"database", b"uploads", b"storage"];

/// A kind of storage with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Storage {
    Tmpfs(&'static str),
    Volume(String),
}

impl Storage {
    pub(super) fn is_tmpfs(&self) -> bool {
        matches!(self, Self::Tmpfs(_))
    }
}

/// What is known about a directory when its storage is chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) directory: &'a SubjectPath,
    /// Needed operations in it.
    pub(super) writes: &'a [&'a Write],
    /// How often data in it was synced.
    pub(super) syncs: u64,
    /// The largest observed size of what was written in it.
    pub(super) peak_bytes: u64,
    pub(super) content: Content,
}

/// Chooses the storage for a directory.
pub(super) fn choose(facts: &Facts<'_>) -> Storage {
    match facts.content {
        Content::Files(count) => {
            let files = if count == 1 { "a file".to_owned() } else { format!("{count} files") };
            return Storage::Volume(format!("the image has {files} there that a tmpfs would hide"));
        }
        Content::Unknown => {
            return Storage::Volume(
                "what the image has there is not known, and a tmpfs would hide it".to_owned(),
            );
        }
        Content::None => {}
    }
    let mib = facts.peak_bytes >> 20;
    let large = facts.peak_bytes > TMPFS_LIMIT_BYTES;
    if is_temporary(facts.directory) {
        return if facts.syncs > 0 && facts.peak_bytes > SYNCED_CACHE_LIMIT_BYTES {
            Storage::Volume(format!("a cache of {mib} MiB that is synced to last"))
        } else if large {
            Storage::Volume(format!("its {mib} MiB would take too much memory"))
        } else {
            Storage::Tmpfs("temporary by convention")
        };
    }
    if holds_only_run_files(facts) {
        Storage::Tmpfs("only sockets, pid and lock files")
    } else if facts.syncs > 0 {
        Storage::Volume(format!(
            "data there is meant to last: it was synced {}",
            if facts.syncs == 1 { "once".to_owned() } else { format!("{} times", facts.syncs) }
        ))
    } else if is_lasting(facts.directory) {
        Storage::Volume("meant to last by convention".to_owned())
    } else if large {
        Storage::Volume(format!("its {mib} MiB would take too much memory"))
    } else {
        Storage::Tmpfs("nothing there is synced, and it is small")
    }
}

fn lies_in(path: &SubjectPath, directories: &[&str]) -> bool {
    directories.iter().any(|directory| {
        path.as_bytes()
            .strip_prefix(directory.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

/// Whether what lies in a directory may vanish with the container, going by its path.
pub(super) fn is_temporary(path: &SubjectPath) -> bool {
    lies_in(path, TEMPORARY) || TEMPORARY_NAMES.contains(&path.file_name())
}

fn is_lasting(path: &SubjectPath) -> bool {
    lies_in(path, LASTING) || LASTING_NAMES.contains(&path.file_name())
}

/// Whether nothing but sockets, pid files and lock files is made in the directory.
fn holds_only_run_files(facts: &Facts<'_>) -> bool {
    let mut contents = facts.writes.iter().filter(|write| write.path != *facts.directory).peekable();
    contents.peek().is_some()
        && contents.all(|write| {
            let name = write.path.file_name();
            write.op == Op::Bind
                || write.object == ObjectKind::Socket
                || matches!(name, b"lock" | b"pid")
                || [&b".pid"[..], b".lock", b".lck", b".sock", b".socket"]
                    .iter()
                    .any(|suffix| name.ends_with(suffix))
        })
}

/// The size limit of a tmpfs, in bytes: at least twice what was observed, rounded up to a power of two.
pub(super) fn tmpfs_size_bytes(directory: &SubjectPath, peak_bytes: u64) -> u64 {
    let least = if lies_in(directory, &["/tmp", "/var/tmp"]) { 64 << 20 } else { 16 << 20 };
    peak_bytes.saturating_mul(2).max(least).checked_next_power_of_two().unwrap_or(1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SubjectPath {
        SubjectPath::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn storage_follows_content_convention_durability_and_size() {
        const MIB: u64 = 1 << 20;
        for (directory, syncs, peak_mib, content, tmpfs) in [
            ("/tmp", 0, 0, Content::None, true),
            ("/tmp", 3, 1, Content::None, true),
            ("/tmp", 3, 65, Content::None, false),
            ("/tmp", 0, 65, Content::None, true),
            ("/tmp", 0, 257, Content::None, false),
            ("/tmp", 0, 0, Content::Files(1), false),
            ("/tmp", 0, 0, Content::Unknown, false),
            ("/tmpfoo", 1, 0, Content::None, false),
            ("/run/x/y", 1, 0, Content::None, true),
            ("/app/cache", 1, 0, Content::None, true),
            ("/app/state", 0, 0, Content::None, true),
            ("/app/state", 1, 0, Content::None, false),
            ("/app/state", 0, 300, Content::None, false),
            ("/opt/x/data", 0, 0, Content::None, false),
            ("/data", 0, 0, Content::None, false),
            ("/var/lib/x", 0, 0, Content::None, false),
            ("/var/lib/x/tmp", 0, 0, Content::None, true),
            ("/var/library", 0, 0, Content::None, true),
        ] {
            let facts = Facts {
                directory: &path(directory),
                writes: &[],
                syncs,
                peak_bytes: peak_mib * MIB,
                content,
            };
            assert_eq!(choose(&facts).is_tmpfs(), tmpfs, "{directory} {syncs} {peak_mib} {content:?}");
        }
    }

    #[test]
    fn sizes_are_powers_of_two_with_headroom() {
        for (directory, peak, want) in [
            ("/run", 0, 16 << 20),
            ("/tmp", 0, 64 << 20),
            ("/tmp/x", 0, 64 << 20),
            ("/run", 8 << 20, 16 << 20),
            ("/run", (8 << 20) + 1, 32 << 20),
            ("/run", u64::MAX, 1 << 63),
        ] {
            assert_eq!(tmpfs_size_bytes(&path(directory), peak), want, "{directory} {peak}");
        }
    }
}
