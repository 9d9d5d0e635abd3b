//! The subject's view of its files, kept while it lives: its root, its mount namespace, its mount table. There is one
//! for each mount namespace that its processes are seen in.
//!
//! Names that the subject used are resolved here, inside its root (`openat2` with `RESOLVE_IN_ROOT`), so that no
//! symbolic link of the subject's leads out of it. Never opens anything for more than its path (`O_PATH`), but
//! directories to list them.
//! Falls back to the name as written where a directory is gone already.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    sync::Arc,
    time::Duration,
};

use reports::model::{ObjectKind, SubjectPath};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::mountinfo::{MountEntry, MountTable};
use crate::cgroup::Cgroup;

/// The largest mount table that is read, in bytes.
const MOUNTINFO_MAX: u64 = 16 << 20;

/// How often a view is opened anew where its process is going to another mount namespace: for a moment it has the mounts
/// of the new one and its root in the old one (Linux kernel/fork.c, `ksys_unshare`), from which none of them can be
/// reached. It may have been preempted right there.
const OPEN_TRIES: u32 = 100;
/// Between two of them.
const OPEN_PAUSE: Duration = Duration::from_millis(1);

/// A window into a mount namespace.
#[derive(Debug)]
pub(crate) struct View {
    root: Root,
    /// The namespace's number.
    number: u64,
    /// Holds the namespace, and so its mounts, beyond the death of its processes.
    _namespace: File,
    mounts: MountTable,
    /// Where the table comes from; it can be read after the process's death, too.
    mountinfo: File,
    /// The cgroup of the process that it was opened through, with its id then.
    cgroup: Option<(Cgroup, u64)>,
}

/// The number of a process's mount namespace; `None` where the process is gone.
pub(super) fn namespace_of(tgid: u32) -> Option<u64> {
    rustix::fs::stat(format!("/proc/{tgid}/ns/mnt")).ok().map(|stat| stat.st_ino)
}

impl View {
    /// Opens the view of a process.
    ///
    /// # Errors
    /// Where the process is gone, or is not in a cgroup whose path contains `container` (another process may have
    /// taken its number).
    pub(crate) fn open(tgid: u32, container: Option<&str>) -> std::io::Result<Self> {
        for _ in 1..OPEN_TRIES {
            let view = Self::try_open(tgid, container)?;
            if view.mounts.mount_of(b"/").is_some() && namespace_of(tgid) == Some(view.number) {
                return Ok(view);
            }
            std::thread::sleep(OPEN_PAUSE);
        }
        Self::try_open(tgid, container)
    }

    fn try_open(tgid: u32, container: Option<&str>) -> std::io::Result<Self> {
        let process = format!("/proc/{tgid}");
        let root = rustix::fs::openat(
            CWD,
            format!("{process}/root"),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let namespace = File::open(format!("{process}/ns/mnt"))?;
        let number = rustix::fs::fstat(&namespace)?.st_ino;
        let mut mountinfo = File::open(Path::new(&process).join("mountinfo"))?;
        let mounts = read_mounts(&mut mountinfo)?;
        if let Some(container) = container {
            let cgroups = std::fs::read_to_string(format!("{process}/cgroup"))?;
            if !cgroups.contains(container) {
                return Err(std::io::Error::other("the process belongs to another container"));
            }
        }
        let cgroup = Cgroup::of_process(tgid).ok().and_then(|cgroup| {
            let id = cgroup.id().ok()?;
            Some((cgroup, id))
        });
        Ok(Self { root: Root(Arc::new(root)), number, _namespace: namespace, mounts, mountinfo, cgroup })
    }

    /// Whether the subject has ended that it was opened for: its cgroup is gone, or there is another in its place. A
    /// container that is started again has a new root and new mounts, and what is left of the old ones answers no
    /// more (FUSE), or with what was.
    pub(crate) fn is_stale(&self) -> bool {
        self.cgroup.as_ref().is_some_and(|(cgroup, id)| cgroup.id().ok() != Some(*id))
    }

    /// The processes of the subject that it was opened for.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let cgroups = self.cgroup.iter().flat_map(|(cgroup, _)| cgroup.subtree());
        cgroups.flat_map(|cgroup| cgroup.processes()).collect()
    }

    /// The namespace's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Reads the mount table again where it has changed since (proc(5): a change is an exceptional condition of the file).
    pub(crate) fn refresh(&mut self) {
        let mut changed = [PollFd::new(&self.mountinfo, PollFlags::PRI)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if !matches!(poll(&mut changed, Some(&now)), Ok(1)) {
            return;
        }
        if let Ok(mounts) = read_mounts(&mut self.mountinfo) {
            self.mounts = mounts;
        }
    }

    /// The mount table.
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
            let anchor = self.open_inside(&self.root.0, base)?;
            self.open_inside(&anchor, string)?
        } else {
            self.open_inside(&self.root.0, &[base, b"/", string].concat())?
        };
        let link = std::fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).ok()?;
        let bytes = link.as_os_str().as_bytes();
        // Removed between the two calls.
        if bytes.ends_with(DELETED) {
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
        self.root.stat(path).map_or(ObjectKind::Unknown, |stat| kind_of_mode(stat.st_mode))
    }

    /// The root, to look below it without the view.
    pub(super) fn root(&self) -> Root {
        self.root.clone()
    }
}

/// The subject's root directory. No symbolic link is followed below it, wherever in a path it is.
#[derive(Debug, Clone)]
pub(super) struct Root(Arc<OwnedFd>);

impl Root {
    fn open(&self, path: &SubjectPath, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(&self.0, path.as_bytes(), flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    fn stat(&self, path: &SubjectPath) -> Option<Stat> {
        self.open(path, OFlags::PATH | OFlags::NOFOLLOW).and_then(rustix::fs::fstat).ok()
    }

    /// Bytes that a file takes on its file system (in whole blocks); 0 where it is gone or no regular file.
    pub(super) fn bytes_of(&self, path: &SubjectPath) -> u64 {
        match self.stat(path) {
            Some(stat) if kind_of_mode(stat.st_mode) == ObjectKind::File => bytes_of(&stat),
            _ => 0,
        }
    }

    /// What is in a directory, no more than `room`, which becomes smaller by as much; nothing where it is gone.
    pub(super) fn entries(
        &self,
        directory: &SubjectPath,
        room: &mut usize,
    ) -> impl Iterator<Item = (SubjectPath, Stat)> {
        let opened = || {
            let directory = self.open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
            Ok::<_, rustix::io::Errno>((Dir::read_from(&directory)?, directory))
        };
        let mut found = Vec::new();
        if *room != 0
            && let Ok((entries, opened)) = opened()
        {
            let names = entries.filter_map(Result::ok).map(|entry| entry.file_name().to_owned());
            for name in names.filter(|name| !matches!(name.to_bytes(), b"." | b"..")).take(*room) {
                *room -= 1;
                if let Ok(stat) = rustix::fs::statat(&opened, &name, AtFlags::SYMLINK_NOFOLLOW)
                    && let Ok(path) = directory.join(name.to_bytes())
                {
                    found.push((path, stat));
                }
            }
        }
        found.into_iter()
    }
}

/// What the kernel puts behind the last name of a file that has none any more.
const DELETED: &[u8] = b" (deleted)";

/// Bytes that a file takes on its file system (in whole blocks).
pub(super) fn bytes_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512)
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

fn read_mounts(mountinfo: &mut File) -> std::io::Result<MountTable> {
    let mut text = Vec::new();
    mountinfo.seek(SeekFrom::Start(0))?;
    mountinfo.take(MOUNTINFO_MAX).read_to_end(&mut text)?;
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
        assert!(own().root().bytes_of(&path(&folder.join("real/file"))) > 0);
        // The subject may have put a link there since the path was resolved.
        assert_eq!(own().root().bytes_of(&path(&folder.join("link/file"))), 0);
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
