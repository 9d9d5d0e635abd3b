//! A `podman run` command line that runs as it stands, with the reason of every hardening option above it.
//!
//! Owns what Podman does otherwise than Docker, for this format and for Quadlet's: `--read-only` leaves /dev/shm, /run,
//! /tmp and /var/tmp writable unless `--read-only-tmpfs=false`, the ports below 1024 stay privileged on private networks,
//! and image names need their registry. Mounts are [`mount`]'s. Everything else is as for Docker, whose flags Podman takes.
//! Tried with Podman 4.3; a shell has no place for comments inside a command, so they stand above it.

pub(super) mod mount;

use super::command_line::{self, Flag};
use super::docker;
use super::mount_option;
use super::{FormatError, NO_NEW_PRIVILEGES, Options, READ_ONLY, dropped};
use crate::model::{ContainerConfig, Profile};
use crate::plan::{NET_BIND_SERVICE, Plan, low_ports};
use mount::Mount;

/// The sysctl that makes low ports anybody's.
const PORT_START: &str = "net.ipv4.ip_unprivileged_port_start";

/// What a plan comes to under Podman.
pub(super) struct Hardening {
    /// `--read-only` with the reason, or why not.
    pub(super) read_only: Option<&'static str>,
    pub(super) mounts: Vec<Mount>,
    pub(super) cap_drop: Vec<Reasoned>,
    pub(super) cap_add: Vec<Reasoned>,
    pub(super) no_new_privileges: bool,
    /// A sysctl in place of a capability.
    pub(super) low_ports: Option<LowPorts>,
}

/// A value and the reason behind it.
pub(super) struct Reasoned {
    pub(super) value: String,
    pub(super) why: String,
}

/// How the subject may bind ports below 1024.
pub(super) struct LowPorts {
    pub(super) sysctl: String,
    pub(super) why: String,
}

pub(super) const NO_READ_ONLY_TMPFS: &str =
    "Podman would leave /dev/shm, /run, /tmp and /var/tmp writable besides, whatever the plan says";

/// The plan in Podman's terms.
pub(super) fn hardening(profile: &Profile, plan: &Plan) -> Result<Hardening, FormatError> {
    let config = profile.subject.config.as_ref().ok_or(FormatError::NoContainer)?;
    let mut cap_add: Vec<Reasoned> =
        plan.cap_add.iter().map(|add| Reasoned { value: add.cap.clone(), why: add.why.clone() }).collect();
    let mut port_start = None;
    if let Some(who) =
        low_ports(profile).filter(|_| !plan.cap_add.iter().any(|add| add.cap == NET_BIND_SERVICE))
    {
        if shares_a_network(config) {
            let why = format!("{who}, on a network whose settings are not the container's own");
            cap_add.push(Reasoned { value: NET_BIND_SERVICE.to_owned(), why });
        } else if !config.sysctl.contains_key(PORT_START) {
            let why = format!("{who}: Docker sets this on its private networks, Podman does not");
            port_start = Some(LowPorts { sysctl: format!("{PORT_START}=0"), why });
        }
    }
    Ok(Hardening {
        read_only: plan.read_only.then_some(READ_ONLY),
        mounts: mount::mounts(profile, config, plan)?,
        cap_drop: plan
            .cap_drop
            .iter()
            .map(|cap| Reasoned { value: cap.clone(), why: dropped(plan).to_owned() })
            .collect(),
        cap_add,
        no_new_privileges: plan.no_new_privileges,
        low_ports: port_start,
    })
}

/// Whether the container has no network namespace of its own, so that it may set no sysctl there.
fn shares_a_network(config: &ContainerConfig) -> bool {
    config.network.as_deref().is_some_and(|network| {
        network == "host" || network.starts_with("container:") || network.starts_with("ns:")
    })
}

pub(super) fn render(profile: &Profile, plan: &Plan, _: &Options) -> Result<String, FormatError> {
    let config = profile.subject.config.as_ref().ok_or(FormatError::NoContainer)?;
    let image = qualified(docker::checked_image(config)?);
    let mut flags = hardening_flags(&hardening(profile, plan)?);
    flags.extend(docker::configuration(config, plan));
    let mut text = String::new();
    if !plan.complete {
        text.push_str("# From an incomplete profile: this may lack something.\n");
    }
    if image != config.image {
        text.push_str(&command_line::remark(&image, &image_name(&config.image)));
    }
    for volume in &plan.volumes {
        if let Some(owner) = &volume.owner {
            text.push_str(&docker::preparation("podman", &image, volume, owner)?);
        }
    }
    let last = std::iter::once(image).chain(config.args.iter().cloned()).collect();
    text.push_str(&command_line::write("podman run", &flags, last)?);
    Ok(text)
}

fn hardening_flags(hardening: &Hardening) -> Vec<Flag> {
    let Hardening { read_only, mounts, cap_drop, cap_add, no_new_privileges, low_ports } = hardening;
    let mut flags = Vec::new();
    if let Some(why) = read_only {
        flags.push(Flag::new(&["--read-only"], *why));
        flags.push(Flag::new(&["--read-only-tmpfs=false"], NO_READ_ONLY_TMPFS));
    }
    for Mount { option, why } in mounts {
        flags.push(Flag::new(&[mount_option::flag(option.flag), &option.value], why));
    }
    for Reasoned { value, why } in cap_drop {
        flags.push(Flag::new(&["--cap-drop", value], why));
    }
    for Reasoned { value, why } in cap_add {
        flags.push(Flag::new(&["--cap-add", value], why));
    }
    if *no_new_privileges {
        flags.push(Flag::new(&["--security-opt", "no-new-privileges"], NO_NEW_PRIVILEGES));
    }
    if let Some(LowPorts { sysctl, why }) = low_ports {
        flags.push(Flag::new(&["--sysctl", sysctl], why));
    }
    flags
}

/// Why an image's name is not as it was given.
pub(super) fn image_name(given: &str) -> String {
    format!("what Docker means by {given}; an image of one's own is localhost/{given} under Podman")
}

/// An image's name with the registry that Docker takes it from: Podman has no default one
/// (distribution/reference:normalize.go splitDockerDomain).
pub(super) fn qualified(image: &str) -> String {
    let is_id =
        image.starts_with("sha256:") || (image.len() == 64 && image.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_id {
        return image.to_owned();
    }
    match image.split_once('/') {
        Some((domain, _)) if domain == "localhost" || domain.contains(['.', ':']) => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

#[cfg(test)]
mod tests {
    use super::qualified;

    #[test]
    fn names_get_dockers_registry() {
        let id = "0".repeat(64);
        for (image, want) in [
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("a/b@sha256:00", "docker.io/a/b@sha256:00"),
            ("localhost/a", "localhost/a"),
            ("host:5000/a", "host:5000/a"),
            ("example.org/a/b:c", "example.org/a/b:c"),
            ("sha256:00", "sha256:00"),
            (id.as_str(), id.as_str()),
        ] {
            assert_eq!(qualified(image), want);
        }
    }
}
