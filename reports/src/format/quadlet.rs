//! A `.container` unit for Podman's systemd generator (podman-systemd.unit(5)), with the reason above every line.
//!
//! Owns how the subject's options are spelled as settings of a unit; what Podman itself does otherwise than Docker is
//! [`super::podman`]'s. The generator turns the unit into a service whose `ExecStart=` runs Podman, so that `%` and `$`
//! are doubled. Tried with the generator of Podman 5.4. Two things it cannot carry are refused: an empty argument, behind
//! which it drops all others, and control characters where a value cannot be quoted.

use super::mount_option;
use super::podman::{self, Hardening, LowPorts, NO_READ_ONLY_TMPFS, Reasoned, mount::Mount};
use super::unit_file::{Section, Setting, command_plain, command_word, write};
use super::{
    AS_STARTED, FormatError, NO_NEW_PRIVILEGES, Options, docker, hardened::kept_security_options,
    other_warnings,
};
use crate::model::{ContainerConfig, MountFlag, Profile};
use crate::plan::Plan;

pub(super) fn render(profile: &Profile, plan: &Plan, _: &Options) -> Result<String, FormatError> {
    let config = profile.subject.config.as_ref().ok_or(FormatError::NoContainer)?;
    let image = podman::qualified(docker::checked_image(config)?);
    let mut head = vec![
        format!("{}, hardened as a training run showed that it can be.", plan.subject),
        "Save it as NAME.container in /etc/containers/systemd, then: systemctl daemon-reload".to_owned(),
    ];
    if !plan.complete {
        head.push("INCOMPLETE: not everything was seen in training, and this may lack something.".to_owned());
    }
    for volume in &plan.volumes {
        if let Some(owner) = &volume.owner {
            let text = docker::preparation("podman", &image, volume, owner)?;
            head.extend(text.lines().map(|line| line.trim_start_matches("# ").to_owned()));
        }
    }
    head.extend(
        other_warnings(profile, plan).map(|warning| format!("{}: {}", warning.code, warning.message)),
    );
    let why = if image == config.image {
        "what was profiled".to_owned()
    } else {
        podman::image_name(&config.image)
    };
    let mut container = vec![Setting::new("Image", command_plain("Image", &image)?, why)];
    container.extend(hardening(&podman::hardening(profile, plan)?)?);
    container.extend(configuration(config, plan)?);
    let install =
        vec![Setting::new("WantedBy", "default.target", "started with the host; leave out to start by hand")];
    Ok(write(
        &head,
        &[Section { name: "Container", settings: container }, Section { name: "Install", settings: install }],
    ))
}

/// What the plan adds.
fn hardening(hardening: &Hardening) -> Result<Vec<Setting>, FormatError> {
    let Hardening { read_only, mounts, cap_drop, cap_add, no_new_privileges, low_ports } = hardening;
    let mut settings = Vec::new();
    if let Some(why) = read_only {
        settings.push(Setting::new("ReadOnly", "true", *why));
        settings.push(Setting::new("ReadOnlyTmpfs", "false", NO_READ_ONLY_TMPFS));
    }
    for Mount { option, why } in mounts {
        let (key, value) = match option.flag {
            MountFlag::Volume => ("Volume", command_plain("Volume", &option.value)?),
            MountFlag::Tmpfs => ("Tmpfs", command_plain("Tmpfs", &option.value)?),
            MountFlag::Mount => ("Mount", command_word(&with_a_source(&option.value)?)?),
        };
        settings.push(Setting::new(key, value, why));
    }
    for Reasoned { value, why } in cap_drop {
        settings.push(Setting::new("DropCapability", command_word(value)?, why));
    }
    for Reasoned { value, why } in cap_add {
        settings.push(Setting::new("AddCapability", command_word(value)?, why));
    }
    if *no_new_privileges {
        settings.push(Setting::new("NoNewPrivileges", "true", NO_NEW_PRIVILEGES));
    }
    if let Some(LowPorts { sysctl, why }) = low_ports {
        settings.push(Setting::new("Sysctl", command_word(sysctl)?, why));
    }
    Ok(settings)
}

/// A `--mount` value that the generator can read: it fails on a volume without a source (Podman 5.4).
fn with_a_source(value: &str) -> Result<String, FormatError> {
    let refused = |reason: &str| FormatError::Podman {
        value: crate::text::printable(value),
        reason: reason.to_owned(),
    };
    let fields = mount_option::record(value).ok_or_else(|| refused("it is no CSV record"))?;
    let has = |keys: [&str; 2]| fields.iter().any(|field| keys.iter().any(|key| field.starts_with(key)));
    if has(["type=volume", "type=bind"]) && !has(["source=", "src="]) {
        return Err(refused("the generator takes no volume without a name"));
    }
    Ok(value.to_owned())
}

/// The rest of the subject's configuration.
fn configuration(config: &ContainerConfig, plan: &Plan) -> Result<Vec<Setting>, FormatError> {
    // Destructured whole, so that a new option is not forgotten here.
    let ContainerConfig {
        image: _,
        args,
        entrypoint,
        name,
        env,
        publish,
        mounts: _,
        user,
        image_user: _,
        workdir,
        network,
        hostname,
        add_host,
        cap_add: _,
        cap_drop: _,
        security_opt: _,
        sysctl,
        init,
        privileged: _,
        read_only: _,
        platform,
        image_volumes: _,
    } = config;
    let mut settings = Vec::new();
    let mut one = |key: &'static str, value: &str| {
        settings.push(Setting::new(key, command_plain(key, value)?, AS_STARTED));
        Ok::<_, FormatError>(())
    };
    if let Some(name) = name {
        one("ContainerName", name)?;
    }
    if let Some(hostname) = hostname {
        one("HostName", hostname)?;
    }
    if let Some(network) = network {
        one("Network", network)?;
    }
    for value in publish {
        one("PublishPort", value)?;
    }
    for value in add_host {
        one("AddHost", value)?;
    }
    if let Some(workdir) = workdir {
        one("WorkingDir", workdir)?;
    }
    if let Some(entrypoint) = entrypoint {
        one("Entrypoint", entrypoint)?;
    }
    for value in env {
        settings.push(Setting::new("Environment", command_word(value)?, AS_STARTED));
    }
    if let Some(user) = plan.user.as_ref().or(user.as_ref()) {
        let why = if plan.user.is_some() { "as the plan says" } else { AS_STARTED };
        let (user, group) =
            user.split_once(':').map_or((user.as_str(), None), |(user, group)| (user, Some(group)));
        settings.push(Setting::new("User", command_plain("User", user)?, why));
        if let Some(group) = group {
            settings.push(Setting::new("Group", command_plain("Group", group)?, why));
        }
    }
    for (key, value) in sysctl {
        settings.push(Setting::new("Sysctl", command_word(&format!("{key}={value}"))?, AS_STARTED));
    }
    if *init {
        settings.push(Setting::new("RunInit", "true", AS_STARTED));
    }
    let platform = platform.iter().map(|platform| format!("--platform={platform}"));
    let security = kept_security_options(config, plan).map(|value| format!("--security-opt={value}"));
    for argument in platform.chain(security) {
        settings.push(Setting::new("PodmanArgs", command_word(&argument)?, AS_STARTED));
    }
    if !args.is_empty() {
        settings.push(Setting::new("Exec", arguments(args)?, AS_STARTED));
    }
    Ok(settings)
}

/// The subject's arguments as one setting.
fn arguments(args: &[String]) -> Result<String, FormatError> {
    if args.iter().any(String::is_empty) {
        return Err(FormatError::Unit {
            key: "Exec".to_owned(),
            value: crate::text::printable(&format!("{args:?}")),
            reason: "Podman's generator drops an empty argument and all behind it",
        });
    }
    Ok(args.iter().map(|word| command_word(word)).collect::<Result<Vec<_>, _>>()?.join(" "))
}
