//! The recommender: from a profile to the least that the subject was seen to need.
//!
//! Owns the way from observations to a [`Plan`]. Facts come first: where operations lie (`directories`),
//! which of them need a place (`needs`), what the
//! image holds (`image`), which mounts there were (`existing`), where mounts go (`layout`). Then the rules of
//! [`RULES`], one per file, are applied in their order; each element of the plan names those that made it and how
//! sure it is (`doubt`). Never invents a need that no observation supports, never hides image content behind a tmpfs
//! unless told to, never mounts over `/`. What it cannot serve becomes a warning, and an incomplete profile makes a
//! plan that says so. The order of observations in the profile makes no difference.

mod alternative;
mod config;
mod directories;
mod doubt;
mod dto;
mod evidence;
mod existing;
mod grounds;
mod image;
mod layout;
mod names;
mod needs;
mod overrides;
mod read;
mod rules;
mod validate;
mod verified;

pub use alternative::with_alternative;
pub use config::{ConfigError, MAX_CONFIG_BYTES};
pub use doubt::{DOUBTS, Doubt};
pub use dto::*;
pub use grounds::*;
pub use needs::{directories_to_list, is_needed};
pub use overrides::{IgnoreGlob, OverrideError, Overrides, TmpfsOverride, parse_size, parse_target};
pub use read::{MAX_PLAN_BYTES, PlanReadError, read_plan};
pub use rules::{RULES, Rule, non_root::KIND as NON_ROOT, rule};
pub use validate::PlanProblem;
pub use verified::{ElementKind, OptionalElement, Verification};

pub(crate) use evidence::listed;
pub(crate) use names::{as_name, short_name, volume_name};
pub(crate) use needs::{is_kernel_file_system, takes_write_access};
pub(crate) use rules::{
    ports::{CAP as NET_BIND_SERVICE, low_ports},
    tmpfs_or_volume::is_lasting,
};

use std::borrow::Cow;

use self::directories::Directories;
use self::image::Image;
use self::layout::{Layout, Told};
use self::names::Names;
use self::needs::Places;
use self::rules::Draft;
use crate::model::{Profile, SubjectPath};

/// What the rules go by.
struct Case<'a> {
    profile: &'a Profile,
    directories: Directories<'a>,
    image: Image<'a>,
    places: Places,
    overrides: &'a Overrides,
    /// What was left out of the profile as told.
    ignored: Option<Ignored>,
}

/// Operations that were left out.
struct Ignored {
    /// How many, repetitions not counted.
    operations: usize,
    /// The first of their paths.
    first: Option<SubjectPath>,
}

impl Case<'_> {
    /// What the user wants at exactly that place.
    fn told(&self, target: &SubjectPath) -> Option<Told> {
        self.overrides.told().get(target).copied()
    }

    /// Whether sizes were recorded in a directory.
    fn is_measured(&self, directory: &SubjectPath) -> bool {
        self.profile.run.sizes.iter().any(|size| size.path.is_within(directory))
    }
}

/// Recommends how to run a profile's subject with no more than it was seen to need.
#[must_use]
pub fn recommend(profile: &Profile) -> Plan {
    planned(profile, &Overrides::default(), None)
}

/// The same, with what the user says about it.
///
/// # Errors
/// [`OverrideError`] where what the user says cannot be done with this subject.
pub fn recommend_with(profile: &Profile, overrides: &Overrides) -> Result<Plan, OverrideError> {
    overrides.check(profile)?;
    let (kept, ignored) = without_ignored(profile, overrides);
    Ok(planned(&kept, overrides, ignored))
}

/// The profile less the operations that are to be ignored.
fn without_ignored<'p>(profile: &'p Profile, overrides: &Overrides) -> (Cow<'p, Profile>, Option<Ignored>) {
    if overrides.ignore.is_empty() {
        return (Cow::Borrowed(profile), None);
    }
    let mut kept = profile.clone();
    let left_out: Vec<_> = kept.writes.extract_if(.., |write| overrides.ignores(write)).collect();
    let ignored =
        Ignored { operations: left_out.len(), first: left_out.into_iter().map(|write| write.path).min() };
    (Cow::Owned(kept), Some(ignored))
}

fn planned(profile: &Profile, overrides: &Overrides, ignored: Option<Ignored>) -> Plan {
    let image = Image::new(&profile.subject);
    let directories = Directories::of(&profile.writes);
    let places = Places::of(&directories, &image, &existing::taken(profile));
    let case = Case { profile, directories, image, places, overrides, ignored };
    let plan = Plan {
        schema: PLAN_SCHEMA.to_owned(),
        subject: profile.subject.name.clone(),
        complete: true,
        read_only: true,
        tmpfs: Vec::new(),
        volumes: Vec::new(),
        mounts_read_only: Vec::new(),
        cap_drop: Vec::new(),
        cap_add: Vec::new(),
        cap_dropped: Vec::new(),
        no_new_privileges: true,
        user: None,
        warnings: Vec::new(),
        alternatives: Vec::new(),
        mounts_read_only_grounds: Vec::new(),
        no_new_privileges_grounds: None,
        optional: Vec::new(),
        verification: None,
    };
    let mut draft = Draft { plan, layout: Layout::default(), names: Names::new(&profile.subject.name) };
    for rule in RULES {
        (rule.apply)(&case, &mut draft);
    }
    let mut plan = draft.plan;
    plan.warnings.dedup();
    plan.tmpfs.sort_by(|a, b| a.target.cmp(&b.target));
    plan.volumes.sort_by(|a, b| a.target.cmp(&b.target));
    plan
}
