//! Capabilities of which one side shows more than the other.

use std::collections::{BTreeMap, BTreeSet};

use super::dto::{Change, Difference, Kind, Observed};
use super::input::Input;
use super::places::{MAX_EVIDENCE, MAX_PROCESSES};
use crate::capability;
use crate::model::{Phase, Phases, Verdict};
use crate::plan::ElementKind;

/// What one side shows of a capability.
struct Shown<'a> {
    verdict: Verdict,
    checks: Vec<Check<'a>>,
}

/// Who asked, where.
struct Check<'a> {
    process: &'a str,
    syscall: &'a str,
    caller: Option<&'a str>,
    count: u64,
    verdict: Verdict,
    phases: Phases,
}

/// By number, unknown ones behind, by name.
type Capabilities<'a> = BTreeMap<(u8, &'a str), Shown<'a>>;

fn key(name: &str) -> (u8, &str) {
    capability::by_name(name).map_or((u8::MAX, name), |info| (info.number, info.name))
}

fn add<'a>(capabilities: &mut Capabilities<'a>, name: &'a str, verdict: Verdict, checks: Vec<Check<'a>>) {
    let slot = capabilities.entry(key(name)).or_insert(Shown { verdict, checks: Vec::new() });
    slot.verdict = slot.verdict.max(verdict);
    slot.checks.extend(checks);
}

fn shown(input: &Input) -> Capabilities<'_> {
    let mut capabilities = Capabilities::new();
    match input {
        Input::Profile(profile) => {
            for entry in &profile.capabilities {
                let checks = entry.evidence.iter().map(|check| Check {
                    process: &check.process,
                    syscall: &check.syscall,
                    caller: check.caller.as_deref(),
                    count: check.count,
                    verdict: check.verdict,
                    phases: check.phases,
                });
                add(&mut capabilities, &entry.cap, entry.verdict, checks.collect());
            }
        }
        Input::Plan(plan) => {
            for entry in &plan.cap_add {
                let checks = entry.evidence.iter().map(|check| Check {
                    process: &check.process,
                    syscall: &check.syscall,
                    caller: check.caller.as_deref(),
                    count: check.count,
                    verdict: Verdict::Required,
                    phases: check.phase.into_iter().collect(),
                });
                add(&mut capabilities, &entry.cap, Verdict::Required, checks.collect());
            }
            for dropped in &plan.cap_dropped {
                if let Some(seen) = dropped.seen {
                    add(&mut capabilities, &dropped.cap, seen.min(Verdict::Opportunistic), Vec::new());
                }
            }
        }
    }
    capabilities
}

/// Capabilities that differ, by number. Only those that become required count as findings, and not those that OLD's plan
/// was proven to do without.
pub(super) fn differences(old: &Input, new: &Input) -> Vec<Difference> {
    let (before, after) = (shown(old), shown(new));
    let both_profiles = matches!((old, new), (Input::Profile(_), Input::Profile(_)));
    let keys: BTreeSet<(u8, &str)> = before.keys().chain(after.keys()).copied().collect();
    let mut differences = Vec::new();
    for key in keys {
        let was = before.get(&key).map(|shown| shown.verdict);
        let is = after.get(&key);
        let verdict = is.map(|shown| shown.verdict);
        // A plan says nothing of what was not required.
        let compared =
            |verdict: Option<Verdict>| verdict.filter(|v| both_profiles || *v == Verdict::Required);
        if compared(was) == compared(verdict) {
            continue;
        }
        let change = match (was, verdict) {
            (None, _) => Change::New,
            (_, None) => Change::Gone,
            (Some(was), Some(is)) if !both_profiles => {
                if is > was {
                    Change::New
                } else {
                    Change::Gone
                }
            }
            _ => Change::Changed,
        };
        let required = verdict == Some(Verdict::Required) && was < verdict;
        let empty = Vec::new();
        let of = if change == Change::Gone { before.get(&key) } else { is };
        let strongest = of.map(|shown| shown.verdict);
        let checks: Vec<&Check<'_>> = of
            .map_or(&empty, |shown| &shown.checks)
            .iter()
            .filter(|check| Some(check.verdict) == strongest)
            .collect();
        let processes: BTreeSet<&str> = checks.iter().map(|check| check.process).collect();
        let phases: BTreeSet<Phase> = checks.iter().flat_map(|check| check.phases.iter()).copied().collect();
        differences.push(Difference {
            finding: required && !is_optional(old, key.1),
            cap: Some(key.1.to_owned()),
            before: was.map(|verdict| word(verdict).to_owned()),
            after: verdict.map(|verdict| word(verdict).to_owned()),
            why: capability::by_name(key.1)
                .map(|info| format!("it lets an attacker {}", info.gives_attacker))
                .filter(|_| required),
            count: checks.iter().fold(0, |sum, check| sum.saturating_add(check.count)),
            processes: processes.into_iter().take(MAX_PROCESSES).map(str::to_owned).collect(),
            phases: phases.into_iter().collect(),
            evidence: checks
                .iter()
                .take(MAX_EVIDENCE)
                .map(|check| Observed {
                    process: Some(check.process.to_owned()),
                    syscall: Some(check.syscall.to_owned()),
                    caller: check.caller.map(str::to_owned),
                    count: check.count,
                    ..Observed::none()
                })
                .collect(),
            ..Difference::of(Kind::Cap, change)
        });
    }
    differences
}

fn is_optional(old: &Input, cap: &str) -> bool {
    let Input::Plan(plan) = old else { return false };
    plan.optional
        .iter()
        .any(|element| element.kind == ElementKind::Capability && element.cap.as_deref() == Some(cap))
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Attempted => "attempted",
        Verdict::Opportunistic => "opportunistic",
        Verdict::Required => "required",
    }
}
