//! The directories that a profile's operations lie in, each looked at once.
//!
//! Owns a number for each of them, and which of some places they lie on, so that what depends on the directory alone
//! is looked up for each directory and not for each of a million operations in it. Never decides what an operation
//! needs (see `needs`).

use foldhash::{HashMap, HashMapExt as _};
use std::num::NonZeroU32;

use crate::model::{Op, SubjectPath, Write};

/// A directory that operations lie in, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Directory(NonZeroU32);

impl Directory {
    fn index(self) -> usize {
        usize::try_from(self.0.get()).unwrap_or(usize::MAX).saturating_sub(1)
    }
}

/// Where the names of an operation lie: the directories that hold them, or those that they are where the operation is
/// in the directory itself. `/` lies in none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) path: Option<Directory>,
    pub(super) from: Option<Directory>,
}

/// The operations of a profile with the directories that they lie in.
pub(super) struct Directories<'a> {
    writes: &'a [Write],
    /// One for each of `writes`.
    ends: Vec<Ends>,
    paths: Vec<SubjectPath>,
    numbers: HashMap<&'a [u8], Directory>,
}

/// A set of directories.
pub(super) struct Marks(Vec<bool>);

impl Marks {
    fn has(&self, directory: Directory) -> bool {
        self.0.get(directory.index()).copied().unwrap_or_default()
    }

    pub(super) fn mark(&mut self, directory: Directory) {
        if let Some(mark) = self.0.get_mut(directory.index()) {
            *mark = true;
        }
    }
}

impl<'a> Directories<'a> {
    pub(super) fn of(writes: &'a [Write]) -> Self {
        let mut directories = Self {
            writes,
            ends: Vec::with_capacity(writes.len()),
            paths: Vec::new(),
            numbers: HashMap::new(),
        };
        for write in writes {
            let itself = is_in_itself(write);
            let path = directories.number(&write.path, itself);
            let from = write.from.as_ref().and_then(|from| directories.number(from, itself));
            directories.ends.push(Ends { path, from });
        }
        directories
    }

    /// The number of the directory that is `path`, or else holds it, a new one where it has none.
    fn number(&mut self, path: &'a SubjectPath, itself: bool) -> Option<Directory> {
        let bytes = if itself { path.as_bytes() } else { above(path.as_bytes())? };
        if let Some(known) = self.numbers.get(bytes) {
            return Some(*known);
        }
        self.paths.push(if itself { path.clone() } else { path.parent()? });
        let number = Directory(NonZeroU32::new(u32::try_from(self.paths.len()).ok()?)?);
        self.numbers.insert(bytes, number);
        Some(number)
    }

    /// Every operation, in the order of the profile.
    pub(super) fn writes(&self) -> impl Iterator<Item = (&'a Write, Ends)> {
        self.writes.iter().zip(self.ends.iter().copied())
    }

    /// The path of a directory.
    pub(super) fn path(&self, directory: Directory) -> Option<&SubjectPath> {
        self.paths.get(directory.index())
    }

    pub(super) fn is_root(&self, directory: Directory) -> bool {
        self.path(directory).is_some_and(SubjectPath::is_root)
    }

    /// The empty set.
    pub(super) fn marks(&self) -> Marks {
        Marks(vec![false; self.paths.len()])
    }

    /// The paths of a set.
    pub(super) fn marked(&self, marks: &Marks) -> impl Iterator<Item = &SubjectPath> {
        self.paths.iter().zip(&marks.0).filter(|(_, marked)| **marked).map(|(path, _)| path)
    }

    /// Which of some places the operations lie on.
    pub(super) fn innermost<'p>(&self, places: impl IntoIterator<Item = &'p SubjectPath>) -> Innermost<'p> {
        let mut places: Vec<&SubjectPath> = places.into_iter().collect();
        places.sort_unstable();
        places.dedup();
        let mut innermost = Innermost { places, around: Vec::new(), holds: self.marks() };
        let around = self.paths.iter().map(|directory| {
            ancestors(directory)
                .find_map(|ancestor| innermost.at(ancestor))
                .and_then(|at| u32::try_from(at).ok())
        });
        innermost.around = around.collect();
        for place in &innermost.places {
            if let Some(holder) = above(place.as_bytes()).and_then(|holder| self.numbers.get(holder)) {
                innermost.holds.mark(*holder);
            }
        }
        innermost
    }
}

/// The innermost of some places that an operation lies on.
pub(super) struct Innermost<'p> {
    /// Sorted, each once.
    places: Vec<&'p SubjectPath>,
    /// For every directory the place that it is or lies below.
    around: Vec<Option<u32>>,
    /// The directories that hold places: a name in one of those may be a place itself.
    holds: Marks,
}

impl<'p> Innermost<'p> {
    /// The places, sorted, each once.
    pub(super) fn places(&self) -> &[&'p SubjectPath] {
        &self.places
    }

    fn at(&self, path: &[u8]) -> Option<usize> {
        self.places.binary_search_by(|place| place.as_bytes().cmp(path)).ok()
    }

    /// The place that a directory is or lies below, as an index.
    fn index_around(&self, directory: Directory) -> Option<usize> {
        self.around.get(directory.index()).copied().flatten().and_then(|at| usize::try_from(at).ok())
    }

    /// The place that a directory is or lies below.
    pub(super) fn around(&self, directory: Directory) -> Option<&'p SubjectPath> {
        self.index_around(directory).and_then(|at| self.places.get(at).copied())
    }

    /// The place that is exactly `path`, as an index; `end` is the directory that the path lies in, and not its own.
    fn index_at(&self, path: &SubjectPath, end: Option<Directory>) -> Option<usize> {
        let may_be_one = end.is_none_or(|end| self.holds.has(end));
        if may_be_one { self.at(path.as_bytes()) } else { None }
    }

    /// Whether `path`, which lies in the directory `end`, is one of the places.
    pub(super) fn is_one(&self, path: &SubjectPath, end: Option<Directory>) -> bool {
        self.index_at(path, end).is_some()
    }

    /// The place that `path` is or lies below, as an index; `end` is the directory that it lies in.
    pub(super) fn index(&self, path: &SubjectPath, end: Option<Directory>) -> Option<usize> {
        self.index_at(path, end).or_else(|| end.and_then(|end| self.index_around(end)))
    }
}

/// Whether the path of an operation is that of the directory that it is in.
pub(super) fn is_in_itself(write: &Write) -> bool {
    write.collapsed || write.op == Op::Tmpfile
}

/// The directory that holds a path; `None` for the root.
fn above(path: &[u8]) -> Option<&[u8]> {
    if path == b"/" {
        return None;
    }
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    path.get(..slash.max(1))
}

/// What [`SubjectPath::ancestors`] says, without copying.
pub(super) fn ancestors(path: &SubjectPath) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(path.as_bytes()), |path| above(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SubjectPath {
        SubjectPath::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn ancestors_are_those_of_the_path() {
        for text in ["/", "/a", "/a/b", "/a/b/c d"] {
            let path = path(text);
            let owned: Vec<SubjectPath> = path.ancestors().collect();
            let borrowed: Vec<&[u8]> = ancestors(&path).collect();
            assert_eq!(borrowed, owned.iter().map(SubjectPath::as_bytes).collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn the_innermost_place_is_that_of_the_path() {
        let write = |path: &str, op: &str, collapsed: bool| -> Write {
            serde_json::from_value(serde_json::json!({
                "path": path, "op": op, "errno": 0, "count": 1, "mount": "/", "collapsed": collapsed,
                "first_ms": 0, "last_ms": 0, "processes": []
            }))
            .unwrap()
        };
        let paths = ["/", "/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a-b", "/a-b/c", "/x/y", "/a/bc/d"];
        let writes: Vec<Write> = paths
            .iter()
            .flat_map(|path| {
                [write(path, "create", false), write(path, "create", true), write(path, "tmpfile", false)]
            })
            .collect();
        let directories = Directories::of(&writes);
        for places in [&["/a", "/a/b/c", "/a-b"][..], &["/"], &["/a/b", "/nowhere/else"], &[]] {
            let places: Vec<SubjectPath> = places.iter().map(|place| path(place)).collect();
            let innermost = directories.innermost(&places);
            for (write, ends) in directories.writes() {
                let got = innermost.index(&write.path, ends.path).map(|at| innermost.places()[at].clone());
                let want = write.path.ancestors().find(|ancestor| places.contains(ancestor));
                assert_eq!(got, want, "{:?} {:?} {places:?}", write.path, write.op);
            }
        }
    }
}
