//! Cgroups of the default hierarchy (version 2): where they are, what is in them, and one of our own.

use std::{
    io,
    ops::Deref,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal};

use crate::{
    failure::{Failure, Kind},
    host::{IN_A_CONTAINER, process_start_time},
};

/// A cgroup, by its directory.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// The cgroup at a directory of the default hierarchy; a path that is no directory is taken relative to its root.
    ///
    /// # Errors
    /// Where it is none.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        let directory = if path.join("cgroup.procs").is_file() {
            path.to_path_buf()
        } else {
            root()?.join(path.strip_prefix("/").unwrap_or(path))
        };
        // `cgroup.controllers` stands in every directory of version 2, and in none of version 1.
        if directory.join("cgroup.controllers").is_file() {
            Ok(Self(directory))
        } else {
            Err(Failure::new(Kind::Usage, format!("{}: this is no cgroup of version 2", path.display()))
                .hint("`systemd-cgls` or `find /sys/fs/cgroup -name cgroup.controllers` shows what there is"))
        }
    }

    /// The cgroup of a process.
    ///
    /// # Errors
    /// Where the process is gone, or in no cgroup of version 2.
    pub(crate) fn of_process(pid: u32) -> Result<Self, Failure> {
        let gone = |error: io::Error| Failure::new(Kind::Host, format!("process {pid}: {error}"));
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).map_err(gone)?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(|| {
            Failure::new(
                Kind::Host,
                format!(
                    "process {pid} is in no cgroup of version 2; hosts with version 1 alone are not supported"
                ),
            )
        })?;
        // Seen from a namespace, cgroups outside of it lie above its root.
        if path.starts_with("/..") {
            let what = format!("the cgroup of process {pid} lies outside of this process's cgroup namespace");
            return Err(Failure::new(Kind::Host, what).hint(IN_A_CONTAINER));
        }
        Self::at(&root()?.join(path.trim_start_matches('/')))
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Its id: the inode number of its directory.
    ///
    /// # Errors
    /// Where it is gone.
    pub(crate) fn id(&self) -> io::Result<u64> {
        std::fs::metadata(&self.0).map(|metadata| metadata.ino())
    }

    /// Itself and all cgroups below it.
    pub(crate) fn subtree(&self) -> Vec<Self> {
        let mut all = vec![self.clone()];
        let mut next = 0;
        while let Some(cgroup) = all.get(next) {
            let children: Vec<_> = std::fs::read_dir(&cgroup.0)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| Self(entry.path()))
                .collect();
            all.extend(children);
            next += 1;
        }
        all
    }

    /// The processes in it, without those in cgroups below it.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0).collect()
    }
}

/// A cgroup of our own. Dropping it kills what is in it and removes it.
#[derive(Debug)]
pub(crate) struct OwnCgroup(Cgroup);

impl OwnCgroup {
    /// Makes one, and removes those that killed processes of this program left behind.
    ///
    /// # Errors
    /// Where no default hierarchy is mounted, or it is not ours to change.
    pub(crate) fn create() -> Result<Self, Failure> {
        let root = root()?;
        remove_leftovers(&root);
        let pid = std::process::id();
        let start = process_start_time(pid).unwrap_or(0);
        let path = root.join(format!("writepath-{pid}-{start}"));
        std::fs::create_dir(&path)
            .map_err(|error| {
                Failure::new(Kind::Host, format!("no cgroup can be made, {}: {error}", path.display()))
                    .hint("the cgroup hierarchy of version 2 has to be writable, as it is for root outside of containers")
            })?;
        Ok(Self(Cgroup(path)))
    }
}

impl Deref for OwnCgroup {
    type Target = Cgroup;

    fn deref(&self) -> &Cgroup {
        &self.0
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        remove(&self.0.0);
    }
}

/// Kills what is in a cgroup, and removes it and those below it.
fn remove(path: &Path) {
    let mut subtree = Cgroup(path.to_path_buf()).subtree();
    subtree.reverse();
    for cgroup in subtree {
        // A process leaves its cgroup only when it has ended: try until all have, or for two seconds.
        for _ in 0..100 {
            for pid in cgroup.processes() {
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                }
            }
            if std::fs::remove_dir(&cgroup.0).is_ok() || !cgroup.0.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Removes cgroups of processes that are gone.
fn remove_leftovers(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix("writepath-"))
            .and_then(|rest| rest.split_once('-'));
        let Some((pid, start)) = owner else { continue };
        let (Ok(pid), Ok(start)) = (pid.parse(), start.parse()) else { continue };
        if process_start_time(pid) != Some(start) {
            remove(&entry.path());
        }
    }
}

/// Which hierarchies a host has mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Version 2 alone, at this directory.
    Unified(PathBuf),
    /// Version 1, and version 2 beside it at this directory.
    Hybrid(PathBuf),
    /// Version 1 alone.
    Legacy,
    /// None.
    Nothing,
}

impl Mode {
    /// That of this host, as this process sees it.
    pub(crate) fn of_host() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    fn parse(mountinfo: &str) -> Self {
        let mut version_2 = None;
        let mut has_version_1 = false;
        for line in mountinfo.lines() {
            // … root mount-point options … - type source …
            let Some((left, right)) = line.split_once(" - ") else { continue };
            match right.split(' ').next() {
                Some("cgroup2") if version_2.is_none() => {
                    version_2 = left.split(' ').nth(4).map(PathBuf::from);
                }
                Some("cgroup") => has_version_1 = true,
                _ => {}
            }
        }
        match (version_2, has_version_1) {
            (Some(root), false) => Self::Unified(root),
            (Some(root), true) => Self::Hybrid(root),
            (None, true) => Self::Legacy,
            (None, false) => Self::Nothing,
        }
    }

    /// The root of the default hierarchy.
    ///
    /// # Errors
    /// Where it is not mounted, with the commands that mount it.
    pub(crate) fn into_root(self) -> Result<PathBuf, Failure> {
        const MISSING: &str = "no cgroup hierarchy of version 2 is mounted";
        match self {
            Self::Unified(root) | Self::Hybrid(root) => Ok(root),
            Self::Legacy => Err(Failure::new(
                Kind::Host,
                format!("{MISSING}; hosts with version 1 alone are not supported, as containers cannot be told apart there"),
            )
            .hint("mount it beside version 1, where containers that are started later use it too: mount -o remount,rw /sys/fs/cgroup && mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
            .hint("or boot with version 2 alone: add systemd.unified_cgroup_hierarchy=1 to the kernel's command line")),
            Self::Nothing => Err(Failure::new(Kind::Host, MISSING)
                .hint("mount it: mkdir -p /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup")),
        }
    }
}

/// Where the default hierarchy is mounted: `/sys/fs/cgroup` on most hosts, `/sys/fs/cgroup/unified` on hybrid ones.
///
/// # Errors
/// Where it is not.
pub(crate) fn root() -> Result<PathBuf, Failure> {
    Mode::of_host().into_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_cgroup_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Cgroup::at(folder.path()).unwrap_err();
        assert!(matches!(failure.kind, Kind::Usage | Kind::Host), "{failure:?}");
    }

    #[test]
    fn modes_are_told_by_what_is_mounted() {
        let line = |point: &str, kind: &str| format!("30 24 0:26 / {point} rw,nosuid - {kind} none rw\n");
        let (one, two) = (line("/sys/fs/cgroup/memory", "cgroup"), line("/sys/fs/cgroup", "cgroup2"));
        let beside = line("/sys/fs/cgroup/unified", "cgroup2");
        let mode = |mountinfo: &[&str]| Mode::parse(&mountinfo.concat());
        assert_eq!(mode(&[&two]), Mode::Unified("/sys/fs/cgroup".into()));
        assert_eq!(mode(&[&one, &beside]), Mode::Hybrid("/sys/fs/cgroup/unified".into()));
        assert_eq!(mode(&[&one]), Mode::Legacy);
        assert_eq!(mode(&[&line("/", "ext4")]), Mode::Nothing);
        for mode in [Mode::Legacy, Mode::Nothing] {
            let failure = mode.into_root().unwrap_err();
            assert!(
                failure.kind == Kind::Host && failure.hints[0].contains("mount -t cgroup2"),
                "{failure:?}"
            );
        }
    }
}
