//! The override file for all services of a project: of each plan what the project's own file does not say already.
//!
//! Owns what is left out because it is there, how volumes are named so that no two services get the same by accident,
//! and the warnings that concern several services. What a service has (mounts, user, capabilities, a read-only root)
//! it keeps: Compose lays this file over the project's own, and adds lists to lists. What that cannot take away is said
//! in a comment.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Definition;
use super::definition::{Service as Own, VolumeEntry};
use crate::format::compose::{self, Reasoned, Service, VolumeDefinition, VolumeUse, escape, reasoned};
use crate::format::{FormatError, Options};
use crate::model::{MountKind, Profile, SubjectPath};
use crate::plan::{Plan, volume_name};

/// The name of the file.
pub const HARDENED_FILE: &str = "compose.hardened.yaml";

/// A service with what was found out about it.
#[derive(Debug, Clone, Copy)]
pub struct ServiceProfile<'a> {
    /// Its name.
    pub name: &'a str,
    /// What was seen of it, of all its containers together.
    pub profile: &'a Profile,
    /// What that leads to.
    pub plan: &'a Plan,
    /// How many containers it had.
    pub replicas: usize,
}

#[derive(Serialize)]
struct File {
    services: BTreeMap<String, Entry>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<String, VolumeDefinition>,
}

/// A service's keys, only those that change something.
#[derive(Serialize, Default)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    privileged: Option<Reasoned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<Reasoned<bool>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tmpfs: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<VolumeUse>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cap_drop: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cap_add: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    security_opt: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Reasoned<String>>,
}

impl Entry {
    fn is_empty(&self) -> bool {
        let Self { privileged, read_only, tmpfs, volumes, cap_drop, cap_add, security_opt, user } = self;
        privileged.is_none()
            && read_only.is_none()
            && tmpfs.is_empty()
            && volumes.is_empty()
            && cap_drop.is_empty()
            && cap_add.is_empty()
            && security_opt.is_empty()
            && user.is_none()
    }
}

/// Writes the override file.
///
/// # Errors
/// [`FormatError`] where Compose cannot express a plan.
pub fn hardened(definition: &Definition, profiled: &[ServiceProfile<'_>]) -> Result<String, FormatError> {
    let mut services = BTreeMap::new();
    let mut volumes = BTreeMap::new();
    let mut lines = vec![
        "The project's services, hardened as a training run showed that they can be.".to_owned(),
        "Use it over the project's own file: docker compose -f compose.yaml -f THIS-FILE up".to_owned(),
    ];
    let mut names: BTreeSet<String> = definition.volumes().into_iter().map(str::to_owned).collect();
    for service in profiled {
        let Some(own) = definition.services.get(service.name) else { continue };
        lines.extend(remarks(definition, own, service));
        let (entry, more) = entry(own, service, &mut names)?;
        volumes.extend(more);
        if !entry.is_empty() {
            services.insert(service.name.to_owned(), entry);
        }
    }
    if services.is_empty() {
        lines.push("Nothing is to be added: the services have all of it.".to_owned());
        // An override without services is no Compose file to docker-compose 1.29.
        services.extend(profiled.first().map(|service| (service.name.to_owned(), Entry::default())));
    }
    let head: String = lines.iter().map(|text| format!("# {}\n", crate::text::printable(text))).collect();
    Ok(head + &compose::yaml(&File { services, volumes })?)
}

/// What a person should know, beside the keys.
fn remarks(definition: &Definition, own: &Own, service: &ServiceProfile<'_>) -> Vec<String> {
    let ServiceProfile { name, profile: _, plan, replicas } = service;
    let mut lines = Vec::new();
    if !plan.complete {
        lines.push(format!("{name}: INCOMPLETE: not everything was seen, and this may lack something."));
    }
    let needed: BTreeSet<&str> = plan.cap_add.iter().map(|add| add.cap.as_str()).collect();
    let spare: Vec<&str> =
        own.cap_add.iter().map(String::as_str).filter(|cap| !needed.contains(cap)).collect();
    if !spare.is_empty() {
        lines.push(format!(
            "{name}: not needed in training: cap_add {}; take it out of the project's file, an override cannot.",
            spare.join(", ")
        ));
    }
    for (target, entry) in &own.volumes {
        let writers: Vec<&str> = definition.writers(name, entry).collect();
        if !plan.mounts_read_only.contains(target) || entry.read_only {
            continue;
        }
        if entry.has_options {
            lines.push(format!(
                "{name}: {target} was only read; make it read-only in the project's file, an override would lose its options."
            ));
        } else if !writers.is_empty() {
            lines.push(format!("{name}: {target} is shared, and {} may write there.", writers.join(", ")));
        }
    }
    if *replicas > 1 && !plan.volumes.is_empty() {
        lines.push(format!(
            "{name}: has several containers, so each gets a volume of its own, without a name."
        ));
    }
    lines
        .extend(plan.warnings.iter().map(|warning| format!("{name}: {}: {}", warning.code, warning.message)));
    lines
}

/// A service's keys, and the volumes that are to be defined for it.
fn entry(
    own: &Own,
    service: &ServiceProfile<'_>,
    names: &mut BTreeSet<String>,
) -> Result<(Entry, BTreeMap<String, VolumeDefinition>), FormatError> {
    let mut plan = service.plan.clone();
    for volume in &mut plan.volumes {
        volume.name = unique(names, volume_name(service.name, &volume.target));
    }
    let options = Options { service: Some(service.name.to_owned()), ..Options::default() };
    let whole = compose::file(service.profile, &plan, &options)?;
    let mut definitions = whole.volumes;
    let mut entry = Entry::default();
    for (_, found) in whole.services {
        let Service { privileged, read_only, tmpfs, volumes, cap_drop, cap_add, security_opt, user } = found;
        entry.privileged = privileged.filter(|_| own.privileged);
        // A root that is read-only already stays so, and a writable one is what Compose makes by itself.
        entry.read_only = Some(read_only).filter(|wanted| wanted.0 && !own.read_only);
        entry.tmpfs = tmpfs;
        entry.volumes = volumes;
        entry.cap_drop = cap_drop.into_iter().filter(|cap| !own.cap_drop.contains(&cap.0)).collect();
        entry.cap_add = cap_add.into_iter().filter(|cap| !own.cap_add.contains(&cap.0)).collect();
        let has_it = own.security_opt.iter().any(|option| is_no_new_privileges(option));
        entry.security_opt = if has_it { Vec::new() } else { security_opt };
        entry.user = user.filter(|user| own.user.as_deref().map(escape).as_ref() != Some(&user.0));
    }
    // A tmpfs of the service's own cannot be made read-only here: the list would have it twice.
    entry.tmpfs.retain(|mount| !own.tmpfs.iter().any(|target| mounts_at(&mount.0, target)));
    let planned: BTreeSet<&SubjectPath> = plan.volumes.iter().map(|volume| &volume.target).collect();
    let mut uses = Vec::new();
    for mut wanted in std::mem::take(&mut entry.volumes) {
        let target = wanted.target.0.replace("$$", "$");
        let Ok(target) = SubjectPath::from_bytes(target.as_bytes()) else { continue };
        if planned.contains(&target) {
            if service.replicas > 1
                && let Some(source) = wanted.source.take()
            {
                // Its containers had one each in training.
                definitions.remove(&source.0.replace("$$", "$"));
                if is_image_volume(service.profile, &target) {
                    continue;
                }
                wanted.r#type = reasoned(wanted.r#type.0, &format!("{} ({})", wanted.r#type.1, source.1));
            }
            uses.push(wanted);
            continue;
        }
        if wanted.read_only.is_some() {
            if let Some(source) = wanted.source.take() {
                definitions.remove(&source.0.replace("$$", "$"));
            }
            uses.extend(read_only(own, service, &target, wanted, names, &mut definitions));
            continue;
        }
        uses.push(wanted);
    }
    entry.volumes = uses;
    Ok((entry, definitions))
}

/// Whether the image makes a volume there by itself.
fn is_image_volume(profile: &Profile, target: &SubjectPath) -> bool {
    let mounts = profile.subject.mounts.iter();
    mounts.filter(|mount| mount.kind == MountKind::ImageVolume).any(|mount| mount.target == *target)
}

/// One of the service's own mounts, made read-only: Compose replaces the mount of the same target.
fn read_only(
    own: &Own,
    service: &ServiceProfile<'_>,
    target: &SubjectPath,
    wanted: VolumeUse,
    names: &mut BTreeSet<String>,
    definitions: &mut BTreeMap<String, VolumeDefinition>,
) -> Option<VolumeUse> {
    const AS_IT_HAS: &str = "as the service has it";
    let (kind, source) = match own.volumes.get(target) {
        Some(VolumeEntry { read_only, has_options, .. }) if *read_only || *has_options => return None,
        Some(VolumeEntry { source: Some(source), is_bind, .. }) => {
            (if *is_bind { "bind" } else { "volume" }, reasoned(escape(source), AS_IT_HAS))
        }
        // Docker makes no anonymous volume read-only (moby:volume/mounts/validate.go); containers of a scaled service
        // would share one that has a name.
        _ if service.replicas > 1 => return None,
        _ => {
            let is_known = service
                .profile
                .subject
                .mounts
                .iter()
                .any(|mount| mount.target == *target && mount.kind != MountKind::Runtime);
            if !is_known {
                return None;
            }
            let name = unique(names, volume_name(service.name, target));
            let why = format!("mounted at {target} of {}", service.name);
            definitions.insert(name.clone(), VolumeDefinition::Own(reasoned(None, &why)));
            ("volume", reasoned(escape(&name), "filled from the image on first use"))
        }
    };
    Some(VolumeUse { r#type: reasoned(kind, AS_IT_HAS), source: Some(source), ..wanted })
}

fn unique(names: &mut BTreeSet<String>, base: String) -> String {
    let mut name = base.clone();
    let mut number = 1u32;
    while !names.insert(name.clone()) {
        number = number.saturating_add(1);
        name = format!("{base}-{number}");
    }
    name
}

fn is_no_new_privileges(option: &str) -> bool {
    matches!(option, "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true")
}

/// Whether an entry of `tmpfs` mounts at the target.
fn mounts_at(entry: &str, target: &SubjectPath) -> bool {
    let entry = entry.replace("$$", "$");
    entry
        .split(':')
        .next()
        .is_some_and(|path| SubjectPath::from_bytes(path.as_bytes()).ok().as_ref() == Some(target))
}
