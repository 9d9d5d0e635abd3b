//! A `docker run` command line that runs as it stands: the plan's options, the subject's own, its image and
//! arguments.
//!
//! Owns which of the subject's options are kept, changed and left out. `--privileged`, `--cap-add` and `--cap-drop`
//! are replaced by the plan's; mounts that were only read become read-only; everything else is as given. Words are
//! quoted for a POSIX shell. A tmpfs on a target with a colon goes through `--mount`, which knows neither owner nor
//! group (docker/cli:opts/mount.go): a comment says so. A comma does no harm in `--tmpfs`.

use super::comment::tmpfs_options;
use super::mount_option::{self, csv_record};
use super::{FormatError, Options, read_only_volume_name};
use crate::model::{ContainerConfig, MountKind, Profile, SubjectPath};
use crate::plan::{Plan, TmpfsMount};

/// The words behind `docker run`: options, image, arguments.
///
/// # Errors
/// [`FormatError`] where the profile is not of a container, or an option cannot be expressed.
pub fn docker_arguments(profile: &Profile, plan: &Plan) -> Result<Vec<String>, FormatError> {
    Ok(groups(profile, plan)?.concat())
}

pub(super) fn render(profile: &Profile, plan: &Plan, _: &Options) -> Result<String, FormatError> {
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
    text.push_str("docker run");
    for group in groups(profile, plan)? {
        text.push_str(" \\\n  ");
        text.push_str(&quoted(&group)?);
    }
    text.push('\n');
    Ok(text)
}

/// Words for a POSIX shell, on one line unless a word itself holds a newline.
fn quoted(words: &[String]) -> Result<String, FormatError> {
    shlex::try_join(words.iter().map(String::as_str))
        .map_err(|_| FormatError::Nul { what: crate::text::printable(&words.join(" ")) })
}

/// Whether `--tmpfs`, which ends the target at its first colon (docker/cli:cli/command/container/opts.go), cannot
/// name it.
fn needs_long_form(target: &SubjectPath) -> bool {
    target.as_bytes().contains(&b':')
}

/// The command line's words, those that belong together in a group.
fn groups(profile: &Profile, plan: &Plan) -> Result<Vec<Vec<String>>, FormatError> {
    let config = profile.subject.config.as_ref().ok_or(FormatError::NoContainer)?;
    if config.image.is_empty() || config.image.starts_with('-') {
        return Err(FormatError::Image(crate::text::printable(&config.image)));
    }
    let mut groups = Vec::new();
    hardening(plan, &mut groups)?;
    existing_mounts(profile, config, plan, &mut groups)?;
    configuration(config, plan, &mut groups);
    groups.push(std::iter::once(&config.image).chain(&config.args).cloned().collect());
    Ok(groups)
}

fn option(name: &str, value: impl Into<String>) -> Vec<String> {
    vec![name.to_owned(), value.into()]
}

/// What the plan adds.
fn hardening(plan: &Plan, groups: &mut Vec<Vec<String>>) -> Result<(), FormatError> {
    if plan.read_only {
        groups.push(vec!["--read-only".to_owned()]);
    }
    for mount in &plan.tmpfs {
        groups.push(tmpfs(mount)?);
    }
    for volume in &plan.volumes {
        let fields = [
            "type=volume".to_owned(),
            format!("source={}", volume.name),
            format!("target={}", text(&volume.target)?),
        ];
        groups.push(option("--mount", csv_record(&fields.each_ref().map(String::as_str))?));
    }
    groups.extend(plan.cap_drop.iter().map(|cap| option("--cap-drop", cap)));
    groups.extend(plan.cap_add.iter().map(|add| option("--cap-add", &add.cap)));
    if plan.no_new_privileges {
        groups.push(option("--security-opt", "no-new-privileges"));
    }
    Ok(())
}

fn tmpfs(mount: &TmpfsMount) -> Result<Vec<String>, FormatError> {
    let target = text(&mount.target)?;
    if needs_long_form(&mount.target) {
        let fields = [
            "type=tmpfs".to_owned(),
            format!("target={target}"),
            format!("tmpfs-size={}", mount.size),
            format!("tmpfs-mode={}", mount.mode),
        ];
        return Ok(option("--mount", csv_record(&fields.each_ref().map(String::as_str))?));
    }
    Ok(option("--tmpfs", format!("{target}:{}", tmpfs_options(mount))))
}

/// A target as text; the planner makes only such targets.
fn text(target: &SubjectPath) -> Result<&str, FormatError> {
    target.as_str().ok_or_else(|| FormatError::Target(target.to_string()))
}

/// The subject's own mounts, read-only where they were only read.
fn existing_mounts(
    profile: &Profile,
    config: &ContainerConfig,
    plan: &Plan,
    groups: &mut Vec<Vec<String>>,
) -> Result<(), FormatError> {
    for given in &config.mounts {
        let flag = mount_option::flag(given.flag);
        match mount_option::target(given).filter(|target| plan.mounts_read_only.contains(target)) {
            Some(target) if mount_option::is_anonymous(given) => {
                groups.push(option("--mount", named_read_only(profile, plan, &target)?));
            }
            Some(_) => groups.push(option(flag, mount_option::read_only(given)?)),
            None => groups.push(option(flag, given.value.clone())),
        }
    }
    // A VOLUME of the image that was only read would be made writable by Docker itself.
    for mount in profile.subject.mounts.iter().filter(|mount| mount.kind == MountKind::ImageVolume) {
        if plan.mounts_read_only.contains(&mount.target) {
            groups.push(option("--mount", named_read_only(profile, plan, &mount.target)?));
        }
    }
    Ok(())
}

/// A named volume, read-only: a `--mount` value.
fn named_read_only(profile: &Profile, plan: &Plan, target: &SubjectPath) -> Result<String, FormatError> {
    let source = format!("source={}", read_only_volume_name(profile, plan, target));
    csv_record(&["type=volume", &source, &format!("target={}", text(target)?), "readonly"])
}

/// The rest of the subject's configuration.
fn configuration(config: &ContainerConfig, plan: &Plan, groups: &mut Vec<Vec<String>>) {
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
        security_opt,
        sysctl,
        init,
        privileged: _,
        platform,
        image_volumes: _,
    } = config;
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
    for value in security_opt
        .iter()
        .filter(|value| !(plan.no_new_privileges && value.starts_with("no-new-privileges")))
    {
        one("--security-opt", Some(value));
    }
    for (key, value) in sysctl {
        one("--sysctl", Some(&format!("{key}={value}")));
    }
    if *init {
        groups.push(vec!["--init".to_owned()]);
    }
}
