//! The rules that make a plan, one per file, in the order in which they are applied.
//!
//! Owns the list ([`RULES`]), from which `docs/rules.md` is generated, and what a rule is: a name, what it says, and
//! a function that adds to the plan in the making. A rule looks at the case and at what the rules before it made; it
//! never takes back what another one decided.

mod broad_directory;
mod capabilities;
mod coverage;
mod failed_writes;
mod ignored_writes;
mod image_content;
mod image_volumes;
mod lasting_data;
mod mount_points;
mod no_new_privileges;
pub(super) mod non_root;
mod overrides;
pub(super) mod ports;
mod privileged;
mod random_directory;
mod read_only_mounts;
mod rename_coupling;
mod root_writes;
mod tmpfs_options;
pub(super) mod tmpfs_or_volume;
mod unrepresentable_path;

use super::Case;
use super::dto::{Plan, Warning};
use super::layout::Layout;
use super::names::Names;
use crate::model::SubjectPath;

/// A rule by which a plan is made.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// A stable name.
    pub id: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// What it goes by and why, in Markdown.
    pub doc: &'static str,
    /// The codes of the warnings that it gives; those of gaps in a profile are the gaps' own.
    pub warnings: &'static [&'static str],
    /// Applies it.
    pub(super) apply: for<'a> fn(&'a Case<'a>, &mut Draft<'a>),
}

/// A plan in the making.
pub(super) struct Draft<'a> {
    pub(super) plan: Plan,
    pub(super) layout: Layout<'a>,
    pub(super) names: Names,
}

impl Draft<'_> {
    fn warn(&mut self, code: &str, message: String, path: Option<SubjectPath>) {
        self.plan.warnings.push(Warning { code: code.to_owned(), message, path });
    }
}

/// Every rule, in the order in which they are applied.
pub const RULES: &[Rule] = &[
    coverage::RULE,
    ignored_writes::RULE,
    mount_points::RULE,
    overrides::RULE,
    tmpfs_or_volume::RULE,
    tmpfs_options::RULE,
    image_volumes::RULE,
    read_only_mounts::RULE,
    root_writes::RULE,
    unrepresentable_path::RULE,
    rename_coupling::RULE,
    image_content::RULE,
    broad_directory::RULE,
    lasting_data::RULE,
    random_directory::RULE,
    capabilities::RULE,
    ports::RULE,
    privileged::RULE,
    no_new_privileges::RULE,
    failed_writes::RULE,
    non_root::RULE,
];

/// The rules whose mounts may lie inside a volume: those that take up what somebody asked for.
pub(super) const MAY_LIE_IN_A_VOLUME: &[&str] = &[overrides::RULE.id, image_volumes::RULE.id];

/// The rule of that name.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}
