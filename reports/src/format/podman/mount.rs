//! A plan's mounts, and the subject's own, as Podman takes them.
//!
//! Owns the differences between Podman's mounts and Docker's, each seen with Podman 4.3:
//!
//! - A tmpfs has no owner option. It can be given to the user that the container starts as (`U=true`). Where the image
//!   has the directory with the wanted owner, a volume in memory takes that over, and keeps it from the second start on
//!   by `uid=` and `gid=` of its own. Otherwise the tmpfs is everybody's, mode 1777, and the reason says so.
//! - A tmpfs is filled from the image unless `notmpcopyup`. The plan puts none where the image has something, so
//!   nothing is missed, and nothing unexpected appears.
//! - A tmpfs may hold programs unless `noexec`; Docker's may not.
//! - `--mount` reads one CSV record, as Docker's, so that any path can be written; but a read-only one is `ro`.
//!
//! Everything that the plan adds is a `--mount`. What the subject has stays the flag that it was.

use super::super::hardened::kept_mounts;
use super::super::mount_option::{self, csv_record};
use super::super::start_user::start_user;
use super::super::{AS_STARTED, FormatError, ONLY_READ, as_text, read_only_volume_name};
use crate::model::{ContainerConfig, MountFlag, MountOption, ObjectKind, Profile};
use crate::plan::{Plan, TmpfsMount, VolumeMount, volume_name};
use crate::text::printable;

/// A mount and the reason for it.
pub(in super::super) struct Mount {
    pub(in super::super) option: MountOption,
    pub(in super::super) why: String,
}

/// Every mount: the plan's, then the subject's own.
pub(super) fn mounts(
    profile: &Profile,
    config: &ContainerConfig,
    plan: &Plan,
) -> Result<Vec<Mount>, FormatError> {
    let mut mounts = Vec::new();
    for (index, mount) in plan.tmpfs.iter().enumerate() {
        mounts.push(tmpfs(profile, plan, mount, index)?);
    }
    for volume in &plan.volumes {
        mounts.push(named_volume(volume)?);
    }
    let name = |target: &_| read_only_volume_name(profile, plan, target);
    for option in kept_mounts(profile, config, plan, &name)? {
        let read_only =
            mount_option::target(&option).is_some_and(|target| plan.mounts_read_only.contains(&target));
        let why = if read_only { ONLY_READ } else { AS_STARTED };
        mounts.push(Mount { option: translated(&option)?, why: why.to_owned() });
    }
    Ok(mounts)
}

/// Who a tmpfs belongs to, and how Podman is told.
enum Owner {
    /// Root, by default.
    Root,
    /// The user that the container starts as.
    StartUser,
    /// The owner of the image's directory.
    AsInImage,
    /// Nobody that can be named: everybody may write.
    Everybody,
}

fn owner(profile: &Profile, plan: &Plan, mount: &TmpfsMount) -> Owner {
    let TmpfsMount { target, uid, gid, .. } = mount;
    let start = start_user(profile, plan);
    let in_image = profile.subject.image_entries.iter().any(|entry| {
        entry.path == *target && entry.kind == ObjectKind::Directory && entry.uid == *uid && entry.gid == *gid
    });
    if (*uid, *gid) == (0, 0) {
        Owner::Root
    } else if start.is_some_and(|start| start.owns(*uid, *gid)) {
        Owner::StartUser
    } else if in_image {
        Owner::AsInImage
    } else {
        Owner::Everybody
    }
}

fn tmpfs(profile: &Profile, plan: &Plan, mount: &TmpfsMount, index: usize) -> Result<Mount, FormatError> {
    let TmpfsMount { target, size, mode, uid, gid, exec, suid, dev, why, .. } = mount;
    let owner = owner(profile, plan, mount);
    let target_field = format!("target={}", as_text(target)?);
    let limits = [
        if *exec { "exec" } else { "noexec" },
        if *suid { "suid" } else { "nosuid" },
        if *dev { "dev" } else { "nodev" },
    ];
    let mut fields: Vec<String> = Vec::new();
    let mut note = String::new();
    if matches!(owner, Owner::AsInImage) {
        // The number tells targets apart whose names are the same but for what no name may hold.
        let name = format!("{}-memory-{index}", volume_name(&profile.subject.name, target));
        fields.extend(["type=volume".to_owned(), format!("source={name}"), target_field]);
        fields.extend(limits.map(str::to_owned));
        fields.extend(["volume-opt=type=tmpfs", "volume-opt=device=tmpfs"].map(str::to_owned));
        fields.push(format!("volume-opt=o=size={size},mode={mode},uid={uid},gid={gid}"));
        note.push_str("a volume in memory, because Podman gives a tmpfs no owner; ");
    } else {
        let everybody = matches!(owner, Owner::Everybody);
        let mode = if everybody { "1777" } else { mode };
        fields.extend(["type=tmpfs".to_owned(), target_field]);
        fields.extend([format!("tmpfs-size={size}"), format!("tmpfs-mode={mode}")]);
        fields.extend(limits.map(str::to_owned));
        fields.push("notmpcopyup".to_owned());
        if matches!(owner, Owner::StartUser) {
            fields.push("U=true".to_owned());
        }
        if everybody {
            note = format!(
                "mode 1777 in place of {} {uid}:{gid}, because Podman gives a tmpfs no owner; ",
                mount.mode
            );
        }
    }
    let value = csv_record(&fields.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(Mount { option: MountOption { flag: MountFlag::Mount, value }, why: format!("{note}{why}") })
}

fn named_volume(volume: &VolumeMount) -> Result<Mount, FormatError> {
    let fields =
        ["type=volume", &format!("source={}", volume.name), &format!("target={}", as_text(&volume.target)?)];
    let option = MountOption { flag: MountFlag::Mount, value: csv_record(&fields)? };
    Ok(Mount { option, why: volume.why.clone() })
}

/// One of the subject's own mounts in Podman's words.
fn translated(option: &MountOption) -> Result<MountOption, FormatError> {
    let refused = |reason: String| FormatError::Podman { value: printable(&option.value), reason };
    let value = match option.flag {
        MountFlag::Volume => option.value.clone(),
        MountFlag::Tmpfs => {
            let (target, options) = option.value.split_once(':').unwrap_or((&option.value, ""));
            let options: Vec<&str> = options.split(',').filter(|option| !option.is_empty()).collect();
            if let Some(owner) =
                options.iter().find(|option| option.starts_with("uid=") || option.starts_with("gid="))
            {
                return Err(refused(format!("a tmpfs has no option `{}`", printable(owner))));
            }
            let missing =
                (!options.iter().any(|option| matches!(*option, "exec" | "noexec"))).then_some("noexec");
            let all: Vec<&str> = options.into_iter().chain(missing).chain(["notmpcopyup"]).collect();
            format!("{target}:{}", all.join(","))
        }
        MountFlag::Mount => {
            let given = mount_option::record(&option.value)
                .ok_or_else(|| refused("it is no CSV record".to_owned()))?;
            let fields = given.iter().map(|field| field_of_mount(field)).collect::<Result<Vec<_>, _>>();
            let mut fields: Vec<String> = fields.map_err(refused)?.into_iter().flatten().collect();
            let kind = fields.iter().find_map(|field| field.strip_prefix("type="));
            match kind {
                None => fields.insert(0, "type=volume".to_owned()),
                Some("tmpfs") => fields.extend(["noexec", "notmpcopyup"].map(str::to_owned)),
                Some(_) => {}
            }
            csv_record(&fields.iter().map(String::as_str).collect::<Vec<_>>())?
        }
    };
    Ok(MountOption { flag: option.flag, value })
}

/// One field of Docker's `--mount` in Podman's words; none where it says what is so anyway.
fn field_of_mount(field: &str) -> Result<Option<String>, String> {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (field, None),
    };
    let key = key.trim().to_ascii_lowercase();
    let yes = || value.is_none_or(|value| matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"));
    match key.as_str() {
        "type" | "source" | "src" | "target" | "dst" | "destination" | "bind-propagation" | "tmpfs-size"
        | "tmpfs-mode" | "volume-opt" => Ok(Some(format!("{key}={}", value.unwrap_or_default()))),
        "readonly" | "ro" => Ok(yes().then(|| "ro".to_owned())),
        // It has no meaning on Linux.
        "consistency" => Ok(None),
        key => Err(format!("Podman's --mount has no field `{}`", printable(key))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_mounts_in_podmans_words() {
        for (flag, value, want) in [
            (MountFlag::Volume, "/h:/d:ro", Some("/h:/d:ro")),
            (MountFlag::Tmpfs, "/t", Some("/t:noexec,notmpcopyup")),
            (MountFlag::Tmpfs, "/t:size=1m,exec", Some("/t:size=1m,exec,notmpcopyup")),
            (MountFlag::Tmpfs, "/t:uid=5", None),
            (
                MountFlag::Mount,
                "type=bind,\"src=/a,b\",dst=/c,readonly",
                Some("type=bind,\"src=/a,b\",dst=/c,ro"),
            ),
            (MountFlag::Mount, "src=v,dst=/c,readonly=false", Some("type=volume,src=v,dst=/c")),
            (
                MountFlag::Mount,
                "type=tmpfs,dst=/c,tmpfs-size=1",
                Some("type=tmpfs,dst=/c,tmpfs-size=1,noexec,notmpcopyup"),
            ),
            (MountFlag::Mount, "type=volume,src=v,dst=/c,volume-nocopy", None),
        ] {
            let result = translated(&MountOption { flag, value: value.to_owned() });
            assert_eq!(result.as_ref().ok().map(|option| option.value.as_str()), want, "{value}: {result:?}");
        }
    }
}
