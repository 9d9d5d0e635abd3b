//! The observations that an element of a plan rests on, selected and summed up.
//!
//! Owns the order (by time, then by name, so that it does not depend on the order in the profile) and the bound.

use std::collections::BTreeSet;

use super::dto::{CapEvidence, WriteEvidence};
use crate::model::{CapabilityCheck, Phase, Phases, Run, Write};

/// How many observations an element carries at most.
pub(super) const LIMIT: usize = 8;

/// The first phase among those seen; without any, the one that `first_ms` falls into.
pub(super) fn first_phase(phases: &Phases, first_ms: u64, run: &Run) -> Option<Phase> {
    phases.first().or_else(|| run.phase_at(first_ms))
}

/// The earliest operations, and how many more there are.
pub(super) fn of_writes(writes: &[&Write], run: &Run) -> (Vec<WriteEvidence>, u64) {
    // Few of them are kept, of perhaps a million: those are found without sorting all.
    let mut earliest: Vec<&Write> = Vec::with_capacity(LIMIT.saturating_add(1));
    for write in writes {
        if earliest.get(LIMIT.saturating_sub(1)).is_some_and(|last| order(last) <= order(write)) {
            continue;
        }
        let at = earliest.partition_point(|other| order(other) <= order(write));
        earliest.insert(at, write);
        earliest.truncate(LIMIT);
    }
    let more = writes.len().saturating_sub(LIMIT);
    let evidence = earliest
        .into_iter()
        .map(|write| WriteEvidence {
            path: write.path.clone(),
            from: write.from.clone(),
            op: write.op,
            errno: write.errno,
            count: write.count,
            process: write.processes.first().cloned().unwrap_or_default(),
            phase: first_phase(&write.phases, write.first_ms, run),
        })
        .collect();
    (evidence, u64::try_from(more).unwrap_or(u64::MAX))
}

fn order(write: &Write) -> impl Ord + '_ {
    (write.first_ms, &write.path, write.op, &write.from, write.count, &write.processes, &write.phases)
}

/// The earliest checks, and how many more there are.
pub(super) fn of_checks(checks: &[&CapabilityCheck], run: &Run) -> (Vec<CapEvidence>, u64) {
    let mut sorted: Vec<&CapabilityCheck> = checks.to_vec();
    sorted.sort_by(|a, b| {
        (a.first_ms, &a.process, &a.syscall, &a.caller, a.count)
            .cmp(&(b.first_ms, &b.process, &b.syscall, &b.caller, b.count))
    });
    let more = sorted.len().saturating_sub(LIMIT);
    let evidence = sorted
        .into_iter()
        .take(LIMIT)
        .map(|check| CapEvidence {
            process: check.process.clone(),
            syscall: check.syscall.clone(),
            caller: check.caller.clone(),
            count: check.count,
            phase: first_phase(&check.phases, check.first_ms, run),
            reason: check.reason.clone(),
        })
        .collect();
    (evidence, u64::try_from(more).unwrap_or(u64::MAX))
}

/// What was done and by whom, in a few words: `create, unlink, bind by /usr/sbin/nginx`.
pub(super) fn summary(writes: &[&Write]) -> String {
    // One by one: there may be a million operations, and there are few programs.
    let (mut ops, mut processes) = (BTreeSet::new(), BTreeSet::new());
    for write in writes {
        ops.insert(write.op);
        processes.extend(write.processes.iter().map(String::as_str));
    }
    let ops = listed(ops.iter().map(|op| op.name()), 6);
    if processes.is_empty() { ops } else { format!("{ops} by {}", listed(processes, 3)) }
}

/// `a, b, c and 4 more`.
pub(crate) fn listed<'a>(items: impl IntoIterator<Item = &'a str>, limit: usize) -> String {
    let items: Vec<&str> = items.into_iter().collect();
    let shown = items.iter().take(limit).copied().collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(limit) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
