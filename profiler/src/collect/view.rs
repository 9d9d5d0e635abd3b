//! The subject's view of its files, kept while it lives: its root, its mount namespace, its mount table.
//!
//! Names that the subject used are resolved here, inside its root (`openat2` with `RESOLVE_IN_ROOT`), so that no
//! symbolic link of the subject's leads out of it. Never opens anything for more than its path (`O_PATH`).
//! Falls back to the name as written where a directory is gone already.

use std::{
    fs::File,
    io::Read,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use reports::model::{ObjectKind, SubjectPath};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};

use super::mountinfo::{MountEntry, MountTable};

/// The largest mount table that is read, in bytes.
const MOUNTINFO_MAX: u64 = 16 << 20;

/// A window into a mount namespace.
#[derive(Debug)]
pub(crate) struct View {
    root: OwnedFd,
    /// Holds the namespace, and so its mounts, beyond the death of its processes.
    _namespace: File,
    mounts: MountTable,
}

impl View {
    /// Opens the view of a process.
    ///
    /// # Errors
    /// Where the process is gone, or is not in a cgroup whose path contains `container` (another process may have
    /// taken its number).
    pub(crate) fn open(tgid: u32, container: Option<&str>) -> std::io::Result<Self> {
        let process = format!("/proc/{tgid}");
        let root = rustix::fs::openat(
            CWD,
            format!("{process}/root"),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let namespace = File::open(format!("{process}/ns/mnt"))?;
        let mounts = read_mounts(&process)?;
        if let Some(container) = container {
            let cgroups = std::fs::read_to_string(format!("{process}/cgroup"))?;
            if !cgroups.contains(container) {
                return Err(std::io::Error::other("the process belongs to another container"));
            }
        }
        Ok(Self { root, _namespace: namespace, mounts })
    }

    /// The mount table, as it was when the view was opened.
    pub(crate) fn mounts(&self) -> &[MountEntry] {
        self.mounts.entries()
    }

    /// The mount point that a resolved path lies below.
    pub(crate) fn mount_point_of(&self, path: &SubjectPath) -> SubjectPath {
        self.mounts
            .mount_of(path.as_bytes())
            .and_then(|mount| SubjectPath::from_bytes(&mount.target).ok())
            .unwrap_or_else(SubjectPath::root)
    }

    /// Resolves `string` relative to the directory `base` (an absolute path without symbolic links). An absolute
    /// `string` counts from `base`, the root of the process that used it.
    ///
    /// `spare_last`: the last component names the object itself, even where it is a symbolic link.
    pub(crate) fn resolve(&self, base: &[u8], string: &[u8], spare_last: bool) -> Option<SubjectPath> {
        let trimmed = trim_slashes(string);
        let split = trimmed.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let (directory, last) = trimmed.split_at_checked(split)?;
        let whole = !spare_last || matches!(last, b"" | b"." | b"..");
        if whole && let Some(path) = self.real_path(base, trimmed) {
            return Some(path);
        }
        let (mut directory, mut rest) = (directory.to_vec(), last.to_vec());
        // Climb until a directory exists; what was removed since is taken as written.
        loop {
            if let Some(path) = self.real_path(base, &directory) {
                return SubjectPath::from_bytes(&[path.as_bytes(), b"/", &rest].concat()).ok();
            }
            let shorter = trim_slashes(&directory).to_vec();
            if shorter.is_empty() {
                return SubjectPath::from_bytes(&[base, b"/", string].concat()).ok();
            }
            let split = shorter.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            rest = [&shorter[split..], b"/", &rest].concat();
            directory = shorter[..split].to_vec();
        }
    }

    /// The path of what `string` leads to from `base`, all links followed; `None` where it does not exist.
    fn real_path(&self, base: &[u8], string: &[u8]) -> Option<SubjectPath> {
        let opened = if string.first() == Some(&b'/') && base != b"/" {
            let anchor = self.open_inside(&self.root, base)?;
            self.open_inside(&anchor, string)?
        } else {
            self.open_inside(&self.root, &[base, b"/", string].concat())?
        };
        let link = std::fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).ok()?;
        let bytes = link.as_os_str().as_bytes();
        // Removed between the two calls.
        if bytes.ends_with(b" (deleted)") {
            return None;
        }
        SubjectPath::from_bytes(bytes).ok()
    }

    fn open_inside(&self, root: &OwnedFd, path: &[u8]) -> Option<OwnedFd> {
        rustix::fs::openat2(
            root,
            path,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
        .ok()
    }

    /// What a resolved path is, without following it.
    pub(crate) fn kind_of(&self, path: &SubjectPath) -> ObjectKind {
        let opened = rustix::fs::openat2(
            &self.root,
            path.as_bytes(),
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
        );
        let Ok(stat) = opened.and_then(rustix::fs::fstat) else { return ObjectKind::Unknown };
        kind_of_mode(stat.st_mode)
    }

    /// Bytes that a file takes on its file system (in whole blocks); 0 where it is gone or no regular file.
    pub(crate) fn bytes_of(&self, path: &SubjectPath) -> u64 {
        // No link is followed: only the last component could be one, the rest was resolved.
        let relative = path.as_bytes().get(1..).unwrap_or_default();
        match rustix::fs::statat(&self.root, relative, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512)
            }
            _ => 0,
        }
    }
}

/// The kind in an `i_mode`.
pub(crate) fn kind_of_mode(mode: u32) -> ObjectKind {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => ObjectKind::File,
        FileType::Directory => ObjectKind::Directory,
        FileType::Symlink => ObjectKind::Symlink,
        FileType::Fifo => ObjectKind::Fifo,
        FileType::Socket => ObjectKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => ObjectKind::Device,
        FileType::Unknown => ObjectKind::Unknown,
    }
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}

fn read_mounts(process: &str) -> std::io::Result<MountTable> {
    let mut text = Vec::new();
    File::open(Path::new(process).join("mountinfo"))?.take(MOUNTINFO_MAX).read_to_end(&mut text)?;
    Ok(MountTable::parse(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view of this process's own root.
    fn own() -> View {
        View::open(std::process::id(), None).unwrap()
    }

    fn resolve(base: &Path, string: &str, spare_last: bool) -> SubjectPath {
        own().resolve(base.as_os_str().as_bytes(), string.as_bytes(), spare_last).unwrap()
    }

    fn path(path: &Path) -> SubjectPath {
        SubjectPath::from_bytes(path.as_os_str().as_bytes()).unwrap()
    }

    #[test]
    fn links_on_the_way_are_followed_and_the_last_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(folder.join("real/deep")).unwrap();
        std::fs::write(folder.join("real/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", folder.join("link")).unwrap();
        std::os::unix::fs::symlink("file", folder.join("real/last")).unwrap();
        assert_eq!(resolve(&folder, "link/new", true), path(&folder.join("real/new")));
        assert_eq!(resolve(&folder, "link", true), path(&folder.join("link")));
        assert_eq!(resolve(&folder, "link/last", false), path(&folder.join("real/file")));
        assert_eq!(resolve(&folder, "link/deep/..", true), path(&folder.join("real")));
        assert_eq!(resolve(&folder, "link/deep/", true), path(&folder.join("real/deep")));
        assert_eq!(own().kind_of(&path(&folder.join("real"))), ObjectKind::Directory);
        assert_eq!(own().kind_of(&path(&folder.join("link"))), ObjectKind::Symlink);
        assert!(own().bytes_of(&path(&folder.join("real/file"))) > 0);
    }

    #[test]
    fn what_is_gone_is_taken_as_written_below_what_remains() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("real")).unwrap();
        std::os::unix::fs::symlink("real", folder.join("link")).unwrap();
        assert_eq!(resolve(&folder, "link/gone/away/x", true), path(&folder.join("real/gone/away/x")));
    }

    #[test]
    fn absolute_names_stay_inside_a_changed_root() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("jail")).unwrap();
        std::os::unix::fs::symlink("/etc", folder.join("jail/out")).unwrap();
        std::fs::create_dir(folder.join("jail/etc")).unwrap();
        assert_eq!(resolve(&folder.join("jail"), "/out/passwd", true), path(&folder.join("jail/etc/passwd")));
    }
}
