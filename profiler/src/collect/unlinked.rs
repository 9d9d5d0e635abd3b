//! Files that the subject holds open and whose names are gone: they take up room until they are closed.
//!
//! Seen through the descriptors of its processes (proc(5), `/proc/PID/fd`), which show the former name. What is merely
//! mapped is not seen. Never opens a file.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;

use reports::model::SubjectPath;
use rustix::fs::{AtFlags, CWD, FileType, statat};

/// What the kernel appends to a name that is gone (Linux fs/d_path.c, `d_path`).
const DELETED: &[u8] = b" (deleted)";

/// How the names of files begin that lie on mounts of the kernel's own (Linux mm/memfd.c, ipc/shm.c).
const NOWHERE: [&[u8]; 2] = [b"/memfd:", b"/SYSV"];

/// Former names of such files of these processes, with the bytes that each takes on its file system; at most `limit`
/// descriptors are looked at.
pub(super) fn files(processes: impl IntoIterator<Item = u32>, limit: usize) -> Vec<(SubjectPath, u64)> {
    let mut seen = HashSet::new();
    let descriptors = processes
        .into_iter()
        .filter_map(|process| std::fs::read_dir(format!("/proc/{process}/fd")).ok())
        .flat_map(|directory| directory.filter_map(Result::ok));
    descriptors
        .take(limit)
        .filter_map(|descriptor| {
            let descriptor = descriptor.path();
            let link = std::fs::read_link(&descriptor).ok()?;
            if NOWHERE.iter().any(|start| link.as_os_str().as_bytes().starts_with(start)) {
                return None;
            }
            let former = SubjectPath::from_bytes(link.as_os_str().as_bytes().strip_suffix(DELETED)?).ok()?;
            // Follows to the open file itself.
            let stat = statat(CWD, &descriptor, AtFlags::empty()).ok()?;
            let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            if !is_file || !seen.insert((stat.st_dev, stat.st_ino)) {
                return None;
            }
            Some((former, u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_without_a_name_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone");
        let mut file = std::fs::File::create(&path).unwrap();
        let _twin = file.try_clone().unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        file.sync_all().unwrap();
        let named = SubjectPath::from_bytes(path.canonicalize().unwrap().as_os_str().as_bytes()).unwrap();
        let found = || {
            let files = files([std::process::id()], usize::MAX).into_iter();
            files.filter(|(path, _)| *path == named).map(|(_, bytes)| bytes).collect::<Vec<_>>()
        };
        assert!(found().is_empty(), "it still has its name");
        std::fs::remove_file(&path).unwrap();
        let bytes = found();
        assert!(matches!(bytes[..], [size] if size >= 100_000), "{bytes:?}");
    }
}
