//! How large what the subject writes becomes, for the `size=` of a tmpfs.
//!
//! Measured by looking now and then at the files that were written, not by counting in the kernel: a peak between
//! two looks is missed, which the planner's headroom is for. The kernel half names only some of the files of a
//! directory, so that directories are listed: what has changed in them since the run began counts. Files that are open
//! without a name any more are looked at more often, as they are soon gone (see `look`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::SystemTime,
};

use profiler_ebpf::{call::op, record::scope};
use reports::model::{DirectorySize, ObjectKind, SubjectPath};

use super::{
    Collected, unlinked,
    view::{Root, bytes_of, kind_of_mode},
};

/// The most files looked at in one go.
const MAX_FILES: usize = 20_000;

/// Written directories in a directory from which on those beside them are looked into as well: the kernel half keeps the
/// names of 256 of them, and of fewer as its table fills.
const MANY_DIRECTORIES: usize = 64;

/// The status of a file changes by a clock that may be some ticks behind (Linux `ktime_get_coarse_real_ts64`), in seconds.
const CLOCK_SLACK_S: i64 = 1;

/// Peaks by directory, in bytes.
#[derive(Debug)]
pub(super) struct Sizes {
    peaks: HashMap<SubjectPath, Peak>,
    /// When the run began, in seconds of the Unix epoch.
    since_s: i64,
}

/// The most that was seen below a directory, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Peak {
    total: u64,
    unlinked: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX) - CLOCK_SLACK_S;
        Self { peaks: HashMap::new(), since_s }
    }
}

impl Sizes {
    /// Takes in what files that have names come to now.
    pub(super) fn raise_named(&mut self, named: &HashMap<SubjectPath, u64>) {
        for (directory, bytes) in named {
            self.raise(directory, *bytes, 0);
        }
    }

    /// Takes in what files without names come to now, on top of those that have names.
    pub(super) fn raise_unlinked(
        &mut self,
        unlinked: &HashMap<SubjectPath, u64>,
        named: &HashMap<SubjectPath, u64>,
    ) {
        for (directory, bytes) in unlinked {
            self.raise(directory, named.get(directory).copied().unwrap_or(0), *bytes);
        }
    }

    fn raise(&mut self, directory: &SubjectPath, named: u64, unlinked: u64) {
        let peak = match self.peaks.get_mut(directory) {
            Some(peak) => peak,
            None => self.peaks.entry(directory.clone()).or_default(),
        };
        peak.total = peak.total.max(named.saturating_add(unlinked));
        peak.unlinked = peak.unlinked.max(unlinked);
    }

    /// The peaks, sorted by path.
    pub(super) fn report(&self) -> Vec<DirectorySize> {
        let sorted: BTreeMap<_, _> = self.peaks.iter().collect();
        sorted
            .into_iter()
            .filter(|(_, peak)| peak.total != 0)
            .map(|(path, peak)| DirectorySize {
                path: path.clone(),
                peak_bytes: peak.total,
                unlinked_bytes: peak.unlinked,
            })
            .collect()
    }
}

/// What is to be looked at, taken down so that nothing is locked meanwhile.
#[derive(Debug)]
pub(super) struct Survey {
    root: Root,
    /// Files that were written, sorted.
    files: BTreeSet<SubjectPath>,
    since_s: i64,
}

impl Collected {
    /// Every file that was opened, created or renamed successfully; `None` before the subject was seen.
    pub(super) fn survey(&self) -> Option<Survey> {
        let root = self.view.as_ref()?.root();
        let files = self
            .operations
            .iter()
            .filter(|(key, _)| {
                key.errno == 0
                    && key.scope == scope::NAME
                    && matches!(key.op, op::OPEN | op::CREATE | op::RENAME | op::LINK | op::TRUNCATE)
            })
            .map(|(_, operation)| operation.path.clone())
            .take(MAX_FILES)
            .collect();
        Some(Survey { root, files, since_s: self.sizes.since_s })
    }
}

impl Survey {
    /// Bytes by directory now.
    pub(super) fn measure(&self) -> HashMap<SubjectPath, u64> {
        let mut found: HashMap<SubjectPath, u64> =
            self.files.iter().map(|file| (file.clone(), self.root.bytes_of(file))).collect();
        let mut room = MAX_FILES;
        let mut directories: BTreeSet<SubjectPath> =
            self.files.iter().filter_map(SubjectPath::parent).collect();
        for above in crowded(&directories) {
            let below = self.root.entries(&above, &mut room);
            let below = below.filter(|(_, stat)| kind_of_mode(stat.st_mode) == ObjectKind::Directory);
            directories.extend(below.map(|(path, _)| path));
        }
        for directory in directories.iter().filter(|directory| !directory.is_root()) {
            for (path, stat) in self.root.entries(directory, &mut room) {
                if kind_of_mode(stat.st_mode) == ObjectKind::File && stat.st_ctime >= self.since_s {
                    found.insert(path, bytes_of(&stat));
                }
            }
        }
        add_up(found)
    }
}

/// Directories that many of these are in.
fn crowded(directories: &BTreeSet<SubjectPath>) -> Vec<SubjectPath> {
    let mut counts: BTreeMap<SubjectPath, usize> = BTreeMap::new();
    for above in directories.iter().filter_map(SubjectPath::parent).filter(|above| !above.is_root()) {
        *counts.entry(above).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count >= MANY_DIRECTORIES).map(|(above, _)| above).collect()
}

/// Bytes by directory of the files that these processes hold open without a name.
pub(super) fn of_unlinked(processes: Vec<u32>) -> HashMap<SubjectPath, u64> {
    add_up(unlinked::files(processes, MAX_FILES))
}

/// The bytes of files by directory, each counted in every directory above it but the root.
fn add_up(files: impl IntoIterator<Item = (SubjectPath, u64)>) -> HashMap<SubjectPath, u64> {
    let mut totals: HashMap<SubjectPath, u64> = HashMap::new();
    for (file, bytes) in files.into_iter().filter(|(_, bytes)| *bytes != 0) {
        for directory in file.ancestors().skip(1).filter(|directory| !directory.is_root()) {
            *totals.entry(directory).or_default() += bytes;
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use crate::collect::View;

    fn path(path: &std::path::Path) -> SubjectPath {
        SubjectPath::from_bytes(path.as_os_str().as_bytes()).unwrap()
    }

    #[test]
    fn files_count_whose_names_were_not_kept_and_old_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        for name in 0..4 {
            std::fs::write(folder.join(name.to_string()), [1; 8192]).unwrap();
        }
        for name in 0..=MANY_DIRECTORIES {
            let below = folder.join(format!("dir{name}"));
            std::fs::create_dir(&below).unwrap();
            std::fs::write(below.join("file"), [1; 8192]).unwrap();
        }
        // Those of the last directory, and all but one of the files, are not among the names.
        let named = (0..MANY_DIRECTORIES).map(|name| path(&folder.join(format!("dir{name}/file"))));
        let files: BTreeSet<_> = named.chain([path(&folder.join("0"))]).collect();
        let root = View::open(std::process::id(), None).unwrap().root();
        let measured = |since_s| {
            let survey = Survey { root: root.clone(), files: files.clone(), since_s };
            survey.measure().get(&path(&folder)).copied().unwrap_or(0)
        };
        let all = u64::try_from(4 + MANY_DIRECTORIES + 1).unwrap() * 8192;
        assert_eq!(measured(Sizes::default().since_s - 600), all);
        // Written before the run: only what it is known to have written itself.
        assert_eq!(measured(i64::MAX), all - 4 * 8192);
    }
}
