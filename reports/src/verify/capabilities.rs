//! Capabilities that were refused under the plan and that something hung on in training.

use std::collections::BTreeSet;

use super::{Change, Comparison, Finding, FindingKind};
use crate::model::{Capability, CapabilityCheck, Profile, Verdict};
use crate::plan::{ElementKind, Plan};
use crate::text::printable;
use crate::verdict::is_covered_by_override;

pub(super) fn findings(comparison: &Comparison<'_>) -> Vec<Finding> {
    let Comparison { training, under_plan, plan, .. } = comparison;
    denied(under_plan, plan)
        .filter_map(|(cap, checks)| {
            let hung: Vec<_> = checks.into_iter().filter(|check| hung_on_it(training, cap, check)).collect();
            if hung.is_empty() {
                return None;
            }
            let syscalls: BTreeSet<_> = hung.iter().map(|check| check.syscall.as_str()).collect();
            let processes: BTreeSet<_> = hung.iter().map(|check| check.process.clone()).collect();
            let cap = printable(&first_name(cap));
            Some(Finding {
                processes: processes.into_iter().collect(),
                count: hung.iter().map(|check| check.count).sum(),
                change: Some(Change::AddCapability { cap: cap.clone() }),
                harmless: plan.optional.iter().any(|element| match element.kind {
                    ElementKind::Capability => element.cap.as_ref() == Some(&cap),
                    // Who never is root has no capability to be refused.
                    ElementKind::Root => true,
                    _ => false,
                }),
                cap: Some(cap.clone()),
                ..Finding::of_run(
                    FindingKind::Capability,
                    format!(
                        "{cap} is refused for {}",
                        printable(&syscalls.into_iter().collect::<Vec<_>>().join(", "))
                    ),
                )
            })
        })
        .collect()
}

fn first_name(cap: &str) -> String {
    crate::capability::by_name(cap).map_or_else(|| cap.to_owned(), |info| info.name.to_owned())
}

/// Capabilities that were refused because the plan does not grant them, with the checks.
pub(super) fn denied<'a>(
    under_plan: &'a Profile,
    plan: &'a Plan,
) -> impl Iterator<Item = (&'a str, Vec<&'a CapabilityCheck>)> {
    let grants = |cap: &str| plan.cap_add.iter().any(|add| add.cap == cap);
    let overrides = grants("DAC_OVERRIDE");
    under_plan.capabilities.iter().filter(move |entry| !grants(&entry.cap)).filter_map(move |entry| {
        let is_served = |check: &CapabilityCheck| {
            overrides && is_covered_by_override(&entry.cap, &check.syscall, check.caller.as_deref())
        };
        let is_denied = |check: &&CapabilityCheck| !check.granted && !is_served(check);
        let checks: Vec<_> = entry.evidence.iter().filter(is_denied).collect();
        (!checks.is_empty()).then_some((entry.cap.as_str(), checks))
    })
}

/// Whether a check of the same kind was granted in training and the operation hung on it.
fn hung_on_it(training: &Profile, cap: &str, check: &CapabilityCheck) -> bool {
    let of_cap = |entry: &&Capability| entry.cap == cap;
    let known = || training.capabilities.iter().filter(of_cap).flat_map(|entry| &entry.evidence);
    let same = |known: &&CapabilityCheck| known.syscall == check.syscall;
    let was_denied = known().filter(same).any(|known| !known.granted && known.process == check.process);
    let required = known().filter(same).any(|known| known.granted && known.verdict == Verdict::Required);
    required && !was_denied
}
