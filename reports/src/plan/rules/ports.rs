//! Ports below 1024.

use std::collections::BTreeSet;

use super::super::doubt;
use super::super::dto::CapAdd;
use super::super::evidence::{self, listed};
use super::{Case, Draft, Rule};
use crate::capability;
use crate::model::{CapabilityCheck, Phase, Profile, Verdict};

/// The capability in question.
pub(crate) const CAP: &str = "NET_BIND_SERVICE";

/// The first port that every host leaves to everybody (`net.ipv4.ip_unprivileged_port_start`'s default).
const FIRST_UNPRIVILEGED: u16 = 1024;

pub(super) const RULE: Rule = Rule {
    id: "ports",
    about: "A subject that binds a port below 1024 on the host's network gets NET_BIND_SERVICE; elsewhere it is told.",
    doc: "On its private networks Docker sets `net.ipv4.ip_unprivileged_port_start=0` (moby:daemon/oci_linux.go): \
          there the kernel never asks for NET_BIND_SERVICE, and a plan needs none. On the host's network the host's \
          own setting holds, which differs from host to host: so the plan has NET_BIND_SERVICE whenever a port below \
          1024 is bound, whatever was asked for in training. Plans for private networks carry a warning instead: \
          the host's network, and Kubernetes with older runtimes, need the capability or another port.\n\n\
          Which ports are bound is known from the profile's `run.ports`, from checks of NET_BIND_SERVICE in bind(2), \
          and, for the warning, from the container's published ports.",
    warnings: &["privileged-port", "host-network-privileged-port"],
    apply,
};

/// What is known of low ports.
struct Low<'a> {
    /// Their numbers, where they are known.
    ports: BTreeSet<u16>,
    processes: BTreeSet<&'a str>,
    /// When one was first bound.
    phase: Option<Phase>,
    checks: Vec<&'a CapabilityCheck>,
}

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let profile = case.profile;
    let low = bound(profile);
    let seen = !low.ports.is_empty() || !low.checks.is_empty();
    let granted = draft.plan.cap_add.iter().any(|added| added.cap == CAP);
    if on_the_hosts_network(profile) {
        if seen && !granted {
            grant(profile, &low, draft);
        }
        if seen {
            let message = format!(
                "{} on the host's network: NET_BIND_SERVICE is in the plan for it; a port from {FIRST_UNPRIVILEGED} \
                 on, or a private network with a published port, takes no capability",
                what(&low)
            );
            draft.warn("host-network-privileged-port", message, None);
        }
        return;
    }
    if granted {
        return;
    }
    let published: BTreeSet<u16> = profile
        .subject
        .config
        .iter()
        .flat_map(|config| &config.publish)
        .filter_map(|p| published(p))
        .collect();
    let what = if seen {
        what(&low)
    } else if let Some(port) = published.first() {
        format!("the container's port {port} is published; if the subject binds it")
    } else {
        return;
    };
    let message = format!(
        "{what}: on Docker's private networks that takes no capability, but on the host network, and on Kubernetes \
         with older runtimes, add NET_BIND_SERVICE or choose another port"
    );
    draft.warn("privileged-port", message, None);
}

/// Who binds which port below 1024, where that was seen: for runtimes that leave such ports privileged.
pub(crate) fn low_ports(profile: &Profile) -> Option<String> {
    let low = bound(profile);
    (!low.ports.is_empty() || !low.checks.is_empty()).then(|| what(&low))
}

/// Whether the subject shares the host's network. A plain command always does.
fn on_the_hosts_network(profile: &Profile) -> bool {
    profile.subject.config.as_ref().is_none_or(|config| config.network.as_deref() == Some("host"))
}

fn bound(profile: &Profile) -> Low<'_> {
    let mut low = Low { ports: BTreeSet::new(), processes: BTreeSet::new(), phase: None, checks: Vec::new() };
    let mut phases = Vec::new();
    for port in profile.run.ports.iter().filter(|port| (1..FIRST_UNPRIVILEGED).contains(&port.port)) {
        low.ports.insert(port.port);
        low.processes.insert(&port.executable);
        phases.extend(port.phases.iter());
    }
    let entries =
        profile.capabilities.iter().filter(|entry| capability::number(&entry.cap) == capability::number(CAP));
    for check in entries.flat_map(|entry| &entry.evidence) {
        if check.syscall == "bind" && check.granted && check.verdict != Verdict::Attempted {
            low.processes.insert(&check.process);
            phases.extend(evidence::first_phase(&check.phases, check.first_ms, &profile.run));
            low.checks.push(check);
        }
    }
    low.phase = phases.into_iter().min();
    low
}

fn what(low: &Low<'_>) -> String {
    let who = listed(low.processes.iter().copied(), 3);
    let ports: Vec<String> = low.ports.iter().map(u16::to_string).collect();
    match ports.as_slice() {
        [] => format!("{who} binds a port below {FIRST_UNPRIVILEGED}"),
        [port] => format!("{who} binds port {port}"),
        ports => format!("{who} binds ports {}", listed(ports.iter().map(String::as_str), 8)),
    }
}

fn grant(profile: &Profile, low: &Low<'_>, draft: &mut Draft<'_>) {
    let (evidence, evidence_more) = evidence::of_checks(&low.checks, &profile.run);
    let mut grounds = doubt::grounds(&[&RULE], doubt::of_presence(profile));
    if !low.checks.iter().any(|check| check.verdict == Verdict::Required) {
        doubt::add(&mut grounds, doubt::PORT_ASSUMED);
    }
    draft.plan.cap_dropped.retain(|dropped| dropped.cap != CAP);
    draft.plan.cap_add.push(CapAdd {
        cap: CAP.to_owned(),
        why: format!("{} on the host's network", what(low)),
        phase: low.phase.unwrap_or(Phase::Startup),
        evidence,
        evidence_more,
        grounds,
    });
    draft.plan.cap_add.sort_by_key(|added| capability::number(&added.cap));
}

/// The container's port of a `--publish` value (`[[IP:]PORT:]PORT[-PORT][/PROTO]`), if it is a low one.
fn published(value: &str) -> Option<u16> {
    let container = value.rsplit(':').next()?.split('/').next()?.split('-').next()?;
    container.parse().ok().filter(|port| (1..FIRST_UNPRIVILEGED).contains(port))
}

#[cfg(test)]
mod tests {
    use super::published;

    #[test]
    fn published_ports_are_the_containers() {
        for (value, want) in [
            ("8080:80", Some(80)),
            ("80:8080", None),
            ("127.0.0.1:8080:443/tcp", Some(443)),
            ("[::1]:8080:53/udp", Some(53)),
            ("80", Some(80)),
            ("8000-8010:80-90", Some(80)),
            ("x", None),
            ("", None),
            ("0", None),
        ] {
            assert_eq!(published(value), want, "{value}");
        }
    }
}
