//! Whether profiles are of one subject.
//!
//! Owns which parts of a configuration make a subject what it is: the image, what is run in it, as whom, with which
//! privileges, on which mounts and network. What differs from one instance to the next (its name, host name, environment,
//! published ports, lines of /etc/hosts, where volumes and binds come from) does not matter.

use std::collections::BTreeSet;

use crate::capability;
use crate::model::{ContainerConfig, MountKind, Profile};
use crate::text::printable;

/// How much of a value is told.
const SHOWN_CHARS: usize = 80;

/// Two profiles that are not of one subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is of another subject: its {what} is {found}, and that of the first profile ({first}) is {wanted}"
)]
pub struct Mismatch {
    /// What differs, for instance `image`.
    pub what: &'static str,
    /// What the profile has.
    pub found: String,
    /// What the first one has.
    pub wanted: String,
    /// The name of the first one's subject.
    pub first: String,
}

/// What must be equal, in the order in which it is told.
#[derive(Debug)]
pub(super) struct Identity {
    name: String,
    facts: Vec<(&'static str, String)>,
}

impl Identity {
    pub(super) fn of(profile: &Profile) -> Self {
        let subject = &profile.subject;
        let mut facts = vec![
            // Whatever it is called where it was pulled from.
            ("image", subject.image_id.clone().unwrap_or_else(|| subject.name.clone())),
            ("architecture", profile.host.arch.clone()),
        ];
        let config = subject.config.as_ref();
        facts.push(("kind", if config.is_some() { "a container" } else { "a plain command" }.to_owned()));
        facts.extend(config.into_iter().flat_map(of_config));
        let configured = subject.mounts.iter().filter(|mount| match mount.kind {
            MountKind::Volume | MountKind::ImageVolume | MountKind::Bind | MountKind::Tmpfs => true,
            MountKind::Runtime | MountKind::Other => false,
        });
        let mounts: BTreeSet<String> = configured
            .map(|mount| format!("{}{}", mount.target, if mount.read_only { ":ro" } else { "" }))
            .collect();
        facts.push(("set of mounts", listed(&mounts)));
        Self { name: subject.name.clone(), facts }
    }

    /// # Errors
    /// The first difference.
    pub(super) fn check(&self, other: &Self) -> Result<(), Box<Mismatch>> {
        let differs = |((what, wanted), (_, found)): (&(&'static str, String), &(&'static str, String))| {
            (wanted != found).then(|| {
                Box::new(Mismatch {
                    what,
                    found: shown(found),
                    wanted: shown(wanted),
                    first: shown(&self.name),
                })
            })
        };
        self.facts.iter().zip(&other.facts).find_map(differs).map_or(Ok(()), Err)
    }
}

fn of_config(config: &ContainerConfig) -> Vec<(&'static str, String)> {
    let ContainerConfig {
        image: _,
        args,
        entrypoint,
        name: _,
        env: _,
        publish: _,
        mounts: _,
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
        platform: _,
        image_volumes,
    } = config;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let capabilities = |names: &[String]| {
        let name =
            |name: &String| capability::by_name(name).map_or(name.clone(), |info| info.name.to_owned());
        listed(&names.iter().map(name).collect())
    };
    // Docker's name for what it takes where nothing is said.
    let network = network.as_deref().filter(|network| !matches!(*network, "bridge" | "default"));
    let sysctl = sysctl.iter().map(|(name, value)| format!("{name}={value}")).collect();
    vec![
        ("entrypoint", text(entrypoint)),
        ("list of arguments", args.join(" ")),
        ("user", text(user)),
        ("image's user", image_user.clone()),
        ("working directory", text(workdir)),
        ("network", network.unwrap_or_default().to_owned()),
        ("list of added capabilities", capabilities(cap_add)),
        ("list of dropped capabilities", capabilities(cap_drop)),
        ("list of security options", listed(&security_opt.iter().cloned().collect())),
        ("list of kernel parameters", listed(&sysctl)),
        ("init", init.to_string()),
        ("--privileged", privileged.to_string()),
        ("--read-only", read_only.to_string()),
        ("image's list of volumes", listed(&image_volumes.iter().map(ToString::to_string).collect())),
    ]
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn shown(text: &str) -> String {
    let shown = printable(&text.chars().take(SHOWN_CHARS).collect::<String>());
    if shown.is_empty() { "none".to_owned() } else { format!("`{shown}`") }
}
