//! A `docker run` command line that runs as it stands: the plan's options, the subject's own, its image and
//! arguments.
//!
//! Owns which of the subject's options are kept, changed and left out. `--privileged`, `--cap-add` and `--cap-drop`
//! are replaced by the plan's; mounts that were only read become read-only; everything else is as given. How it is laid
//! out and quoted is for [`super::command_line`]. A tmpfs on a target with a colon goes through `--mount`, which knows
//! neither owner nor group (docker/cli:opts/mount.go): a comment says so. A comma does no harm in `--tmpfs`.

use super::command_line::{self, Flag};
use super::hardened::{kept_mounts, kept_security_options, needs_long_form, planned_mounts, volume_mount};
use super::mount_option;
use super::{
    FormatError, NO_NEW_PRIVILEGES, ONLY_READ, Options, READ_ONLY, as_text, dropped, read_only_volume_name,
};
use crate::model::{ContainerConfig, MountOption, Profile};
use crate::plan::{Plan, VolumeMount};
use crate::text::printable;

/// The words behind `docker run`: options, image, arguments.
///
/// # Errors
/// [`FormatError`] where the profile is not of a container, or an option cannot be expressed.
pub fn docker_arguments(profile: &Profile, plan: &Plan) -> Result<Vec<String>, FormatError> {
    let (flags, last) = parts(profile, plan)?;
    Ok(flags.into_iter().flat_map(|flag| flag.words).chain(last).collect())
}

pub(super) fn render(profile: &Profile, plan: &Plan, _: &Options) -> Result<String, FormatError> {
    let (flags, last) = parts(profile, plan)?;
    let mut text = String::new();
    if !plan.complete {
        text.push_str("# From an incomplete profile: this may lack something.\n");
    }
    for mount in plan.tmpfs.iter().filter(|mount| needs_long_form(&mount.target)) {
        text.push_str(&format!(
            "# {}: Docker's notation for such a path cannot give owner {}:{} and options.\n",
            mount.target, mount.uid, mount.gid
        ));
    }
    let image = last.first().map_or("", String::as_str);
    for volume in &plan.volumes {
        if let Some(owner) = &volume.owner {
            text.push_str(&preparation("docker", image, volume, owner)?);
        }
    }
    text.push_str(&command_line::write("docker run", &flags, last)?);
    Ok(text)
}

/// How to give a volume to the user that it must belong to, as a comment. A container fills the volume from the image
/// first.
pub(super) fn preparation(
    program: &str,
    image: &str,
    volume: &VolumeMount,
    owner: &str,
) -> Result<String, FormatError> {
    let mut words = [program, "run", "--rm", "--user", "0"].map(str::to_owned).to_vec();
    words.extend(mount(volume_mount(volume, false)?));
    words.extend(option("--entrypoint", "chown"));
    words.push(image.to_owned());
    words.extend(["-R", owner, as_text(&volume.target)?].map(str::to_owned));
    Ok(format!(
        "# The volume {} and all in it must belong to {} before the first start:\n#   {}\n",
        printable(&volume.name),
        printable(owner),
        printable(&command_line::quoted(&words)?)
    ))
}

/// The options, and behind them the image with the arguments.
fn parts(profile: &Profile, plan: &Plan) -> Result<(Vec<Flag>, Vec<String>), FormatError> {
    let config = profile.subject.config.as_ref().ok_or(FormatError::NoContainer)?;
    checked_image(config)?;
    let mut flags = hardening(plan)?;
    let name = |target: &_| read_only_volume_name(profile, plan, target);
    for given in kept_mounts(profile, config, plan, &name)? {
        let read_only =
            mount_option::target(&given).is_some_and(|target| plan.mounts_read_only.contains(&target));
        flags.push(Flag { words: mount(given), why: read_only.then(|| ONLY_READ.to_owned()) });
    }
    flags.extend(configuration(config, plan));
    let last = std::iter::once(&config.image).chain(&config.args).cloned().collect();
    Ok((flags, last))
}

/// The image's name, which cannot be taken for an option.
pub(super) fn checked_image(config: &ContainerConfig) -> Result<&str, FormatError> {
    if config.image.is_empty() || config.image.starts_with('-') {
        return Err(FormatError::Image(printable(&config.image)));
    }
    Ok(&config.image)
}

fn option(name: &str, value: impl Into<String>) -> Vec<String> {
    vec![name.to_owned(), value.into()]
}

/// What the plan adds.
fn hardening(plan: &Plan) -> Result<Vec<Flag>, FormatError> {
    let mut flags = Vec::new();
    if plan.read_only {
        flags.push(Flag::new(&["--read-only"], READ_ONLY));
    }
    let reasons =
        plan.tmpfs.iter().map(|mount| &mount.why).chain(plan.volumes.iter().map(|volume| &volume.why));
    for (option, why) in planned_mounts(plan)?.into_iter().zip(reasons) {
        flags.push(Flag { words: mount(option), why: Some(why.clone()) });
    }
    flags.extend(plan.cap_drop.iter().map(|cap| Flag::new(&["--cap-drop", cap], dropped(plan))));
    flags.extend(plan.cap_add.iter().map(|add| Flag::new(&["--cap-add", &add.cap], &add.why)));
    if plan.no_new_privileges {
        flags.push(Flag::new(&["--security-opt", "no-new-privileges"], NO_NEW_PRIVILEGES));
    }
    Ok(flags)
}

fn mount(given: MountOption) -> Vec<String> {
    option(mount_option::flag(given.flag), given.value)
}

/// The rest of the subject's configuration.
pub(super) fn configuration(config: &ContainerConfig, plan: &Plan) -> Vec<Flag> {
    // Destructured whole, so that a new option is not forgotten here.
    let ContainerConfig {
        image: _,
        args: _,
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
    let mut groups = Vec::new();
    let mut one = |flag: &str, value: Option<&String>| groups.extend(value.map(|value| option(flag, value)));
    one("--name", name.as_ref());
    one("--hostname", hostname.as_ref());
    one("--network", network.as_ref());
    for value in publish {
        one("--publish", Some(value));
    }
    for value in add_host {
        one("--add-host", Some(value));
    }
    for value in env {
        one("--env", Some(value));
    }
    one("--user", plan.user.as_ref().or(user.as_ref()));
    one("--workdir", workdir.as_ref());
    one("--entrypoint", entrypoint.as_ref());
    one("--platform", platform.as_ref());
    for value in kept_security_options(config, plan) {
        one("--security-opt", Some(value));
    }
    for (key, value) in sysctl {
        one("--sysctl", Some(&format!("{key}={value}")));
    }
    if *init {
        groups.push(vec!["--init".to_owned()]);
    }
    groups.into_iter().map(Flag::own).collect()
}
