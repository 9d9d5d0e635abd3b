//! Too many names: which directories stand for all that lies below them.
//!
//! Owns the rule. A directory is folded where more than [`Folding::names`] names in it were written, or where more than
//! [`Folding::crowds`] of those are crowds: folded themselves, or with more than [`Folding::crowd`] names each (caches that
//! spread files over directories by a hash). The root never is. Both counts only grow with what is added, and what is
//! folded stays a name in the directory above: so it makes no difference when the rule is applied.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::SubjectPath;

/// How many names of a directory are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folding {
    /// The most names in one directory.
    pub names: usize,
    /// How many names make a crowd.
    pub crowd: usize,
    /// The most crowds in one directory.
    pub crowds: usize,
}

impl Default for Folding {
    /// So that only what differs from run to run gets there, and a cache of 16 × 256 directories does so before it takes much
    /// memory. The sensors keep 64 names of a directory in one run.
    fn default() -> Self {
        Self { names: 1024, crowd: 16, crowds: 32 }
    }
}

/// Directories that stand for what lies below them, none in another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Folded(BTreeSet<SubjectPath>);

impl Folded {
    /// Takes in more; whether that changed anything.
    pub(super) fn extend(&mut self, more: impl IntoIterator<Item = SubjectPath>) -> bool {
        let mut changed = false;
        for directory in more {
            if !directory.is_root() && self.above(&directory).is_none() {
                changed |= self.0.insert(directory);
            }
        }
        if changed {
            // Sorted: what lies above comes before what it now stands for.
            for directory in std::mem::take(&mut self.0) {
                if self.above(&directory).is_none() {
                    self.0.insert(directory);
                }
            }
        }
        changed
    }

    /// The directory that stands for what lies strictly below it, `path` among that.
    pub(super) fn above(&self, path: &SubjectPath) -> Option<SubjectPath> {
        if self.0.is_empty() {
            return None;
        }
        path.ancestors().skip(1).find(|above| self.0.contains(above))
    }

    pub(super) fn into_sorted(self) -> Vec<SubjectPath> {
        self.0.into_iter().collect()
    }
}

impl Folding {
    /// The directories that the rule folds where these objects were written.
    pub(super) fn crowded<'p>(
        self,
        objects: impl Iterator<Item = &'p SubjectPath>,
        folded: &'p Folded,
    ) -> Vec<SubjectPath> {
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let mut names: HashMap<&[u8], usize> = HashMap::new();
        for object in objects.chain(&folded.0) {
            let mut path = object.as_bytes();
            // Whoever was seen, was counted with all above.
            while let Some(above) = parent(path).filter(|_| seen.insert(path)) {
                *names.entry(above).or_default() += 1;
                path = above;
            }
        }
        // What is below a folded one has no names any more.
        let known: HashSet<&[u8]> = folded.0.iter().map(SubjectPath::as_bytes).collect();
        for directory in &known {
            names.entry(directory).or_default();
        }
        let mut directories: Vec<(&[u8], usize)> = names.into_iter().collect();
        // What lies below comes first: it is longer.
        directories.sort_unstable_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let mut crowds: HashMap<&[u8], usize> = HashMap::new();
        let mut found = Vec::new();
        for (path, names) in directories {
            let Some(above) = parent(path) else { continue };
            let is_crowded =
                names > self.names || crowds.get(path).is_some_and(|crowds| *crowds > self.crowds);
            if is_crowded {
                found.extend(SubjectPath::from_bytes(path));
            }
            if is_crowded || names > self.crowd || known.contains(path) {
                *crowds.entry(above).or_default() += 1;
            }
        }
        found
    }
}

/// The directory that holds a normalised path; `None` for the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    if path == b"/" {
        return None;
    }
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    if slash == 0 { Some(b"/") } else { path.get(..slash) }
}
