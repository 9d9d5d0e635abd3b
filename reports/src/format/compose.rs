//! A Compose override file: what the plan changes about one service, with the reason behind every line.
//!
//! Owns the service's hardening fields and nothing else of it: `docker compose -f compose.yaml -f FILE` lays it over
//! the service's own definition. Accepted by docker-compose 1.29 as well as by Compose v2: a long-syntax tmpfs
//! therefore carries no `mode`, which 1.29 refuses. `$` is doubled in every value (compose-spec,
//! 12-interpolation.md). Comments are single printable lines. Lists of an override are added to those of the base
//! file, so what the base file grants it keeps; the head of the file says so.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_saphyr::Commented;

use super::comment::{line, size, tmpfs_options};
use super::{
    FormatError, NO_NEW_PRIVILEGES, NOT_READ_ONLY, ONLY_READ, Options, READ_ONLY, read_only_volume_name,
};
use crate::model::{Mount, MountKind, Profile, SubjectPath};
use crate::plan::{Plan, TmpfsMount, as_name, short_name};

/// A value with the reason behind it.
pub(crate) type Reasoned<T> = Commented<T>;

#[derive(Serialize)]
pub(crate) struct File {
    pub(crate) services: BTreeMap<String, Service>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) volumes: BTreeMap<String, VolumeDefinition>,
}

#[derive(Serialize)]
pub(crate) struct Service {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) privileged: Option<Reasoned<bool>>,
    pub(crate) read_only: Reasoned<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tmpfs: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) volumes: Vec<VolumeUse>,
    pub(crate) cap_drop: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cap_add: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) security_opt: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<Reasoned<String>>,
}

/// An entry of a service's `volumes`, in long syntax.
#[derive(Serialize)]
pub(crate) struct VolumeUse {
    pub(crate) r#type: Reasoned<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Reasoned<String>>,
    pub(crate) target: Reasoned<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_only: Option<Reasoned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) volume: Option<VolumeOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tmpfs: Option<TmpfsOptions>,
}

#[derive(Serialize)]
pub(crate) struct VolumeOptions {
    pub(crate) nocopy: Reasoned<bool>,
}

#[derive(Serialize)]
pub(crate) struct TmpfsOptions {
    pub(crate) size: Reasoned<u64>,
}

/// An entry of the file's `volumes`.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum VolumeDefinition {
    /// Compose makes it, named after the project.
    Own(Reasoned<Option<()>>),
    /// It has this name.
    Named { name: Reasoned<String> },
}

pub(super) fn render(profile: &Profile, plan: &Plan, options: &Options) -> Result<String, FormatError> {
    let file = file(profile, plan, options)?;
    Ok(format!("{}{}", head(profile, plan), yaml(&file)?))
}

/// A file with its comments.
pub(crate) fn yaml(file: &impl Serialize) -> Result<String, FormatError> {
    serde_saphyr::to_string_with_options(file, serde_saphyr::ser_options! { prefer_block_scalars: false })
        .map_err(|error| FormatError::Yaml(error.to_string()))
}

/// The comment above everything.
fn head(profile: &Profile, plan: &Plan) -> String {
    let mut lines = vec![
        format!("{}, hardened as a training run showed that it can be.", plan.subject),
        "Use it over the service's own file: docker compose -f compose.yaml -f THIS-FILE up".to_owned(),
    ];
    if !plan.complete {
        lines
            .push("INCOMPLETE: not everything was seen in training, and this may lack something.".to_owned());
    }
    if profile.subject.config.as_ref().is_some_and(|config| !config.cap_add.is_empty()) {
        lines.push("Compose adds these lists to the service's own: take its cap_add out there.".to_owned());
    }
    lines.extend(plan.warnings.iter().map(|warning| format!("{}: {}", warning.code, warning.message)));
    lines.iter().map(|text| format!("# {}\n", crate::text::printable(text))).collect()
}

/// The file of one service.
pub(crate) fn file(profile: &Profile, plan: &Plan, options: &Options) -> Result<File, FormatError> {
    let mut tmpfs = Vec::new();
    let mut uses = Vec::new();
    let mut definitions = BTreeMap::new();
    for mount in &plan.tmpfs {
        let target = text(&mount.target)?;
        if target.contains(':') {
            uses.push(long_tmpfs(mount, &target));
        } else {
            tmpfs.push(reasoned(format!("{target}:{}", tmpfs_options(mount)), &mount.why));
        }
    }
    for volume in &plan.volumes {
        let mut filled =
            if volume.seed_from_image { "filled from the image on first use" } else { "empty at first" }
                .to_owned();
        if let Some(owner) = &volume.owner {
            filled = format!("{filled}; must belong to {owner}, with all in it, before the subject starts");
        }
        uses.push(VolumeUse {
            r#type: reasoned("volume", &volume.why),
            source: Some(reasoned(escape(&volume.name), &filled)),
            target: reasoned(text(&volume.target)?, "the subject writes here"),
            read_only: None,
            // While it is empty, Docker would give it back to the image's owner.
            volume: volume.owner.as_ref().map(|_| VolumeOptions {
                nocopy: reasoned(true, "fill it from the image when giving it to its owner"),
            }),
            tmpfs: None,
        });
        definitions.insert(
            volume.name.clone(),
            VolumeDefinition::Own(reasoned(None, &format!("mounted at {}", volume.target))),
        );
    }
    for target in &plan.mounts_read_only {
        let mount = profile.subject.mounts.iter().find(|mount| mount.target == *target && !mount.read_only);
        if let Some(mount) = mount {
            read_only_mount(mount, profile, plan, &mut tmpfs, &mut uses, &mut definitions)?;
        }
    }
    let service = Service {
        privileged: profile
            .subject
            .config
            .as_ref()
            .filter(|config| config.privileged)
            .map(|_| reasoned(false, "the capabilities below are all that was needed")),
        read_only: if plan.read_only { reasoned(true, READ_ONLY) } else { reasoned(false, NOT_READ_ONLY) },
        tmpfs,
        volumes: uses,
        cap_drop: plan.cap_drop.iter().map(|cap| reasoned(escape(cap), &dropped(plan))).collect(),
        cap_add: plan.cap_add.iter().map(|add| reasoned(escape(&add.cap), &add.why)).collect(),
        security_opt: plan
            .no_new_privileges
            .then(|| reasoned("no-new-privileges:true".to_owned(), NO_NEW_PRIVILEGES))
            .into_iter()
            .collect(),
        user: plan.user.as_deref().map(|user| reasoned(escape(user), "as the plan says")),
    };
    Ok(File { services: BTreeMap::from([(service_name(plan, options)?, service)]), volumes: definitions })
}

fn dropped(plan: &Plan) -> String {
    match plan.cap_add.len() {
        0 => "no capability was needed in training".to_owned(),
        1 => "all but the one below".to_owned(),
        count => format!("all but the {count} below"),
    }
}

fn long_tmpfs(mount: &TmpfsMount, target: &str) -> VolumeUse {
    VolumeUse {
        r#type: reasoned("tmpfs", &mount.why),
        source: None,
        target: reasoned(
            target.to_owned(),
            &format!(
                "a path with a colon has no short form, and the long one cannot give mode {}, owner {}:{}{}",
                mount.mode,
                mount.uid,
                mount.gid,
                if mount.exec { " and exec" } else { "" }
            ),
        ),
        read_only: None,
        volume: None,
        tmpfs: Some(TmpfsOptions { size: reasoned(mount.size, &size(mount.size)) }),
    }
}

/// One of the service's own mounts, repeated with `read_only`: Compose replaces the mount of the same target.
fn read_only_mount(
    mount: &Mount,
    profile: &Profile,
    plan: &Plan,
    tmpfs: &mut Vec<Reasoned<String>>,
    uses: &mut Vec<VolumeUse>,
    definitions: &mut BTreeMap<String, VolumeDefinition>,
) -> Result<(), FormatError> {
    let target = text(&mount.target)?;
    let (kind, source) = match (mount.kind, &mount.source) {
        (MountKind::Tmpfs, _) => {
            if !target.contains(':') {
                tmpfs.push(reasoned(format!("{target}:ro"), ONLY_READ));
            }
            return Ok(());
        }
        (MountKind::Bind, Some(source)) => ("bind", escape(source)),
        (MountKind::Volume, Some(source)) if !is_anonymous(source) => {
            let key = as_name(source, 120);
            let name = reasoned(escape(source), "the volume of the training run");
            definitions.insert(key.clone(), VolumeDefinition::Named { name });
            ("volume", key)
        }
        (MountKind::Volume | MountKind::ImageVolume, _) => {
            // An anonymous volume cannot be read-only (moby:volume/mounts/validate.go), a named one can.
            let name = read_only_volume_name(profile, plan, &mount.target);
            let why = format!("mounted at {}, filled from the image on first use", mount.target);
            definitions.insert(name.clone(), VolumeDefinition::Own(reasoned(None, &why)));
            ("volume", name)
        }
        (MountKind::Bind | MountKind::Runtime | MountKind::Other, _) => return Ok(()),
    };
    uses.push(VolumeUse {
        r#type: reasoned(kind, "as the service has it"),
        source: Some(reasoned(source, "as the service has it")),
        target: reasoned(target, "as the service has it"),
        read_only: Some(reasoned(true, ONLY_READ)),
        volume: None,
        tmpfs: None,
    });
    Ok(())
}

/// Whether a volume's name is one that Docker made up: 64 hexadecimal digits.
fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn service_name(plan: &Plan, options: &Options) -> Result<String, FormatError> {
    let name = match &options.service {
        Some(given) => given.clone(),
        None => Some(as_name(short_name(&plan.subject), 60))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "service".to_owned()),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(FormatError::Service(crate::text::printable(&name)));
    }
    Ok(name)
}

/// A value with a reason, which is made one printable line.
pub(crate) fn reasoned<T>(value: T, why: &str) -> Reasoned<T> {
    Commented(value, line(why))
}

/// A literal `$` for Compose.
pub(crate) fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

fn text(target: &SubjectPath) -> Result<String, FormatError> {
    target.as_str().map(escape).ok_or_else(|| FormatError::Target(target.to_string()))
}
