//! The capabilities that a plan keeps, with what each is for, and those that it drops, with what each closes.

use super::places::{Ground, ground};
use super::words;
use crate::capability;
use crate::model::{CapabilityCheck, Profile, Verdict};
use crate::plan::{CapAdd, CapDropped, Plan};

/// How many checks of a capability are shown at most.
const CHECKS: usize = 12;
/// How many kernel functions of a call chain are shown at most.
const FRAMES: usize = 16;

/// A capability that is kept.
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) why: String,
    pub(super) phase: &'static str,
    /// What it would give an attacker all the same.
    pub(super) risk: &'static str,
    pub(super) ground: Ground,
    pub(super) checks: Vec<Check>,
    /// How many checks are not shown.
    pub(super) more: usize,
}

/// A capability that is dropped.
pub(super) struct Dropped {
    pub(super) name: String,
    pub(super) closes: String,
    pub(super) seen: &'static str,
}

/// Checks of a capability at one place.
pub(super) struct Check {
    pub(super) process: String,
    pub(super) syscall: String,
    pub(super) reason: String,
    pub(super) count: String,
    pub(super) when: String,
    /// The kernel's call chain, innermost first.
    pub(super) stack: String,
}

/// Those that the plan keeps.
pub(super) fn kept(profile: &Profile, plan: &Plan) -> Vec<Kept> {
    let kept = |add: &CapAdd| {
        let CapAdd { cap, why, phase, evidence: _, evidence_more: _, grounds } = add;
        let entries = profile.capabilities.iter().filter(|entry| entry.cap == *cap);
        let mut checks: Vec<&CapabilityCheck> = entries
            .flat_map(|entry| &entry.evidence)
            .filter(|check| check.verdict == Verdict::Required)
            .collect();
        checks.sort_by_key(|check| (check.first_ms, &check.process, &check.syscall));
        Kept {
            name: words::short(cap),
            why: words::passage(why),
            phase: words::phase(*phase),
            risk: capability::by_name(cap).map_or("", |info| info.gives_attacker),
            ground: ground(grounds),
            more: checks.len().saturating_sub(CHECKS),
            checks: checks.into_iter().take(CHECKS).map(check).collect(),
        }
    };
    plan.cap_add.iter().map(kept).collect()
}

fn check(check: &CapabilityCheck) -> Check {
    let CapabilityCheck {
        process,
        syscall,
        caller: _,
        stack,
        granted: _,
        verdict: _,
        reason,
        count,
        first_ms,
        last_ms,
        phases,
    } = check;
    let frames: Vec<String> = stack.iter().take(FRAMES).map(|frame| words::short(frame)).collect();
    let phases = words::phases(phases.iter().copied());
    let span = words::span(*first_ms, *last_ms);
    Check {
        process: words::short(process),
        syscall: words::short(syscall),
        reason: words::passage(reason),
        count: words::times(*count),
        when: if phases.is_empty() { span } else { format!("{phases}, {span}") },
        stack: frames.join(" ← "),
    }
}

/// Those that the plan drops.
pub(super) fn dropped(plan: &Plan) -> Vec<Dropped> {
    let dropped = |dropped: &CapDropped| {
        let CapDropped { cap, gives_attacker, seen } = dropped;
        Dropped {
            name: words::short(cap),
            closes: words::passage(gives_attacker),
            seen: match seen {
                None => "never asked for",
                Some(Verdict::Attempted) => "asked for, refused",
                Some(Verdict::Opportunistic) => "asked for, made no difference",
                Some(Verdict::Required) => "used",
            },
        }
    };
    plan.cap_dropped.iter().map(dropped).collect()
}
