//! Capabilities: each once, with the strongest verdict and the checks of all runs.
//!
//! Owns what makes two checks the same. The kernel's call chain is not part of that: it differs between kernels, and the
//! longest is kept. Never judges a check anew.

use std::cmp::Reverse;
use std::collections::{BTreeMap, btree_map};

use crate::capability;
use crate::model::{Capability, CapabilityCheck, Phases, Verdict};

/// How many checks are kept of one capability: those with the strongest verdict first.
const MAX_CHECKS: usize = 1024;

/// What makes a check the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    verdict: Reverse<Verdict>,
    process: String,
    syscall: String,
    caller: Option<String>,
    granted: bool,
    reason: String,
}

/// What is joined.
#[derive(Debug)]
struct Seen {
    stack: Vec<String>,
    count: u64,
    first_ms: u64,
    last_ms: u64,
    phases: Phases,
}

#[derive(Debug)]
struct Checks {
    verdict: Verdict,
    count: u64,
    evidence: BTreeMap<Key, Seen>,
}

/// By number, unknown ones behind by name.
#[derive(Debug, Default)]
pub(super) struct Capabilities(BTreeMap<(u8, String), Checks>);

impl Capabilities {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, capabilities: Vec<Capability>) {
        for capability in capabilities {
            let Capability { cap, verdict, count, evidence } = capability;
            let key = match capability::by_name(&cap) {
                Some(info) => (info.number, info.name.to_owned()),
                None => (u8::MAX, cap),
            };
            let new = || Checks { verdict, count, evidence: BTreeMap::new() };
            let known = self.0.entry(key).or_insert_with(new);
            known.verdict = known.verdict.max(verdict);
            known.count = known.count.max(count);
            evidence.into_iter().for_each(|check| known.add(check));
        }
    }

    pub(super) fn finish(self) -> Vec<Capability> {
        let capability = |((_, cap), checks): ((u8, String), Checks)| {
            let Checks { verdict, count, evidence } = checks;
            Capability { cap, verdict, count, evidence: evidence.into_iter().map(check).collect() }
        };
        self.0.into_iter().map(capability).collect()
    }
}

impl Checks {
    fn add(&mut self, check: CapabilityCheck) {
        let CapabilityCheck {
            process,
            syscall,
            caller,
            stack,
            granted,
            verdict,
            reason,
            count,
            first_ms,
            last_ms,
            phases,
        } = check;
        let key = Key { verdict: Reverse(verdict), process, syscall, caller, granted, reason };
        let seen = Seen { stack, count, first_ms, last_ms, phases };
        match self.evidence.entry(key) {
            btree_map::Entry::Vacant(place) => {
                place.insert(seen);
            }
            btree_map::Entry::Occupied(mut known) => known.get_mut().join(seen),
        }
        if self.evidence.len() > MAX_CHECKS {
            // Whatever is added later, as many sort before it: it never comes back.
            self.evidence.pop_last();
        }
    }
}

impl Seen {
    fn join(&mut self, other: Self) {
        let Self { stack, count, first_ms, last_ms, phases } = other;
        if (self.stack.len(), &self.stack) < (stack.len(), &stack) {
            self.stack = stack;
        }
        self.count = self.count.max(count);
        self.first_ms = self.first_ms.min(first_ms);
        self.last_ms = self.last_ms.max(last_ms);
        self.phases.unite(phases);
    }
}

fn check((key, seen): (Key, Seen)) -> CapabilityCheck {
    let Key { verdict: Reverse(verdict), process, syscall, caller, granted, reason } = key;
    let Seen { stack, count, first_ms, last_ms, phases } = seen;
    CapabilityCheck {
        process,
        syscall,
        caller,
        stack,
        granted,
        verdict,
        reason,
        count,
        first_ms,
        last_ms,
        phases,
    }
}
