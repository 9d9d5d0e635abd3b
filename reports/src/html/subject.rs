//! All that the page says of one profile.

use super::Source;
use super::capabilities::{self, Dropped, Kept};
use super::coverage::{self, Remark};
use super::notations::{self, Notation};
use super::places::{self, Other, Place};
use super::run::{self, RunView};
use super::timeline::{self, Timeline};
use super::tree::{self, Tree};
use super::verdict::{self, Verdict};
use super::words;
use crate::plan::{Plan, Warning};

/// One profile on the page.
pub(super) struct SubjectView {
    /// What its anchors begin with.
    pub(super) id: String,
    pub(super) name: String,
    /// What tells it from the others.
    pub(super) label: String,
    pub(super) verdict: Verdict,
    pub(super) remarks: Vec<Remark>,
    pub(super) warnings: Vec<Remark>,
    pub(super) places: Vec<Place>,
    pub(super) privileges: String,
    pub(super) user: String,
    pub(super) others: Vec<Other>,
    pub(super) notations: Vec<Notation>,
    /// Whether the texts in the formats repeat environment variables, which may be secret.
    pub(super) has_environment: bool,
    pub(super) kept: Vec<Kept>,
    pub(super) dropped: Vec<Dropped>,
    pub(super) timeline: Timeline,
    pub(super) tree: Tree,
    pub(super) run: RunView,
}

/// Describes a profile, the `number`th of the page.
pub(super) fn subject(number: usize, source: &Source<'_>) -> SubjectView {
    let Source { label, profile, plan } = *source;
    let remarks = coverage::remarks(profile);
    let privileges = match &plan.no_new_privileges_grounds {
        Some(grounds) => words::passage(&grounds.why),
        None => String::new(),
    };
    SubjectView {
        id: format!("s{number}"),
        name: words::short(&profile.subject.name),
        label: words::short(label),
        verdict: verdict::verdict(profile, plan, &remarks),
        remarks,
        warnings: warnings(plan),
        places: places::places(profile, plan),
        privileges,
        user: plan.user.as_deref().map(words::short).unwrap_or_default(),
        others: places::others(plan),
        notations: notations::notations(profile, plan),
        has_environment: profile.subject.config.as_ref().is_some_and(|config| !config.env.is_empty()),
        kept: capabilities::kept(profile, plan),
        dropped: capabilities::dropped(plan),
        timeline: timeline::timeline(profile, plan),
        tree: tree::tree(profile, plan),
        run: run::run(profile),
    }
}

fn warnings(plan: &Plan) -> Vec<Remark> {
    let remark = |warning: &Warning| {
        let Warning { code, message, path: _ } = warning;
        Remark { code: words::short(code), text: words::passage(message), grave: true }
    };
    plan.warnings.iter().map(remark).collect()
}
