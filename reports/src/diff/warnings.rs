//! What may be missing or misleading in a comparison, by how the two were recorded.
//!
//! Owns the stable names of these warnings. A warning says what may therefore be missing, and never changes the result.

use std::collections::BTreeSet;

use super::dto::DiffWarning;
use super::input::Input;
use crate::model::{ContainerConfig, Profile};
use crate::text::printable;

/// How many times longer one run may be than the other.
const DURATION_FACTOR: u64 = 10;

/// Everything that speaks against taking the comparison at its word.
pub(super) fn of(old: &Input, new: &Input) -> Vec<DiffWarning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| {
        warnings.push(DiffWarning { code: code.to_owned(), message: printable(&message) });
    };
    for (input, name, then) in [
        (old, "OLD", "what it lacks may show as new"),
        (new, "NEW", "what is new may be missing, and what it lacks may show as gone"),
    ] {
        if let Some(gaps) = incomplete(input) {
            warn(
                &format!("incomplete-{}", name.to_lowercase()),
                format!("{name} is incomplete{gaps}: {then}"),
            );
        }
        if is_empty(input) {
            warn(
                &format!("empty-{}", name.to_lowercase()),
                format!(
                    "{name} shows no operation, capability or execution at all: was it recorded as it should?"
                ),
            );
        }
    }
    let (old_subject, new_subject) = (subject(old), subject(new));
    if repository(old_subject) != repository(new_subject) {
        warn(
            "other-subject",
            format!(
                "OLD is of {old_subject}, NEW of {new_subject}: these may be two things rather than two releases of one"
            ),
        );
    }
    match (old, new) {
        (Input::Profile(old), Input::Profile(new)) => recorded_otherwise(old, new, &mut warn),
        (Input::Plan(_), Input::Plan(_)) => {}
        _ => warn(
            "plans-compared",
            "one of the two is a plan, so plans are compared: single writes, executions, ports and refused operations are \
             not"
                .to_owned(),
        ),
    }
    warnings
}

fn incomplete(input: &Input) -> Option<String> {
    match input {
        Input::Profile(profile) if profile.coverage.complete => None,
        Input::Plan(plan) if plan.complete => None,
        Input::Plan(_) => Some(String::new()),
        Input::Profile(profile) => {
            let codes: BTreeSet<&str> = profile.coverage.gaps.iter().map(|gap| gap.code.as_str()).collect();
            let codes = crate::plan::listed(codes, 4);
            Some(if codes.is_empty() { codes } else { format!(" ({codes})") })
        }
    }
}

fn is_empty(input: &Input) -> bool {
    match input {
        Input::Profile(profile) => {
            profile.writes.is_empty() && profile.capabilities.is_empty() && profile.run.executions.is_empty()
        }
        // The plan of a subject that needs nothing is short, and right.
        Input::Plan(_) => false,
    }
}

pub(super) fn subject(input: &Input) -> &str {
    match input {
        Input::Profile(profile) => &profile.subject.name,
        Input::Plan(plan) => &plan.subject,
    }
}

/// An image reference without tag and digest.
fn repository(reference: &str) -> &str {
    let reference = reference.split('@').next().unwrap_or_default();
    match reference.rsplit_once(':') {
        // A colon before a slash is that of a registry's port.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => reference,
    }
}

fn recorded_otherwise(old: &Profile, new: &Profile, warn: &mut impl FnMut(&str, String)) {
    let (a, b) = (&old.host, &new.host);
    if a.arch != b.arch {
        warn(
            "other-architecture",
            format!(
                "OLD was recorded on {}, NEW on {}: programs, paths and system calls may differ for that alone",
                a.arch, b.arch
            ),
        );
    }
    let sensors = |profile: &Profile| -> BTreeSet<String> { profile.host.sensors.iter().cloned().collect() };
    if sensors(old) != sensors(new) {
        warn(
            "other-sensors",
            format!(
                "OLD was recorded with the sensors {}, NEW with {}: one may have seen what the other could not",
                joined(&a.sensors),
                joined(&b.sensors)
            ),
        );
    }
    if old.tool != new.tool {
        warn(
            "other-version",
            format!(
                "OLD was recorded by {} {}, NEW by {} {}: the later one may see more",
                old.tool.name, old.tool.version, new.tool.name, new.tool.version
            ),
        );
    }
    load(old, new, warn);
    if let (Some(a), Some(b)) = (&old.subject.config, &new.subject.config) {
        let options = other_options(a, b);
        if !options.is_empty() {
            warn(
                "other-options",
                format!(
                    "the two were run with different options ({}): what differs may come from that",
                    options.join(", ")
                ),
            );
        }
    } else if old.subject.config.is_some() != new.subject.config.is_some() {
        warn(
            "other-options",
            "one of the two is of a container, the other of a plain command: what differs may come from that"
                .to_owned(),
        );
    }
    if is_time(&old.run.started) && is_time(&new.run.started) && old.run.started > new.run.started {
        warn(
            "swapped-order",
            format!(
                "OLD was recorded after NEW ({}, {}): if they are swapped, what is new shows as gone",
                old.run.started, new.run.started
            ),
        );
    }
}

fn load(old: &Profile, new: &Profile, warn: &mut impl FnMut(&str, String)) {
    let (a, b) = (old.run.load.as_ref(), new.run.load.as_ref());
    match (a, b) {
        (Some(_), None) => warn(
            "other-load",
            "OLD was recorded under a load test, NEW without: what only the load would show is missing in NEW".to_owned(),
        ),
        (None, Some(_)) => warn(
            "other-load",
            "NEW was recorded under a load test, OLD without: what only the load shows is new".to_owned(),
        ),
        (Some(a), Some(b)) if without_ports(&a.command) != without_ports(&b.command) => warn(
            "other-load",
            format!(
                "the load tests differ (`{}`, `{}`): what differs may come from that",
                short(&a.command),
                short(&b.command)
            ),
        ),
        _ => {}
    }
    for (load, name) in [(a, "OLD"), (b, "NEW")] {
        if load.is_some_and(|load| load.exit_status != Some(0)) {
            warn(
                "failed-load",
                format!("the load test of {name} failed: what comes behind the failure is missing in {name}"),
            );
        }
    }
    let (short_ms, long_ms) =
        (old.run.duration_ms.min(new.run.duration_ms).max(1), old.run.duration_ms.max(new.run.duration_ms));
    // Runs of a few seconds differ by chance.
    if long_ms > 60_000 && long_ms / short_ms >= DURATION_FACTOR {
        warn(
            "other-duration",
            format!(
                "one run took {} s, the other {} s: what happens late or seldom is missing in the shorter one",
                old.run.duration_ms / 1000,
                new.run.duration_ms / 1000
            ),
        );
    }
}

/// The options that differ, by name. The image itself is expected to.
fn other_options(a: &ContainerConfig, b: &ContainerConfig) -> Vec<&'static str> {
    // Destructured, so that a new field is not forgotten here.
    let ContainerConfig {
        image: _,
        args,
        entrypoint,
        name: _,
        env,
        publish: _,
        mounts,
        user,
        image_user,
        workdir,
        network,
        hostname: _,
        add_host: _,
        cap_add,
        cap_drop,
        security_opt,
        sysctl,
        init,
        privileged,
        read_only,
        platform,
        image_volumes: _,
    } = a;
    let differs = [
        ("arguments", *args != b.args),
        ("--entrypoint", *entrypoint != b.entrypoint),
        ("--env", *env != b.env),
        ("mounts", *mounts != b.mounts),
        ("--user", *user != b.user),
        ("the image's user", *image_user != b.image_user),
        ("--workdir", *workdir != b.workdir),
        ("--network", *network != b.network),
        ("--cap-add", *cap_add != b.cap_add),
        ("--cap-drop", *cap_drop != b.cap_drop),
        ("--security-opt", *security_opt != b.security_opt),
        ("--sysctl", *sysctl != b.sysctl),
        ("--init", *init != b.init),
        ("--privileged", *privileged != b.privileged),
        ("--read-only", *read_only != b.read_only),
        ("--platform", *platform != b.platform),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// Whether a text is RFC 3339 in UTC with seconds, as profiles have it: then texts sort as times do.
fn is_time(text: &str) -> bool {
    text.len() >= 20
        && text.ends_with('Z')
        && text.bytes().zip(b"0000-00-00T00:00:00".iter()).all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            like => byte == *like,
        })
}

fn joined(names: &[String]) -> String {
    if names.is_empty() {
        "(unknown)".to_owned()
    } else {
        crate::plan::listed(names.iter().map(String::as_str), 4)
    }
}

/// The ports that Linux chooses from by itself (`net.ipv4.ip_local_port_range`, Documentation/networking/ip-sysctl.rst).
const CHOSEN_PORTS: std::ops::RangeInclusive<u32> = 32_768..=60_999;

/// A load test that was given a free port is the same as one that was given another.
fn without_ports(command: &str) -> String {
    let is_chosen = |number: &str| number.parse().is_ok_and(|port| CHOSEN_PORTS.contains(&port));
    let parts = command.chars().collect::<Vec<_>>();
    let runs = parts.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).map(String::from_iter);
    runs.map(|run| if is_chosen(&run) { "{port}".to_owned() } else { run }).collect()
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_test_is_the_same_on_another_free_port() {
        assert_eq!(without_ports("ab -n 100 http://h:45913/"), without_ports("ab -n 100 http://h:37209/"));
        assert_ne!(without_ports("ab -n 100 http://h:45913/"), without_ports("ab -n 200 http://h:45913/"));
        assert_ne!(without_ports("ab http://h:8080/"), without_ports("ab http://h:8081/"));
    }

    #[test]
    fn references_without_tags() {
        for (reference, want) in [
            ("nginx", "nginx"),
            ("nginx:1.27", "nginx"),
            ("registry.example:5000/library/nginx", "registry.example:5000/library/nginx"),
            ("registry.example:5000/library/nginx:1", "registry.example:5000/library/nginx"),
            ("nginx@sha256:00", "nginx"),
            ("nginx:1@sha256:00", "nginx"),
        ] {
            assert_eq!(repository(reference), want);
        }
    }
}
