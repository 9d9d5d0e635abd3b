//! tmpfs or volume: which kind of storage a writable directory gets, and why.
//!
//! Owns the conventions about paths and the limits of size. Never looks at how mounts lie to each other (see
//! `layout`). Where nothing speaks for durability the answer is a tmpfs: it is gone with the container, as the
//! container's own root file system is.

use super::super::doubt::{self, Doubt};
use super::super::dto::{TmpfsMount, VolumeMount};
use super::super::evidence::{self, summary};
use super::super::image::Content;
use super::super::layout::{Layout, Target};
use super::{Case, Draft, Rule, mount_points, overrides, tmpfs_options};
use crate::model::{ObjectKind, Op, SubjectPath, Write};

pub(super) const RULE: Rule = Rule {
    id: "tmpfs-or-volume",
    about: "What is temporary goes on a tmpfs, what is meant to last on a named volume.",
    doc: "The first that applies decides:\n\n\
          1. The image has files or links there, or what it has is not known: a volume, because a tmpfs would hide \
          them.\n\
          2. The path is temporary by convention (`/tmp`, `/var/tmp`, `/run`, `/var/cache`, lock directories and \
          `/dev/shm`, and directories named `tmp`, `temp`, `cache`, `run` or `lock`): a tmpfs, unless more than \
          256 MiB were seen there, or more than 64 MiB of synced data.\n\
          3. Nothing but sockets, pid files and lock files is made there, and nothing is synced: a tmpfs.\n\
          4. Data there was synced (fsync and its kin): a volume.\n\
          5. The path lasts by convention (`/data`, `/srv`, `/var/lib`, `/var/log`, `/var/mail`, `/var/spool`, \
          `/var/www`, `/var/backups`, and directories named `data`, `db`, `database`, `uploads` or `storage`): a \
          volume.\n\
          6. More than 256 MiB were seen there: a volume.\n\
          7. Otherwise a tmpfs: it is gone with the container, as the container's own root file system is.\n\n\
          With `--max-tmpfs SIZE` that is the limit in place of 256 MiB: a directory that would need a larger tmpfs \
          (twice what was seen) becomes a volume. Conventions are those of the Filesystem Hierarchy Standard 3.0.",
    warnings: &[],
    apply,
};

/// Above this observed size a tmpfs would take too much of the host's memory.
const TMPFS_LIMIT_BYTES: u64 = 256 << 20;

/// Above this observed size, temporary data that the subject syncs is a cache worth keeping.
const SYNCED_CACHE_LIMIT_BYTES: u64 = 64 << 20;

/// Directories whose content may vanish with the container (Filesystem Hierarchy Standard 3.0, §3.15, §3.18, §5.5,
/// §5.13, §5.15), with all below them.
const TEMPORARY: &[&str] =
    &["/tmp", "/var/tmp", "/run", "/var/run", "/var/lock", "/run/lock", "/dev/shm", "/var/cache"];

/// Those of them that are emptied when a host starts, whatever was synced there (the same standard, §3.15, §5.13).
const VOLATILE: &[&str] = &["/run", "/var/run", "/var/lock", "/dev/shm"];

/// Names of directories that by themselves say so.
const TEMPORARY_NAMES: &[&[u8]] = &[b"tmp", b"temp", b".tmp", b"cache", b".cache", b"run", b"lock"];

/// Directories whose content is meant to last (the same standard, §3.17, §5.8, §5.10, §5.11, §5.14), with all below.
const LASTING: &[&str] =
    &["/data", "/srv", "/var/lib", "/var/log", "/var/mail", "/var/spool", "/var/www", "/var/backups"];

/// Names of directories that by themselves say so.
const LASTING_NAMES: &[&[u8]] = &[b"data", b"db", b"database", b"uploads", b"storage"];

/// What a choice of storage rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// What was seen in training, or is in the image.
    Seen,
    /// A convention that nothing seen agrees with.
    Convention,
    /// Nothing.
    Default,
    /// That something is not known.
    Unknown,
    /// The user's word.
    Told,
}

/// A kind of storage with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    /// Whether it is a tmpfs, or else a volume.
    pub(crate) tmpfs: bool,
    pub(crate) reason: String,
    pub(crate) basis: Basis,
}

impl Storage {
    pub(crate) fn tmpfs(reason: impl Into<String>, basis: Basis) -> Self {
        Self { tmpfs: true, reason: reason.into(), basis }
    }

    pub(crate) fn volume(reason: impl Into<String>, basis: Basis) -> Self {
        Self { tmpfs: false, reason: reason.into(), basis }
    }
}

/// What is known about a directory when its storage is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) directory: &'a SubjectPath,
    /// Needed operations in it.
    pub(crate) writes: &'a [&'a Write],
    /// How often data in it was synced.
    pub(crate) syncs: u64,
    /// The largest observed size of what was written in it.
    pub(crate) peak_bytes: u64,
    pub(crate) content: Content,
    /// The largest tmpfs that the user wants, in bytes.
    pub(crate) max_tmpfs_bytes: Option<u64>,
}

/// Chooses the storage for a directory.
pub(crate) fn choose(facts: &Facts<'_>) -> Storage {
    match facts.content {
        Content::Files(count) => {
            let files = if count == 1 { "a file".to_owned() } else { format!("{count} files") };
            return Storage::volume(
                format!("the image has {files} there that a tmpfs would hide"),
                Basis::Seen,
            );
        }
        Content::Unknown => {
            let reason = "what the image has there is not known, and a tmpfs would hide it";
            return Storage::volume(reason, Basis::Unknown);
        }
        Content::None => {}
    }
    let mib = facts.peak_bytes >> 20;
    let large = match facts.max_tmpfs_bytes {
        None => facts.peak_bytes > TMPFS_LIMIT_BYTES,
        Some(most) => facts.peak_bytes.saturating_mul(tmpfs_options::HEADROOM) > most,
    };
    let too_large = || Storage::volume(format!("its {mib} MiB would take too much memory"), Basis::Seen);
    if is_temporary(facts.directory) {
        return if facts.syncs > 0 && facts.peak_bytes > SYNCED_CACHE_LIMIT_BYTES {
            Storage::volume(format!("a cache of {mib} MiB that is synced to last"), Basis::Seen)
        } else if large {
            too_large()
        } else {
            let disputed = facts.syncs > 0 && !is_volatile(facts.directory);
            let basis = if disputed { Basis::Convention } else { Basis::Seen };
            Storage::tmpfs("temporary by convention", basis)
        };
    }
    // What is synced is no mere sign of life, whatever its name.
    if facts.syncs == 0 && holds_only_run_files(facts) {
        Storage::tmpfs("only sockets, pid and lock files", Basis::Seen)
    } else if facts.syncs > 0 {
        let times = if facts.syncs == 1 { "once".to_owned() } else { format!("{} times", facts.syncs) };
        Storage::volume(format!("data there is meant to last: it was synced {times}"), Basis::Seen)
    } else if is_lasting(facts.directory) {
        Storage::volume("meant to last by convention", Basis::Convention)
    } else if large {
        too_large()
    } else {
        Storage::tmpfs("nothing there is synced, and it is small", Basis::Default)
    }
}

/// Makes a mount of every mount point.
fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    for target in &draft.layout.targets {
        let told = target.storage.basis == Basis::Told;
        let rules: &[&Rule] =
            if told { &[&mount_points::RULE, &overrides::RULE] } else { &[&mount_points::RULE, &RULE] };
        let grounds = doubt::grounds(rules, doubts(case, target));
        let (evidence, evidence_more) = evidence::of_writes(&target.writes, &case.profile.run);
        let why = why(&draft.layout, target);
        let directory = target.directory.clone();
        if target.storage.tmpfs {
            // Options are the next rule's: until then it may nothing.
            draft.plan.tmpfs.push(TmpfsMount {
                target: directory,
                size: 0,
                mode: String::new(),
                uid: 0,
                gid: 0,
                exec: false,
                suid: false,
                dev: false,
                why,
                evidence,
                evidence_more,
                grounds,
            });
        } else {
            let seeded = target.content != Content::None || case.image.has_directory(&directory);
            draft.plan.volumes.push(VolumeMount {
                name: draft.names.name(&directory),
                target: directory,
                seed_from_image: seeded,
                owner: None,
                why,
                evidence,
                evidence_more,
                grounds,
            });
        }
    }
}

/// What is doubtful about the kind of a mount.
fn doubts(case: &Case<'_>, target: &Target<'_>) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = doubt::of_presence(case.profile).collect();
    match target.storage.basis {
        Basis::Seen => {}
        Basis::Convention => doubts.push(doubt::CONVENTION),
        Basis::Default => doubts.push(doubt::BY_DEFAULT),
        Basis::Unknown => doubts.push(doubt::CONTENT_UNKNOWN),
        Basis::Told => return doubts,
    }
    if target.writes.iter().any(|write| write.collapsed) {
        doubts.push(doubt::COLLAPSED);
    }
    doubts
}

/// Why a mount is there and is what it is.
fn why(layout: &Layout<'_>, target: &Target<'_>) -> String {
    let outer = layout.around(&target.directory).skip(1).filter(|other| other.storage.tmpfs).last();
    let around = outer.filter(|_| target.storage.basis != Basis::Told);
    let mut parts = vec![target.storage.reason.clone()];
    parts.extend(
        around.map(|other| {
            format!("a directory of the image that the tmpfs on {} would hide", other.directory)
        }),
    );
    if !target.writes.is_empty() {
        parts.push(summary(&target.writes));
    }
    parts.join("; ")
}

pub(crate) fn lies_in(path: &SubjectPath, directories: &[&str]) -> bool {
    directories.iter().any(|directory| {
        path.as_bytes()
            .strip_prefix(directory.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

/// Whether what lies in a directory may vanish with the container, going by its path.
pub(crate) fn is_temporary(path: &SubjectPath) -> bool {
    lies_in(path, TEMPORARY) || TEMPORARY_NAMES.contains(&path.file_name())
}

/// Whether what lies in a directory is gone with the next start even of a host, so that nothing there is meant to last.
pub(crate) fn is_volatile(path: &SubjectPath) -> bool {
    lies_in(path, VOLATILE)
}

pub(crate) fn is_lasting(path: &SubjectPath) -> bool {
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
                max_tmpfs_bytes: None,
            };
            assert_eq!(choose(&facts).tmpfs, tmpfs, "{directory} {syncs} {peak_mib} {content:?}");
        }
    }

    #[test]
    fn what_is_synced_is_no_lock_file_whatever_its_name() {
        let lock: Write = serde_json::from_value(serde_json::json!({
            "path": "/var/lib/dav/lock", "op": "create", "errno": 0, "count": 1, "mount": "/",
            "first_ms": 0, "last_ms": 0, "processes": []
        }))
        .unwrap();
        for (syncs, tmpfs) in [(0, true), (5, false)] {
            let facts = Facts {
                directory: &path("/var/lib/dav"),
                writes: &[&lock],
                syncs,
                peak_bytes: 0,
                content: Content::None,
                max_tmpfs_bytes: None,
            };
            assert_eq!(choose(&facts).tmpfs, tmpfs, "{syncs}");
        }
    }
}
