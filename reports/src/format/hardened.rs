//! A subject's own configuration with a plan put over it.
//!
//! Owns which of the subject's options a plan replaces, and how its mounts are spelled as options of `docker run`;
//! [`apply`] is for who makes a container of it, the `docker` format for who wants the command line. Volumes get names
//! from the caller: those of the plan are for keeps, those of a trial are not.

use super::comment::tmpfs_options;
use super::mount_option::{self, csv_record};
use super::{FormatError, as_text};
use crate::model::{ContainerConfig, MountFlag, MountKind, MountOption, Profile, SubjectPath};
use crate::plan::{Plan, TmpfsMount, VolumeMount};

/// How to run a subject under its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The container's configuration.
    pub config: ContainerConfig,
    /// The named volumes in it that the plan adds. They are to be empty, so that the runtime fills them from the image.
    pub volumes: Vec<FreshVolume>,
}

/// A named volume for one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshVolume {
    /// Its name.
    pub name: String,
    /// What is to be done with it before the subject starts.
    pub preparation: Option<Preparation>,
}

/// A volume is filled from the image, and given with all in it to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparation {
    /// How a container mounts it to have it filled.
    pub mount: MountOption,
    /// Where it is then.
    pub target: SubjectPath,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// The configuration of a subject under a plan. Volumes of the plan are named `PREFIX-N`; what the user mounted stays
/// what it is.
///
/// # Errors
/// [`FormatError`] where the profile is not of a container, or an option cannot be expressed.
pub fn apply(profile: &Profile, plan: &Plan, prefix: &str) -> Result<Applied, FormatError> {
    let given = profile.subject.config.as_ref().ok_or(FormatError::NoContainer)?;
    let mut named = plan.clone();
    let mut volumes = Vec::new();
    for volume in &mut named.volumes {
        volume.name = format!("{prefix}-{}", volumes.len());
        volumes.push(FreshVolume { name: volume.name.clone(), preparation: preparation(volume)? });
    }
    let read_only = |target: &SubjectPath| {
        let place = plan.mounts_read_only.iter().position(|mount| mount == target);
        format!("{prefix}-ro-{}", place.unwrap_or_default())
    };
    let unnamed = anonymous_read_only(profile, given, plan);
    volumes.extend(unnamed.iter().map(|target| FreshVolume { name: read_only(target), preparation: None }));
    let mut mounts = planned_mounts(&named)?;
    mounts.extend(kept_mounts(profile, given, &named, &read_only)?);
    let no_new_privileges = plan.no_new_privileges.then(|| NO_NEW_PRIVILEGES.to_owned());
    let config = ContainerConfig {
        mounts,
        user: plan.user.clone().or_else(|| given.user.clone()),
        cap_add: plan.cap_add.iter().map(|add| add.cap.clone()).collect(),
        cap_drop: plan.cap_drop.clone(),
        security_opt: no_new_privileges
            .into_iter()
            .chain(kept_security_options(given, plan).cloned())
            .collect(),
        privileged: false,
        read_only: plan.read_only,
        ..given.clone()
    };
    Ok(Applied { config, volumes })
}

fn preparation(volume: &VolumeMount) -> Result<Option<Preparation>, FormatError> {
    let Some(owner) = &volume.owner else { return Ok(None) };
    let ids = owner.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    let (uid, gid) = ids.ok_or_else(|| FormatError::Owner(crate::text::printable(owner)))?;
    let mount = volume_mount(volume, false)?;
    Ok(Some(Preparation { mount, target: volume.target.clone(), uid, gid }))
}

pub(super) const NO_NEW_PRIVILEGES: &str = "no-new-privileges";

/// The mounts that a plan adds.
pub(super) fn planned_mounts(plan: &Plan) -> Result<Vec<MountOption>, FormatError> {
    let mut mounts = Vec::new();
    for mount in &plan.tmpfs {
        mounts.push(tmpfs(mount)?);
    }
    for volume in &plan.volumes {
        mounts.push(volume_mount(volume, volume.owner.is_some())?);
    }
    Ok(mounts)
}

/// A volume of the plan. One that was given to a user is not filled again: while it is empty, Docker would give its
/// directory the owner that the image's has (moby:daemon/create_unix.go populateVolumes).
pub(super) fn volume_mount(volume: &VolumeMount, prepared: bool) -> Result<MountOption, FormatError> {
    let source = format!("source={}", volume.name);
    let target = format!("target={}", as_text(&volume.target)?);
    let mut fields = vec!["type=volume", &source, &target];
    fields.extend(prepared.then_some("volume-nocopy"));
    Ok(MountOption { flag: MountFlag::Mount, value: csv_record(&fields)? })
}

fn tmpfs(mount: &TmpfsMount) -> Result<MountOption, FormatError> {
    let target = as_text(&mount.target)?;
    if needs_long_form(&mount.target) {
        let fields = [
            "type=tmpfs".to_owned(),
            format!("target={target}"),
            format!("tmpfs-size={}", mount.size),
            format!("tmpfs-mode={}", mount.mode),
        ];
        let value = csv_record(&fields.each_ref().map(String::as_str))?;
        return Ok(MountOption { flag: MountFlag::Mount, value });
    }
    Ok(MountOption { flag: MountFlag::Tmpfs, value: format!("{target}:{}", tmpfs_options(mount)) })
}

/// Whether `--tmpfs`, which ends the target at its first colon (docker/cli:cli/command/container/opts.go), cannot
/// name it.
pub(super) fn needs_long_form(target: &SubjectPath) -> bool {
    target.as_bytes().contains(&b':')
}

/// The subject's own mounts, read-only where they were only read. `name` gives volumes a name that had none.
pub(super) fn kept_mounts(
    profile: &Profile,
    config: &ContainerConfig,
    plan: &Plan,
    name: &dyn Fn(&SubjectPath) -> String,
) -> Result<Vec<MountOption>, FormatError> {
    let named = |target: &SubjectPath| {
        let source = format!("source={}", name(target));
        let value =
            csv_record(&["type=volume", &source, &format!("target={}", as_text(target)?), "readonly"])?;
        Ok::<_, FormatError>(MountOption { flag: MountFlag::Mount, value })
    };
    let mut mounts = Vec::new();
    for given in &config.mounts {
        mounts.push(match read_only_target(given, plan) {
            Some(target) if mount_option::is_anonymous(given) => named(&target)?,
            Some(_) => MountOption { flag: given.flag, value: mount_option::read_only(given)? },
            None => given.clone(),
        });
    }
    for target in image_volumes_read_only(profile, plan) {
        mounts.push(named(target)?);
    }
    Ok(mounts)
}

/// Where an option mounts something that the plan wants read-only.
fn read_only_target(given: &MountOption, plan: &Plan) -> Option<SubjectPath> {
    mount_option::target(given).filter(|target| plan.mounts_read_only.contains(target))
}

/// VOLUMEs of the image that were only read; Docker itself would make them writable.
fn image_volumes_read_only<'a>(
    profile: &'a Profile,
    plan: &'a Plan,
) -> impl Iterator<Item = &'a SubjectPath> {
    let mounts = profile.subject.mounts.iter().filter(|mount| mount.kind == MountKind::ImageVolume);
    mounts.map(|mount| &mount.target).filter(|target| plan.mounts_read_only.contains(target))
}

/// The targets of read-only volumes that get a name because they had none.
fn anonymous_read_only(profile: &Profile, config: &ContainerConfig, plan: &Plan) -> Vec<SubjectPath> {
    let given = config.mounts.iter().filter(|given| mount_option::is_anonymous(given));
    let mut targets: Vec<SubjectPath> = given.filter_map(|given| read_only_target(given, plan)).collect();
    targets.extend(image_volumes_read_only(profile, plan).cloned());
    targets
}

/// The subject's own security options, less those that the plan sets.
pub(super) fn kept_security_options<'a>(
    config: &'a ContainerConfig,
    plan: &Plan,
) -> impl Iterator<Item = &'a String> + use<'a> {
    let replaced = plan.no_new_privileges;
    config.security_opt.iter().filter(move |value| !(replaced && value.starts_with(NO_NEW_PRIVILEGES)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::VolumeMount;

    fn path(text: &str) -> SubjectPath {
        SubjectPath::from_bytes(text.as_bytes()).unwrap()
    }

    fn profile(config: ContainerConfig) -> Profile {
        let json = serde_json::json!({
            "schema": "writepath.profile/v1", "tool": { "name": "writepath", "version": "0" },
            "host": { "kernel": "", "arch": "" }, "subject": { "name": "app" },
            "run": { "started": "", "duration_ms": 0 }, "coverage": { "complete": true },
            "writes": [], "capabilities": []
        });
        let mut profile: Profile = serde_json::from_value(json).unwrap();
        profile.subject.config = Some(config);
        profile
    }

    fn given(flag: MountFlag, value: &str) -> MountOption {
        MountOption { flag, value: value.to_owned() }
    }

    #[test]
    fn a_plan_replaces_what_it_decides_and_nothing_else() {
        let config = ContainerConfig {
            image: "app:1".to_owned(),
            name: Some("app".to_owned()),
            user: Some("7".to_owned()),
            publish: vec!["1:1".to_owned()],
            mounts: vec![
                given(MountFlag::Volume, "config:/config"),
                given(MountFlag::Volume, "/anonymous"),
                given(MountFlag::Volume, "data:/data"),
            ],
            cap_add: vec!["SYS_ADMIN".to_owned()],
            security_opt: vec!["no-new-privileges:false".to_owned(), "seccomp=unconfined".to_owned()],
            privileged: true,
            ..ContainerConfig::default()
        };
        let profile = profile(config.clone());
        let mut plan = crate::plan::recommend(&profile);
        plan.mounts_read_only = vec![path("/config"), path("/anonymous")];
        let volume = VolumeMount {
            target: path("/var/lib/app"),
            name: "app-var-lib-app".to_owned(),
            seed_from_image: true,
            owner: None,
            why: String::new(),
            evidence: Vec::new(),
            evidence_more: 0,
            grounds: Default::default(),
        };
        plan.volumes.push(volume.clone());
        let applied = apply(&profile, &plan, "trial").unwrap();
        let plain = |name: &str| FreshVolume { name: name.to_owned(), preparation: None };
        assert_eq!(applied.volumes, [plain("trial-0"), plain("trial-ro-1")]);
        let want = ContainerConfig {
            mounts: vec![
                given(MountFlag::Mount, "type=volume,source=trial-0,target=/var/lib/app"),
                given(MountFlag::Volume, "config:/config:ro"),
                given(MountFlag::Mount, "type=volume,source=trial-ro-1,target=/anonymous,readonly"),
                given(MountFlag::Volume, "data:/data"),
            ],
            cap_add: Vec::new(),
            cap_drop: vec!["ALL".to_owned()],
            security_opt: vec!["no-new-privileges".to_owned(), "seccomp=unconfined".to_owned()],
            privileged: false,
            read_only: true,
            ..config
        };
        assert_eq!(applied.config, want);
        plan.user = Some("10:10".to_owned());
        assert_eq!(apply(&profile, &plan, "t").unwrap().config.user.as_deref(), Some("10:10"));

        plan.volumes = vec![VolumeMount { owner: Some("10:11".to_owned()), ..volume }];
        let applied = apply(&profile, &plan, "t").unwrap();
        let filled = "type=volume,source=t-0,target=/var/lib/app";
        let preparation = Preparation {
            mount: given(MountFlag::Mount, filled),
            target: path("/var/lib/app"),
            uid: 10,
            gid: 11,
        };
        assert_eq!(applied.volumes.first().unwrap().preparation, Some(preparation));
        let mounted = &applied.config.mounts.first().unwrap().value;
        assert_eq!(*mounted, format!("{filled},volume-nocopy"));
        plan.volumes[0].owner = Some("root".to_owned());
        assert!(matches!(apply(&profile, &plan, "t"), Err(FormatError::Owner(_))));
    }

    #[test]
    fn a_plain_command_has_no_container() {
        let mut plain = profile(ContainerConfig::default());
        let plan = crate::plan::recommend(&plain);
        plain.subject.config = None;
        assert!(matches!(apply(&plain, &plan, "t"), Err(FormatError::NoContainer)));
    }
}
