//! The profiles of a scaled service's containers as one: what any of them did, the service does.
//!
//! Owns how each part is joined: counts are added, times span all, sizes are the largest of any one container, and
//! what is missing of one is missing of all. Never joins profiles of different images.

use std::collections::BTreeMap;

use crate::model::{Capability, Coverage, Phase, Profile};

/// The union of the profiles of one service's containers; `None` where there is none. Configuration, mounts and
/// facts about the image are the first one's.
#[must_use]
pub fn merge_replicas(profiles: Vec<Profile>) -> Option<Profile> {
    let mut profiles = profiles.into_iter();
    let mut merged = profiles.next()?;
    for profile in profiles {
        merge(&mut merged, profile);
    }
    Some(merged)
}

fn merge(into: &mut Profile, from: Profile) {
    // Destructured, so that a new field is not forgotten here.
    let Profile { schema: _, tool: _, host: _, subject, run, coverage, writes, capabilities } = from;
    merge_writes(into, writes);
    merge_capabilities(&mut into.capabilities, capabilities);
    let Coverage { complete, gaps } = coverage;
    into.coverage.complete &= complete;
    for gap in gaps {
        match into.coverage.gaps.iter_mut().find(|known| known.code == gap.code) {
            // Losses are counted for all subjects of a run together.
            Some(known) => known.count = known.count.max(gap.count),
            None => into.coverage.gaps.push(gap),
        }
    }
    let crate::model::Run {
        started: _,
        duration_ms,
        phases: _,
        load: _,
        exit,
        executions,
        sizes,
        users,
        ports,
    } = run;
    into.run.duration_ms = into.run.duration_ms.max(duration_ms);
    // One that ended badly tells more than one that did not.
    if exit.as_ref().is_some_and(|exit| exit.oom_killed || exit.status != 0)
        && into.run.exit.as_ref().is_none_or(|exit| !exit.oom_killed && exit.status == 0)
    {
        into.run.exit = exit;
    }
    for execution in executions {
        let same = |known: &&mut crate::model::Execution| {
            known.path == execution.path && known.mapped == execution.mapped && known.mount == execution.mount
        };
        match into.run.executions.iter_mut().find(same) {
            Some(known) => {
                known.count += execution.count;
                known.gains_privileges |= execution.gains_privileges;
            }
            None => into.run.executions.push(execution),
        }
    }
    into.run.executions.sort_by(|a, b| (&a.path, a.mapped, &a.mount).cmp(&(&b.path, b.mapped, &b.mount)));
    for size in sizes {
        match into.run.sizes.iter_mut().find(|known| known.path == size.path) {
            Some(known) => {
                known.peak_bytes = known.peak_bytes.max(size.peak_bytes);
                known.unlinked_bytes = known.unlinked_bytes.max(size.unlinked_bytes);
            }
            None => into.run.sizes.push(size),
        }
    }
    into.run.sizes.sort_by(|a, b| a.path.cmp(&b.path));
    for user in users {
        let same = |known: &&mut crate::model::UserSeen| {
            (known.uid, known.gid, &known.executable) == (user.uid, user.gid, &user.executable)
        };
        match into.run.users.iter_mut().find(same) {
            Some(known) => {
                known.count += user.count;
                add_phases(&mut known.phases, &user.phases);
            }
            None => into.run.users.push(user),
        }
    }
    into.run.users.sort();
    for port in ports {
        let same = |known: &&mut crate::model::BoundPort| {
            (known.port, &known.executable) == (port.port, &port.executable)
        };
        match into.run.ports.iter_mut().find(same) {
            Some(known) => add_phases(&mut known.phases, &port.phases),
            None => into.run.ports.push(port),
        }
    }
    into.run.ports.sort();
    for entry in subject.image_entries {
        let entries = &mut into.subject.image_entries;
        if let Err(at) = entries.binary_search_by(|known| known.path.cmp(&entry.path)) {
            entries.insert(at, entry);
        }
    }
    into.subject.image_cut.extend(subject.image_cut);
    into.subject.image_cut.sort();
    into.subject.image_cut.dedup();
}

fn merge_writes(into: &mut Profile, writes: Vec<crate::model::Write>) {
    let key = |write: &crate::model::Write| {
        (write.path.clone(), write.from.clone(), write.op, write.errno, write.collapsed)
    };
    let mut all: BTreeMap<_, _> = into.writes.drain(..).map(|write| (key(&write), write)).collect();
    for write in writes {
        match all.entry(key(&write)) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(write);
            }
            std::collections::btree_map::Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.count += write.count;
                known.first_ms = known.first_ms.min(write.first_ms);
                known.last_ms = known.last_ms.max(write.last_ms);
                add_phases(&mut known.phases, &write.phases);
                known.processes.extend(write.processes);
                known.processes.sort();
                known.processes.dedup();
            }
        }
    }
    into.writes = all.into_values().collect();
}

fn merge_capabilities(into: &mut Vec<Capability>, capabilities: Vec<Capability>) {
    for capability in capabilities {
        let Some(known) = into.iter_mut().find(|known| known.cap == capability.cap) else {
            into.push(capability);
            continue;
        };
        known.verdict = known.verdict.max(capability.verdict);
        known.count += capability.count;
        for check in capability.evidence {
            let same = |other: &&mut crate::model::CapabilityCheck| {
                (&other.process, &other.syscall, &other.caller, other.granted, &other.reason)
                    == (&check.process, &check.syscall, &check.caller, check.granted, &check.reason)
            };
            match known.evidence.iter_mut().find(same) {
                Some(other) => {
                    other.count += check.count;
                    other.first_ms = other.first_ms.min(check.first_ms);
                    other.last_ms = other.last_ms.max(check.last_ms);
                    add_phases(&mut other.phases, &check.phases);
                }
                None => known.evidence.push(check),
            }
        }
    }
    // By number, as a profile has them.
    into.sort_by_key(|capability| crate::capability::number(&capability.cap));
}

fn add_phases(phases: &mut Vec<Phase>, more: &[Phase]) {
    phases.extend(more);
    phases.sort();
    phases.dedup();
}
