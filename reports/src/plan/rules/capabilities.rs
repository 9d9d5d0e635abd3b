//! Capabilities.
//!
//! Owns which of the subject's capabilities are kept. Never grants one that training did not show to be required; what
//! the verdicts rest on is [`crate::verdict`]'s. Capabilities that hang on ports are `ports`' to add.

use std::collections::{BTreeMap, BTreeSet};

use super::super::doubt;
use super::super::dto::{CapAdd, CapDropped};
use super::super::evidence::{self, listed};
use super::{Case, Draft, Rule};
use crate::capability::{self, CapabilityInfo};
use crate::model::{Capability, CapabilityCheck, Phase, Profile, Verdict};
use crate::text::printable;
use crate::verdict::is_covered_by_override;

pub(super) const RULE: Rule = Rule {
    id: "capabilities",
    about: "All capabilities are dropped but those that an operation hung on.",
    doc: "A capability is granted where a check of it was `required`: granted, and the operation would have failed \
          without it ([capabilities.md](capabilities.md) has the rules of these verdicts). DAC_READ_SEARCH is left \
          out where DAC_OVERRIDE is needed anyway and serves for all of it: the kernel asks for the one first and \
          takes either. Every capability that the subject had and the plan takes away is listed with what it would \
          have given an attacker.",
    warnings: &["unknown-capability"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let profile = case.profile;
    draft.plan.cap_drop = vec!["ALL".to_owned()];
    let mut seen: BTreeMap<u8, Vec<&Capability>> = BTreeMap::new();
    for entry in &profile.capabilities {
        match capability::number(&entry.cap) {
            Some(number) => seen.entry(number).or_default().push(entry),
            None => draft.warn(
                "unknown-capability",
                format!(
                    "the profile names a capability that this version does not know, `{}`; it is not in the plan",
                    printable(&entry.cap)
                ),
                None,
            ),
        }
    }
    let observed = |number: u8| seen.get(&number)?.iter().map(|entry| entry.verdict).max();
    let overrides = capability::number("DAC_OVERRIDE").and_then(observed) == Some(Verdict::Required);
    let verdict = |number: u8| match observed(number)? {
        Verdict::Required if overrides && is_covered(seen.get(&number)?) => Some(Verdict::Opportunistic),
        verdict => Some(verdict),
    };
    for info in &capability::ALL {
        if verdict(info.number) == Some(Verdict::Required) {
            let entries = seen.get(&info.number).map(Vec::as_slice).unwrap_or_default();
            draft.plan.cap_add.push(granted(info, entries, profile));
        }
    }
    draft.plan.cap_dropped = had(profile)
        .into_iter()
        .filter_map(capability::by_number)
        .filter(|info| verdict(info.number) != Some(Verdict::Required))
        .map(|info| CapDropped {
            cap: info.name.to_owned(),
            gives_attacker: info.gives_attacker.to_owned(),
            seen: verdict(info.number),
        })
        .collect();
}

/// Whether DAC_OVERRIDE, which is needed for something else, serves for all that these checks were needed for.
fn is_covered(entries: &[&Capability]) -> bool {
    let mut required = entries
        .iter()
        .flat_map(|entry| entry.evidence.iter().map(|check| (entry.cap.as_str(), check)))
        .filter(|(_, check)| check.verdict == Verdict::Required)
        .peekable();
    // Without evidence nothing can be said.
    required.peek().is_some()
        && required.all(|(cap, check)| is_covered_by_override(cap, &check.syscall, check.caller.as_deref()))
}

/// The numbers of the capabilities that the subject was started with.
fn had(profile: &Profile) -> BTreeSet<u8> {
    let Some(config) = &profile.subject.config else { return BTreeSet::new() };
    let all = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
    let mut had: BTreeSet<u8> = if config.privileged || all(&config.cap_add) {
        capability::ALL.iter().map(|info| info.number).collect()
    } else if all(&config.cap_drop) {
        BTreeSet::new()
    } else {
        capability::docker_defaults().map(|info| info.number).collect()
    };
    if !config.privileged {
        had.extend(config.cap_add.iter().filter_map(|name| capability::number(name)));
        for number in config.cap_drop.iter().filter_map(|name| capability::number(name)) {
            had.remove(&number);
        }
    }
    had
}

fn granted(info: &CapabilityInfo, entries: &[&Capability], profile: &Profile) -> CapAdd {
    let checks: Vec<&CapabilityCheck> = entries
        .iter()
        .flat_map(|entry| &entry.evidence)
        .filter(|check| check.verdict == Verdict::Required)
        .collect();
    let phase = checks
        .iter()
        .filter_map(|check| evidence::first_phase(&check.phases, check.first_ms, &profile.run))
        .min()
        .unwrap_or(Phase::Startup);
    let (evidence, evidence_more) = evidence::of_checks(&checks, &profile.run);
    let sorted = |pick: fn(&CapabilityCheck) -> &str| {
        checks.iter().map(|check| pick(check)).filter(|text| !text.is_empty()).collect::<BTreeSet<_>>()
    };
    let processes = sorted(|check| &check.process);
    let syscalls = sorted(|check| &check.syscall);
    let callers = sorted(|check| check.caller.as_deref().unwrap_or_default());
    let mut why = if checks.is_empty() {
        "required in training".to_owned()
    } else {
        format!("{} for {}", listed(processes, 3), listed(syscalls, 4))
    };
    if !callers.is_empty() {
        why.push_str(&format!(" (kernel: {})", listed(callers, 3)));
    }
    let mut grounds = doubt::grounds(&[&RULE], doubt::of_presence(profile));
    if checks.is_empty() {
        doubt::add(&mut grounds, doubt::NO_CHECKS);
    } else if checks.iter().any(|check| check.caller.is_none()) {
        doubt::add(&mut grounds, doubt::NO_CALLER);
    }
    CapAdd { cap: info.name.to_owned(), why, phase, evidence, evidence_more, grounds }
}
