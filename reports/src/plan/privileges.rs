//! Capabilities, `no-new-privileges`, and running without root.
//!
//! Owns what of the subject's privileges is kept. Never grants a capability that training did not show to be
//! required; what the verdicts rest on is [`crate::verdict`]'s.

use std::collections::{BTreeMap, BTreeSet};

use super::dto::{Alternative, CapAdd, CapDropped, Warning};
use super::evidence::{self, listed};
use crate::capability::{self, CapabilityInfo};
use crate::model::{Capability, CapabilityCheck, Phase, Profile, Verdict};
use crate::text::printable;

/// What of the subject's privileges is kept.
#[derive(Debug)]
pub(super) struct Privileges {
    pub(super) cap_add: Vec<CapAdd>,
    pub(super) cap_dropped: Vec<CapDropped>,
    pub(super) no_new_privileges: bool,
    pub(super) warnings: Vec<Warning>,
    pub(super) alternatives: Vec<Alternative>,
}

pub(super) fn decide(profile: &Profile) -> Privileges {
    let mut warnings = Vec::new();
    let mut seen: BTreeMap<u8, Vec<&Capability>> = BTreeMap::new();
    for entry in &profile.capabilities {
        match capability::number(&entry.cap) {
            Some(number) => seen.entry(number).or_default().push(entry),
            None => warnings.push(Warning {
                code: "unknown-capability".to_owned(),
                message: format!(
                    "the profile names a capability that this version does not know, `{}`; it is not in the plan",
                    printable(&entry.cap)
                ),
                path: None,
            }),
        }
    }
    let verdict = |number: u8| seen.get(&number)?.iter().map(|entry| entry.verdict).max();
    let mut cap_add = Vec::new();
    for info in &capability::ALL {
        if verdict(info.number) == Some(Verdict::Required) {
            let entries = seen.get(&info.number).map(Vec::as_slice).unwrap_or_default();
            cap_add.push(granted(info, entries, profile));
        }
    }
    let cap_dropped = had(profile)
        .into_iter()
        .filter_map(capability::by_number)
        .filter(|info| verdict(info.number) != Some(Verdict::Required))
        .map(|info| CapDropped {
            cap: info.name.to_owned(),
            gives_attacker: info.gives_attacker.to_owned(),
            seen: verdict(info.number),
        })
        .collect();
    warnings.extend(privileged_port(profile));
    if profile.subject.config.as_ref().is_some_and(|config| config.privileged) {
        warnings.push(Warning {
            code: "privileged".to_owned(),
            message: "training ran with --privileged, and the plan leaves that out: the default seccomp and AppArmor \
                      profiles and the device policy then apply, which training did not test"
                .to_owned(),
            path: None,
        });
    }
    let mut gaining: Vec<_> =
        profile.run.executions.iter().filter(|execution| execution.gains_privileges).collect();
    gaining.sort_by(|a, b| a.path.cmp(&b.path));
    gaining.dedup_by(|a, b| a.path == b.path);
    warnings.extend(gaining.iter().map(|execution| Warning {
        code: "gains-privileges".to_owned(),
        message: format!(
            "{} gains privileges when it is executed (set-id bits or file capabilities), which no-new-privileges \
             would prevent; it is therefore not set",
            execution.path
        ),
        path: Some(execution.path.clone()),
    }));
    let alternatives = non_root(profile, &cap_add).into_iter().collect();
    Privileges { cap_add, cap_dropped, no_new_privileges: gaining.is_empty(), warnings, alternatives }
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
    CapAdd { cap: info.name.to_owned(), why, phase, evidence, evidence_more }
}

/// A hint for hosts where low ports are privileged, if the subject bound one and did not need the capability.
///
/// Docker sets `net.ipv4.ip_unprivileged_port_start=0` in private network namespaces
/// (moby:daemon/oci_linux.go), so that training shows no need.
fn privileged_port(profile: &Profile) -> Option<Warning> {
    let entry = profile.capabilities.iter().find(|entry| {
        capability::number(&entry.cap) == capability::number("NET_BIND_SERVICE")
            && entry.verdict == Verdict::Opportunistic
            && entry.evidence.iter().any(|check| check.syscall == "bind")
    })?;
    let processes: BTreeSet<&str> = entry.evidence.iter().map(|check| check.process.as_str()).collect();
    Some(Warning {
        code: "privileged-port".to_owned(),
        message: format!(
            "{} binds a port below 1024: on Docker's private networks that takes no capability, but on the host \
             network, and on Kubernetes with older runtimes, add NET_BIND_SERVICE or choose another port",
            listed(processes, 3)
        ),
        path: None,
    })
}

/// Capabilities with which an entrypoint prepares files and becomes another user.
const PREPARING: &[&str] =
    &["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "SETGID", "SETUID"];

fn non_root(profile: &Profile, cap_add: &[CapAdd]) -> Option<Alternative> {
    let config = profile.subject.config.as_ref()?;
    let user = config.user.as_deref().unwrap_or(&config.image_user);
    let is_root = matches!(user.split(':').next(), None | Some("" | "0" | "root"));
    let has = |name: &str| cap_add.iter().any(|entry| entry.cap == name);
    let prepares = cap_add.iter().all(|entry| PREPARING.contains(&entry.cap.as_str()))
        && cap_add.iter().all(|entry| entry.phase == Phase::Startup && only_in_startup(profile, &entry.cap));
    if !is_root || !prepares || !(has("SETUID") || has("SETGID")) {
        return None;
    }
    let names = listed(cap_add.iter().map(|entry| entry.cap.as_str()), PREPARING.len());
    Some(Alternative {
        kind: "non-root".to_owned(),
        message: format!(
            "{names} {} needed during start-up only, to prepare files and become another user. Started as that user from the \
             beginning (--user UID:GID, with the writable mounts owned by it), the subject may need no capability at \
             all; whether its entrypoint supports that has not been tested",
            if cap_add.len() == 1 { "is" } else { "are" }
        ),
    })
}

/// Whether every check that a capability was required for fell into start-up.
fn only_in_startup(profile: &Profile, cap: &str) -> bool {
    profile
        .capabilities
        .iter()
        .filter(|entry| capability::by_name(&entry.cap).is_some_and(|info| info.name == cap))
        .flat_map(|entry| &entry.evidence)
        .filter(|check| check.verdict == Verdict::Required)
        .all(|check| check.phases.iter().all(|phase| *phase == Phase::Startup))
}
