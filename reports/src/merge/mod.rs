//! The union of profiles: what any of the runs showed, the subject does.
//!
//! Owns how each part of a profile is joined. Every part is a join of a semilattice, so that the order and the grouping
//! in which profiles are added make no difference, and adding one again changes nothing:
//!
//! - **counts and peaks** are the largest of any one run (their sum would count a run twice that is in two unions);
//! - **times** span all, each from the start of its own run; phases, processes and gaps are united;
//! - **coverage** is the weakest: what one run did not see the union did not see;
//! - **who and where**: every run is kept, by the digest of its own profile ([`MergedRun`]); what there is only one of
//!   (host, configuration, start) is the first run's, an end or a load test that failed goes before one that did not.
//!
//! Profiles are added one at a time, so that memory is taken by the union alone. Names that differ from run to run would
//! let it grow without end: of a directory with too many of them only the directory is kept (`fold`), as the
//! sensors do. Never joins profiles of different subjects unless told to (`identity`), and never guesses that two runs
//! are the same.

mod capabilities;
mod course;
mod fold;
mod identity;
mod image;
mod operations;

pub use fold::Folding;
pub use identity::Mismatch;

use std::collections::BTreeSet;

use self::capabilities::Capabilities;
use self::course::Course;
use self::identity::Identity;
use self::image::Image;
use self::operations::Operations;
use crate::model::{
    ContainerConfig, MAX_ENTRIES, MAX_IMAGE_ENTRIES, MAX_MERGED_RUNS, MAX_WRITES, Merged, MergedRun,
    PROFILE_SCHEMA, Phases, Profile, Subject, Tool,
};

/// Whether profiles of different subjects may be joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mixing {
    /// They are refused.
    #[default]
    Refused,
    /// They are joined; name and configuration are the first run's.
    Allowed,
}

/// Why a profile is not joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// It is of another subject than those before.
    #[error(transparent)]
    Mismatch(#[from] Box<Mismatch>),
    /// The union would be larger than what is read back.
    #[error("the union has more than {most} entries in `{field}`, which is more than is read back")]
    TooLarge {
        /// The field.
        field: &'static str,
        /// How many there may be.
        most: usize,
    },
}

/// A union in the making.
#[derive(Debug, Default)]
pub struct Union {
    mixing: Mixing,
    /// What all profiles must be of: what the first one is of.
    identity: Option<Identity>,
    /// The subject of the first run of all.
    face: Option<Face>,
    runs: BTreeSet<MergedRun>,
    course: Course,
    image: Image,
    operations: Operations,
    capabilities: Capabilities,
}

/// What there is only one of.
#[derive(Debug)]
struct Face {
    /// The run that it is from.
    of: MergedRun,
    name: String,
    image_id: Option<String>,
    config: Option<ContainerConfig>,
}

impl Union {
    /// A union of nothing yet.
    #[must_use]
    pub fn new(mixing: Mixing) -> Self {
        Self { mixing, ..Self::default() }
    }

    /// With other bounds on the names that are kept.
    #[must_use]
    pub fn folding(mut self, folding: Folding) -> Self {
        self.operations = Operations::new(folding);
        self
    }

    /// How many runs it is of.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// How many operations it has so far.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.operations.len()
    }

    /// Adds a profile, of one run or itself a union.
    ///
    /// # Errors
    /// [`MergeError`] where it is of another subject, with the union as it was, or where the union becomes too large,
    /// which it then stays.
    pub fn add(&mut self, profile: Profile) -> Result<(), MergeError> {
        let identity = Identity::of(&profile);
        match &self.identity {
            Some(first) if self.mixing == Mixing::Refused => first.check(&identity)?,
            Some(_) => {}
            None => self.identity = Some(identity),
        }
        // Destructured, so that a new field is not forgotten here.
        let of_runs = profile.run.merged.as_ref().filter(|merged| !merged.runs.is_empty());
        let (runs, known) = match of_runs {
            Some(merged) => (merged.runs.iter().cloned().collect(), true),
            None => (BTreeSet::from([course::origin(&profile)]), false),
        };
        let Profile { schema: _, tool: _, host: _, subject, mut run, coverage, mut writes, mut capabilities } =
            profile;
        if !known {
            // Later the spans of several runs lie over one another.
            for write in &mut writes {
                set_phase(&mut write.phases, write.first_ms, &run);
            }
            for check in capabilities.iter_mut().flat_map(|capability| &mut capability.evidence) {
                set_phase(&mut check.phases, check.first_ms, &run);
            }
        }
        let Merged { runs: _, folded } = run.merged.take().unwrap_or_default();
        let Subject { name, image_id, config, mounts, image_entries, image_cut } = subject;
        if let Some(first) = runs.first()
            && self.face.as_ref().is_none_or(|face| *first < face.of)
        {
            self.face = Some(Face { of: first.clone(), name, image_id, config });
        }
        self.runs.extend(runs);
        self.image.add(mounts, image_entries, image_cut);
        self.operations.fold(folded);
        self.operations.add(writes);
        self.capabilities.add(capabilities);
        self.course.add(run, coverage);
        self.course.lift(self.operations.folded());
        self.check()
    }

    fn check(&self) -> Result<(), MergeError> {
        let all = [
            ("writes", self.operations.len(), MAX_WRITES),
            ("subject.image_entries", self.image.entries(), MAX_IMAGE_ENTRIES),
            ("subject.mounts", self.image.mounts(), MAX_ENTRIES),
            ("subject.image_cut", self.image.cut(), MAX_ENTRIES),
            ("run.merged.runs", self.runs.len(), MAX_MERGED_RUNS),
            ("capabilities", self.capabilities.len(), MAX_ENTRIES),
        ];
        let too_large = all.into_iter().chain(self.course.lengths()).find(|(_, length, most)| length > most);
        too_large.map_or(Ok(()), |(field, _, most)| Err(MergeError::TooLarge { field, most }))
    }

    /// The union as a profile; `None` where nothing was added. It is in normal form: each entry once, sorted.
    #[must_use]
    pub fn finish(mut self) -> Option<Profile> {
        self.operations.fold_crowded();
        self.course.lift(self.operations.folded());
        let first = self.runs.first()?.clone();
        let Face { of: _, name, image_id, config } = self.face?;
        let host = course::host(&first, &self.runs);
        let (mut run, coverage) = self.course.finish(&first, &self.runs);
        let (mounts, image_entries, image_cut) = self.image.finish();
        let (writes, folded) = self.operations.finish();
        run.merged = Some(Merged { runs: self.runs.into_iter().collect(), folded });
        Some(Profile {
            schema: PROFILE_SCHEMA.to_owned(),
            tool: Tool { name: "writepath".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            host,
            subject: Subject { name, image_id, config, mounts, image_entries, image_cut },
            run,
            coverage,
            writes,
            capabilities: self.capabilities.finish(),
        })
    }
}

/// The union of some profiles; `None` where there is none.
///
/// # Errors
/// [`MergeError`] where they are of different subjects, unless that is allowed, or the union is too large.
pub fn merge(
    profiles: impl IntoIterator<Item = Profile>,
    mixing: Mixing,
) -> Result<Option<Profile>, MergeError> {
    let mut union = Union::new(mixing);
    for profile in profiles {
        union.add(profile)?;
    }
    Ok(union.finish())
}

/// Says in which phase something was first seen, where the profile does not.
fn set_phase(phases: &mut Phases, first_ms: u64, run: &crate::model::Run) {
    if phases.is_empty() {
        phases.extend(run.phase_at(first_ms));
    }
}

/// Each element once, sorted, and no more than the `most` that come first.
fn in_order<T: Ord>(list: &mut Vec<T>, most: usize) {
    list.sort_unstable();
    list.dedup();
    list.truncate(most);
}
