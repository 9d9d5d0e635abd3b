//! How large what the subject writes becomes, for the `size=` of a tmpfs.
//!
//! Measured by looking now and then at the files that were written, not by counting in the kernel: a peak between
//! two looks is missed, which the planner's headroom is for.

use std::collections::{BTreeMap, HashMap};

use profiler_ebpf::{call::op, record::scope};
use reports::model::{DirectorySize, SubjectPath};

use super::Collected;

/// The most files looked at in one go.
const MAX_FILES: usize = 20_000;

/// Peaks by directory, in bytes.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    peaks: HashMap<SubjectPath, u64>,
}

impl Sizes {
    /// The peaks, sorted by path.
    pub(super) fn report(&self) -> Vec<DirectorySize> {
        let sorted: BTreeMap<_, _> = self.peaks.iter().collect();
        sorted
            .into_iter()
            .filter(|(_, bytes)| **bytes != 0)
            .map(|(path, bytes)| DirectorySize { path: path.clone(), peak_bytes: *bytes })
            .collect()
    }
}

impl Collected {
    /// Looks at every file that was opened, created or renamed successfully, and adds up by directory.
    pub(super) fn measure_sizes(&mut self) {
        let Some(view) = &self.view else { return };
        let mut files: Vec<&SubjectPath> = self
            .operations
            .iter()
            .filter(|(key, _)| {
                key.errno == 0
                    && key.scope == scope::NAME
                    && matches!(key.op, op::OPEN | op::CREATE | op::RENAME | op::LINK | op::TRUNCATE)
            })
            .map(|(_, operation)| &operation.path)
            .take(MAX_FILES)
            .collect();
        files.sort_unstable();
        files.dedup();
        let mut totals: HashMap<SubjectPath, u64> = HashMap::new();
        for file in files {
            let bytes = view.bytes_of(file);
            if bytes == 0 {
                continue;
            }
            for directory in file.ancestors().skip(1).filter(|directory| !directory.is_root()) {
                *totals.entry(directory).or_default() += bytes;
            }
        }
        for (directory, bytes) in totals {
            let peak = self.sizes.peaks.entry(directory).or_default();
            *peak = bytes.max(*peak);
        }
    }
}
