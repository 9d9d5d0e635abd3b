//! The verdict: what a plan comes to, in one sentence and a few figures.

use super::coverage::Remark;
use super::words;
use crate::model::Profile;
use crate::plan::Plan;

/// What a plan comes to.
pub(super) struct Verdict {
    pub(super) good: bool,
    /// In one or two words.
    pub(super) state: &'static str,
    pub(super) sentence: String,
    pub(super) basis: String,
    /// Whether the subject was run under the plan.
    pub(super) tried: bool,
    pub(super) figures: Vec<Figure>,
}

/// One figure.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) good: bool,
}

/// Sums a plan up.
pub(super) fn verdict(profile: &Profile, plan: &Plan, remarks: &[Remark]) -> Verdict {
    let grave = remarks.iter().filter(|remark| remark.grave).count();
    let (state, good) = match (plan.complete, plan.read_only) {
        (false, _) => ("Incomplete", false),
        (true, _) if grave > 0 => ("Needs a look", false),
        (true, false) => ("Partly hardened", false),
        (true, true) => ("Complete", true),
    };
    Verdict {
        good,
        state,
        sentence: sentence(plan),
        basis: basis(profile, plan),
        tried: plan.verification.is_some(),
        figures: figures(profile, plan, grave),
    }
}

fn sentence(plan: &Plan) -> String {
    let some = |things: usize, none: &str, one: &str, many: &str| match things {
        0 => none.to_owned(),
        things => words::counted(words::count(things), one, many),
    };
    let places =
        some(plan.tmpfs.len() + plan.volumes.len(), "no writable place", "writable place", "writable places");
    let capabilities = some(plan.cap_add.len(), "no capability", "capability", "capabilities");
    let privileges = if plan.no_new_privileges { "no new privileges" } else { "new privileges" };
    let root = match (plan.complete, plan.read_only) {
        (true, true) => "It can run on a read-only root file system with",
        (true, false) => "Its root file system has to stay writable; it gets",
        (false, true) => "As far as was seen, it can run on a read-only root file system with",
        (false, false) => "As far as was seen, its root file system has to stay writable; it gets",
    };
    format!("{root} {places}, {capabilities} and {privileges}.")
}

fn basis(profile: &Profile, plan: &Plan) -> String {
    let run = words::duration(profile.run.duration_ms);
    match &plan.verification {
        Some(verification) if verification.holds => {
            let runs = words::counted(u64::from(verification.runs), "run", "runs");
            format!("Computed from a training run of {run}, and proven by {runs} under the plan.")
        }
        Some(_) => format!("Computed from a training run of {run}; under the plan the subject failed."),
        None => format!("Computed from a training run of {run}."),
    }
}

fn figures(profile: &Profile, plan: &Plan, grave: usize) -> Vec<Figure> {
    let figure = |name, value: &str, note: String, good| Figure { name, value: value.to_owned(), note, good };
    let places = plan.tmpfs.len() + plan.volumes.len();
    let dropped = words::counted(words::count(plan.cap_dropped.len()), "dropped", "dropped");
    let load = match profile.run.load.as_ref().map(|load| load.exit_status) {
        None => ("none", "see the gaps", false),
        Some(Some(0)) => ("passed", "in training", true),
        Some(_) => ("failed", "see the gaps", false),
    };
    let (coverage, seen) = match (grave, plan.complete) {
        (0, true) => ("all".to_owned(), "nothing was lost"),
        (grave, _) => (words::counted(words::count(grave), "gap", "gaps"), "see below"),
    };
    vec![
        figure(
            "Root file system",
            if plan.read_only { "read-only" } else { "writable" },
            if plan.read_only { "every write has a place" } else { "see the warnings" }.to_owned(),
            plan.read_only,
        ),
        figure(
            "Writable places",
            &words::number(words::count(places)),
            format!(
                "{} tmpfs, {}",
                plan.tmpfs.len(),
                words::counted(words::count(plan.volumes.len()), "volume", "volumes")
            ),
            true,
        ),
        figure(
            "Capabilities",
            &words::number(words::count(plan.cap_add.len())),
            format!("kept; {dropped}"),
            true,
        ),
        figure(
            "New privileges",
            if plan.no_new_privileges { "none" } else { "allowed" },
            if plan.no_new_privileges { "set-id bits have no effect" } else { "a program gains some" }
                .to_owned(),
            plan.no_new_privileges,
        ),
        figure("Load test", load.0, load.1.to_owned(), load.2),
        figure("Seen", &coverage, seen.to_owned(), grave == 0 && plan.complete),
    ]
}
