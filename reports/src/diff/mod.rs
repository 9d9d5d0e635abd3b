//! The comparison of two profiles or plans: what NEW writes, uses or needs that OLD did not.
//!
//! Owns what counts as different and what counts as a finding. A finding is new, and NEW does it or needs it; what only
//! OLD did, and capabilities that are not required, are told and never count. First comes what NEW needs and the plan
//! for OLD does not give, then the differences, one kind per file: `places` (writes and what was refused), `plans`
//! (mounts, sizes, options), `capabilities`, `executions`. Names that differ from run to run are no difference
//! (see [`fn@generalise`]). A [`Baseline`] says what is accepted. `warnings` tells what may be missing.

mod baseline;
mod capabilities;
mod dto;
mod executions;
mod fail_on;
mod format;
mod generalise;
mod input;
mod places;
mod plans;
mod project;
mod warnings;
mod words;

pub use baseline::{Baseline, BaselineError, MAX_BASELINE_BYTES};
pub use dto::*;
pub use fail_on::{FailOn, UnknownFailOn};
pub use format::{DIFF_FORMATS, DiffFormat, DiffFormatInfo, DiffOptions, UnknownDiffFormat, render};
pub use generalise::{Generalised, generalise};
pub use input::{Input, InputError};
pub use project::diff_projects;
pub(crate) use words::described;

use std::borrow::Cow;

use self::executions::Executions;
use self::generalise::{Names, Side as In};
use self::places::{Writes, either_way};
use self::plans::Mounts;
use crate::model::{ImageEntry, Profile, SubjectPath};
use crate::plan::{Plan, recommend};

/// By which factor a size must differ to be told, unless the user says otherwise.
pub const SIZE_FACTOR: f64 = 2.0;

/// Compares two files.
#[must_use]
pub fn diff(old: &Input, new: &Input, size_factor: f64) -> Diff {
    let mut diff = Diff {
        schema: DIFF_SCHEMA.to_owned(),
        findings: 0,
        accepted: 0,
        comparisons: vec![compare(old, new, None, size_factor)],
        services: Vec::new(),
        warnings: Vec::new(),
    };
    diff.count();
    diff
}

fn plan_of(input: &Input) -> Cow<'_, Plan> {
    match input {
        Input::Profile(profile) => Cow::Owned(recommend(profile)),
        Input::Plan(plan) => Cow::Borrowed(plan),
    }
}

fn side(input: &Input) -> Side {
    match input {
        Input::Profile(profile) => Side {
            kind: SideKind::Profile,
            subject: profile.subject.name.clone(),
            image_id: profile.subject.image_id.clone(),
            complete: profile.coverage.complete,
        },
        Input::Plan(plan) => Side {
            kind: SideKind::Plan,
            subject: plan.subject.clone(),
            image_id: None,
            complete: plan.complete,
        },
    }
}

/// The paths that the two have, in one order: targets of the plan, then of a profile its operations and executions.
fn all_paths<'a>(
    plan: &'a Plan,
    profile: Option<&'a Profile>,
    side: In,
) -> impl Iterator<Item = (&'a SubjectPath, In)> {
    let of_profile = profile.into_iter().flat_map(|profile| {
        places::paths(profile).chain(profile.run.executions.iter().map(|execution| &execution.path))
    });
    plans::targets(plan).chain(of_profile).map(move |path| (path, side))
}

/// What of one side is compared, with its places.
struct Compared<'a> {
    mounts: Mounts<'a>,
    /// Of a profile.
    course: Option<(Writes<'a>, Executions<'a>, &'a [ImageEntry])>,
}

impl<'a> Compared<'a> {
    fn of(
        input: &'a Input,
        plan: &'a Plan,
        profile: Option<&'a Profile>,
        names: &Names<'_>,
        places: &mut impl Iterator<Item = generalise::Place>,
    ) -> Self {
        let mounts = Mounts::of(plan, input, places);
        let course = profile.map(|profile| {
            let writes = Writes::of(profile, places);
            let executions = Executions::of(profile, places, &writes, names);
            (writes, executions, profile.subject.image_entries.as_slice())
        });
        Self { mounts, course }
    }
}

fn compare(old: &Input, new: &Input, service: Option<&str>, size_factor: f64) -> Comparison {
    // Of large profiles these take a good part of the time, and nothing of one another.
    let plans = rayon::join(|| plan_of(old), || plan_of(new));
    // Where one of them is a plan, what a plan does not say cannot be compared.
    let profiles = match (old, new) {
        (Input::Profile(old), Input::Profile(new)) => (Some(&**old), Some(&**new)),
        _ => (None, None),
    };
    let paths = all_paths(&plans.0, profiles.0, In::Old).chain(all_paths(&plans.1, profiles.1, In::New));
    let image =
        [profiles.0, profiles.1].into_iter().flatten().flat_map(|profile| &profile.subject.image_entries);
    let (names, places) = Names::of(paths, image.map(|entry| &entry.path));
    let mut places = places.into_iter();
    let before = Compared::of(old, &plans.0, profiles.0, &names, &mut places);
    let after = Compared::of(new, &plans.1, profiles.1, &names, &mut places);

    let mut differences = Vec::new();
    if let (Some((old, _, _)), Some((new, _, _))) = (&before.course, &after.course) {
        let (added, gone) = either_way(&names, old, new, false);
        differences.extend(added.into_iter().chain(gone));
    }
    differences.extend(plans::differences(&names, &before.mounts, &after.mounts, size_factor));
    differences.extend(capabilities::differences(old, new));
    if let (Some((old, old_executions, old_image)), Some((new, new_executions, new_image))) =
        (&before.course, &after.course)
    {
        differences.extend(executions::differences(
            &names,
            (old_executions, old_image),
            (new_executions, new_image),
        ));
        let (added, gone) = either_way(&names, old, new, true);
        differences.extend(added.into_iter().chain(gone));
    }
    if let (Some(old), Some(new)) = profiles {
        differences.extend(executions::ports(old, new));
    }
    for difference in &mut differences {
        difference.service = service.map(str::to_owned);
    }
    let writes = before.course.as_ref().zip(after.course.as_ref()).map(|(old, new)| (&old.0, &new.0));
    let breaks = plans::breaks(&names, &before.mounts, writes, &differences);
    // Each kind has its own order already.
    differences.sort_by_key(|difference| (difference.change, difference.kind));
    Comparison {
        service: service.map(str::to_owned),
        old: side(old),
        new: side(new),
        breaks,
        differences,
        warnings: warnings::of(old, new),
    }
}

impl Difference {
    /// One that says nothing yet.
    fn of(kind: Kind, change: Change) -> Self {
        Self {
            kind,
            change,
            finding: false,
            accepted: None,
            path: None,
            from: None,
            op: None,
            errno: None,
            cap: None,
            port: None,
            service: None,
            before: None,
            after: None,
            why: None,
            objects: 0,
            count: 0,
            processes: Vec::new(),
            phases: Vec::new(),
            evidence: Vec::new(),
        }
    }
}

impl Observed {
    fn none() -> Self {
        Self { path: None, from: None, mount: None, syscall: None, caller: None, process: None, count: 0 }
    }
}
