//! Which operations of one run another run did not have, where names may differ from run to run.
//!
//! Names are compared as `generalise` has them. An operation is known where the other profile has a succeeded one of
//! the same kind
//!
//! 1. at the same place, generated parts of names replaced; or
//! 2. on so many names of that directory that they were not kept; or
//! 3. on any generated name in the same directory, if that directory is the subject's own (made in the run, or on a
//!    volume): PostgreSQL's `base/5/16384` makes `base/5/16391_vm` known.
//!
//! Of a rename or link both names must be known, and the pair of directories, too: a rename within each of two
//! directories says nothing about one from the one to the other. What is new in very many places is folded into
//! directories. Syncing is not compared: it takes no write access.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt as _, HashSet};

use super::dto::{Change, Difference, Kind, Observed};
use super::generalise::{Names, Place, ROOT};
use crate::model::{Op, Profile, Write};

/// Error numbers that say no: EPERM, EACCES, EROFS.
const REFUSALS: [i32; 3] = [1, 13, 30];
/// Names of one directory that are told one by one.
const MAX_NAMES: usize = 64;
/// Places that are told one by one.
const MAX_PLACES: usize = 1000;
/// How deep the directories are that the rest is folded into, tried in this order.
const DEPTHS: [usize; 6] = [12, 8, 6, 4, 2, 1];
/// Observations that a difference carries.
pub(super) const MAX_EVIDENCE: usize = 5;
/// Executables that a difference names.
pub(super) const MAX_PROCESSES: usize = 8;

/// The operations of one profile, with their places in the tree of both.
pub(super) struct Writes<'a> {
    pub(super) all: Vec<Located<'a>>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Located<'a> {
    pub(super) write: &'a Write,
    pub(super) path: Place,
    /// The root where there is none.
    pub(super) from: Place,
}

impl<'a> Writes<'a> {
    /// Takes the places of all paths in the order in which they went into the tree (see [`paths`]).
    pub(super) fn of(profile: &'a Profile, places: &mut impl Iterator<Item = Place>) -> Self {
        let mut next = || places.next().unwrap_or(ROOT);
        let located = |write: &'a Write| {
            let path = next();
            let from = if write.from.is_some() { next() } else { ROOT };
            Located { write, path, from }
        };
        Self { all: profile.writes.iter().map(located).collect() }
    }

    fn compared(&self, refused: bool) -> impl Iterator<Item = &Located<'a>> {
        self.all.iter().filter(move |located| {
            let write = located.write;
            let counts = if refused { REFUSALS.contains(&write.errno) } else { write.succeeded() };
            counts && write.op != Op::Sync
        })
    }
}

/// The paths of a profile's operations, in order.
pub(super) fn paths(profile: &Profile) -> impl Iterator<Item = &crate::model::SubjectPath> {
    profile.writes.iter().flat_map(|write| std::iter::once(&write.path).chain(&write.from))
}

/// What is looked up: an operation with its error number.
type Deed = (Op, i32);

/// What one profile did.
#[derive(Default)]
struct Known {
    exact: HashSet<(Deed, Place)>,
    /// Directories with operations on any name.
    any: HashSet<(Deed, Place)>,
    /// Directories whose names were not kept.
    collapsed: HashSet<(Deed, Place)>,
    /// Own directories with operations on generated names.
    generated: HashSet<(Deed, Place)>,
    /// Directories of renames and links: to, from.
    pairs: HashSet<(Deed, Place, Place)>,
}

fn deed(write: &Write) -> Deed {
    (write.op, write.errno)
}

/// The directories that a rename or link goes to and comes from.
pub(super) fn pair(names: &Names<'_>, located: &Located<'_>) -> Option<(Place, Place)> {
    let Located { write, path, from } = *located;
    write.from.as_ref()?;
    Some(if write.collapsed { (path, from) } else { (names.parent(path), names.parent(from)) })
}

/// Whether a name is generated, in a directory that is the subject's own.
fn is_generated_in_own(names: &Names<'_>, write: &Write, place: Place) -> bool {
    let own = !write.mount.is_root() || !names.is_fixed(names.parent(place));
    own && names.is_generated(place)
}

/// The names that an operation changes: of a link only the new one.
fn ends(located: &Located<'_>) -> impl Iterator<Item = Place> {
    let Located { write, path, from } = *located;
    let both = write.op == Op::Rename && write.from.is_some();
    std::iter::once(path).chain(both.then_some(from))
}

impl Known {
    fn of<'w>(names: &Names<'_>, writes: impl Iterator<Item = &'w Located<'w>>) -> Self {
        let mut known = Self::default();
        for located in writes {
            let write = located.write;
            let deed = deed(write);
            for place in ends(located) {
                if write.collapsed {
                    known.collapsed.insert((deed, place));
                    known.any.insert((deed, place));
                    continue;
                }
                let directory = names.parent(place);
                if is_generated_in_own(names, write, place) {
                    known.generated.insert((deed, directory));
                }
                known.any.insert((deed, directory));
                known.exact.insert((deed, place));
            }
            if let Some((to, from)) = pair(names, located) {
                known.pairs.insert((deed, to, from));
            }
        }
        known
    }

    fn has(&self, names: &Names<'_>, located: &Located<'_>) -> bool {
        let write = located.write;
        let deed = deed(write);
        let has_place = |place: Place| {
            if write.collapsed {
                return self.any.contains(&(deed, place));
            }
            let directory = names.parent(place);
            self.exact.contains(&(deed, place))
                || self.collapsed.contains(&(deed, directory))
                || is_generated_in_own(names, write, place) && self.generated.contains(&(deed, directory))
        };
        let pair_known = pair(names, located).is_none_or(|(to, from)| self.pairs.contains(&(deed, to, from)));
        pair_known && ends(located).all(has_place)
    }
}

/// What a difference stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Extent {
    /// The place.
    One,
    /// Names of the directory.
    Names,
    /// All that is below the directory.
    Below,
}

type Key = (Deed, Place, Place, Extent);

/// What only the new profile did, and what only the old one did; `refused`: what was refused, otherwise what succeeded.
pub(super) fn either_way(
    names: &Names<'_>,
    old: &Writes<'_>,
    new: &Writes<'_>,
    refused: bool,
) -> (Vec<Difference>, Vec<Difference>) {
    rayon::join(
        || only_in(names, new, old, Change::New, refused),
        || only_in(names, old, new, Change::Gone, refused),
    )
}

/// Operations that one profile has and the other has not, on one place each, sorted by path; `refused`: those that
/// were refused, otherwise those that succeeded.
fn only_in(
    names: &Names<'_>,
    writes: &Writes<'_>,
    other: &Writes<'_>,
    change: Change,
    refused: bool,
) -> Vec<Difference> {
    let known = Known::of(names, other.compared(refused));
    let found: Vec<(Key, &Write)> = writes
        .compared(refused)
        .filter(|located| !known.has(names, located))
        .map(|located| {
            let extent = if located.write.collapsed { Extent::Names } else { Extent::One };
            ((deed(located.write), located.path, located.from, extent), located.write)
        })
        .collect();
    let found = folded(names, found);
    let mut groups: BTreeMap<Key, Vec<&Write>> = BTreeMap::new();
    for (key, write) in found {
        groups.entry(key).or_default().push(write);
    }
    let mut differences: Vec<Difference> =
        groups.into_iter().map(|(key, writes)| difference(names, key, writes, change, refused)).collect();
    differences.sort_by(|a, b| (&a.path, a.op, &a.from, a.errno).cmp(&(&b.path, b.op, &b.from, b.errno)));
    differences
}

/// Puts what is too much to be told one by one into directories.
fn folded<'w>(names: &Names<'_>, mut found: Vec<(Key, &'w Write)>) -> Vec<(Key, &'w Write)> {
    let mut by_directory: HashMap<(Deed, Place), HashSet<Place>> = HashMap::new();
    for ((deed, path, from, extent), _) in &found {
        if *extent == Extent::One && *from == ROOT {
            by_directory.entry((*deed, names.parent(*path))).or_default().insert(*path);
        }
    }
    by_directory.retain(|_, places| places.len() > MAX_NAMES);
    for ((deed, path, from, extent), _) in &mut found {
        let directory = names.parent(*path);
        if *extent == Extent::One && *from == ROOT && by_directory.contains_key(&(*deed, directory)) {
            (*path, *extent) = (directory, Extent::Names);
        }
    }
    for depth in DEPTHS {
        let keys: HashSet<&Key> = found.iter().map(|(key, _)| key).collect();
        if keys.len() <= MAX_PLACES {
            break;
        }
        for ((_, path, from, extent), _) in &mut found {
            let directory = if *extent == Extent::One { names.parent(*path) } else { *path };
            let lineage: Vec<Place> = names.lineage(directory).filter(|place| *place != ROOT).collect();
            if let Some(above) = lineage.len().checked_sub(depth).and_then(|index| lineage.get(index)) {
                if (*above, Extent::One) == (*path, *extent) {
                    continue;
                }
                (*path, *from, *extent) = (*above, ROOT, Extent::Below);
            }
        }
    }
    found
}

fn difference(
    names: &Names<'_>,
    (deed, path, from, extent): Key,
    mut writes: Vec<&Write>,
    change: Change,
    refused: bool,
) -> Difference {
    writes.sort_by(|a, b| (&a.path, &a.from).cmp(&(&b.path, &b.from)));
    let pattern = match extent {
        Extent::One => names.pattern(path),
        Extent::Names => below(&names.pattern(path), "*"),
        Extent::Below => below(&names.pattern(path), "**"),
    };
    let mut objects: Vec<_> = writes.iter().map(|write| &write.path).collect();
    objects.dedup();
    let processes: BTreeSet<&String> = writes.iter().flat_map(|write| write.processes.iter()).collect();
    let phases: BTreeSet<_> = writes.iter().flat_map(|write| write.phases.iter()).copied().collect();
    let evidence = writes.iter().take(MAX_EVIDENCE).map(|write| Observed {
        path: Some(write.path.clone()),
        from: write.from.clone(),
        mount: Some(write.mount.clone()),
        process: write.processes.first().cloned(),
        count: write.count,
        ..Observed::none()
    });
    Difference {
        finding: change == Change::New,
        path: Some(pattern),
        from: (from != ROOT).then(|| names.pattern(from)),
        op: Some(deed.0),
        errno: (deed.1 != 0).then_some(deed.1),
        objects: u64::try_from(objects.len()).unwrap_or(u64::MAX),
        count: writes.iter().fold(0, |sum, write| sum.saturating_add(write.count)),
        processes: processes.into_iter().take(MAX_PROCESSES).cloned().collect(),
        phases: phases.into_iter().collect(),
        evidence: evidence.collect(),
        ..Difference::of(if refused { Kind::Denied } else { Kind::Write }, change)
    }
}

fn below(directory: &str, glob: &str) -> String {
    format!("{}/{glob}", directory.trim_end_matches('/'))
}
