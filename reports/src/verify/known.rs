//! What training did, for look-up: which operations succeeded and which failed, by place.
//!
//! Names differ from run to run, so a place is more than a path: operations that change a directory (create, unlink,
//! rename …) are known by the directory, others by the directory and the shape of the name. Generated parts of
//! directories count as one (see [`crate::names::shape`]).

use std::collections::HashSet;

use crate::model::{Op, Profile, SubjectPath, Write};
use crate::names::shape;

/// Operations that take each other's place when content is there or not.
fn class(op: Op) -> Op {
    if op == Op::Open { Op::Create } else { op }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    op: Op,
    directory: Vec<u8>,
    /// Empty where any name is the same.
    name: Vec<u8>,
}

/// A directory with the generated parts of its path replaced.
fn normalised(path: &SubjectPath) -> Vec<u8> {
    path.as_bytes().split(|byte| *byte == b'/').map(shape).collect::<Vec<_>>().join(&b'/')
}

fn directory_of(write: &Write) -> SubjectPath {
    if write.collapsed || write.op == Op::Tmpfile {
        return write.path.clone();
    }
    write.path.parent().unwrap_or_else(SubjectPath::root)
}

fn place(write: &Write) -> Place {
    let directory = normalised(&directory_of(write));
    let any_name = write.collapsed || write.op == Op::Tmpfile || write.op.changes_directory();
    let name = if any_name { Vec::new() } else { shape(write.path.file_name()) };
    Place { op: class(write.op), directory, name }
}

/// What training did.
#[derive(Debug, Default)]
pub(super) struct Known {
    succeeded: HashSet<Place>,
    succeeded_exactly: HashSet<(Op, SubjectPath)>,
    failed: HashSet<(Place, i32)>,
    failed_exactly: HashSet<(Op, SubjectPath, i32)>,
}

impl Known {
    pub(super) fn of(training: &Profile) -> Self {
        let mut known = Self::default();
        for write in &training.writes {
            if write.succeeded() {
                known.succeeded.insert(place(write));
                known.succeeded_exactly.insert((class(write.op), write.path.clone()));
            } else {
                known.failed.insert((place(write), write.errno));
                known.failed_exactly.insert((class(write.op), write.path.clone(), write.errno));
            }
        }
        known
    }

    /// Whether the same succeeded in training, at the same place.
    pub(super) fn succeeded(&self, write: &Write) -> bool {
        let place = place(write);
        let any_name = Place { name: Vec::new(), ..place.clone() };
        self.succeeded_exactly(write) || self.succeeded.contains(&place) || self.succeeded.contains(&any_name)
    }

    /// Whether the same succeeded in training on the very same path.
    pub(super) fn succeeded_exactly(&self, write: &Write) -> bool {
        self.succeeded_exactly.contains(&(class(write.op), write.path.clone()))
    }

    /// Whether the same failed in training, at the same place with the same error. What succeeded on this very path,
    /// and failed on others, did not.
    pub(super) fn failed(&self, write: &Write) -> bool {
        let exactly = (class(write.op), write.path.clone(), write.errno);
        self.failed_exactly.contains(&exactly)
            || self.failed.contains(&(place(write), write.errno)) && !self.succeeded_exactly(write)
    }
}
