//! The recommender: from a profile to the least that the subject was seen to need.
//!
//! Owns the way from observations to a [`Plan`], in steps of a module each: which operations need a place (`needs`),
//! where mounts go (`layout`), of which kind they are (`storage`), what becomes of existing mounts (`mounts`), which
//! privileges are kept (`privileges`). Never invents a need that no observation supports, never hides image content
//! behind a tmpfs, never mounts over `/`. What it cannot serve becomes a warning, and an incomplete profile makes a
//! plan that says so. The order of observations in the profile makes no difference.

mod dto;
mod evidence;
mod image;
mod layout;
mod mounts;
mod needs;
mod privileges;
mod storage;

pub use dto::*;
pub use needs::{directories_to_list, is_needed};

pub(crate) use mounts::{as_name, short_name, volume_name};

use self::evidence::{listed, summary};
use self::image::{Content, Image};
use self::layout::{Layout, Target};
use self::mounts::Names;
use self::needs::Places;
use self::storage::Storage;
use crate::model::{Op, Profile, SubjectPath};

/// Recommends how to run a profile's subject with no more than it was seen to need.
#[must_use]
pub fn recommend(profile: &Profile) -> Plan {
    let image = Image::new(&profile.subject);
    let places = Places::of(profile, &image, &mounts::taken(profile));
    let layout = layout::lay_out(profile, &image, &places);
    let mut names = Names::new(&profile.subject.name);
    let existing = mounts::existing(profile, &image, &mut names);
    let privileges = privileges::decide(profile);

    let mut warnings = coverage(profile);
    let content_known = layout.targets.iter().all(|target| target.content != Content::Unknown);
    warnings.extend(placement(&places, &layout));
    warnings.extend(privileges.warnings);
    warnings.dedup();

    let mut tmpfs = Vec::new();
    let mut volumes = existing.volumes;
    for target in &layout.targets {
        match &target.storage {
            Storage::Tmpfs(reason) => tmpfs.push(as_tmpfs(profile, &image, &layout, target, reason)),
            Storage::Volume(reason) => {
                volumes.push(as_volume(profile, &image, &layout, &mut names, target, reason));
            }
        }
    }
    volumes.sort_by(|a, b| a.target.cmp(&b.target));

    Plan {
        schema: PLAN_SCHEMA.to_owned(),
        subject: profile.subject.name.clone(),
        complete: profile.coverage.complete && content_known,
        read_only: places.in_root.is_empty() && places.replaced.values().all(Option::is_some),
        tmpfs,
        volumes,
        mounts_read_only: existing.read_only,
        cap_drop: vec!["ALL".to_owned()],
        cap_add: privileges.cap_add,
        cap_dropped: privileges.cap_dropped,
        no_new_privileges: privileges.no_new_privileges,
        user: None,
        warnings,
        alternatives: privileges.alternatives,
    }
}

fn as_tmpfs(
    profile: &Profile,
    image: &Image<'_>,
    layout: &Layout<'_>,
    target: &Target<'_>,
    reason: &str,
) -> TmpfsMount {
    let ownership = image.ownership(&target.directory);
    let on_it = |path: &SubjectPath| {
        let innermost =
            path.ancestors().find(|ancestor| layout.targets.iter().any(|other| other.directory == *ancestor));
        innermost.is_some_and(|directory| directory == target.directory)
    };
    let (evidence, evidence_more) = evidence::of_writes(&target.writes, &profile.run);
    TmpfsMount {
        target: target.directory.clone(),
        size: storage::tmpfs_size_bytes(&target.directory, target.peak_bytes),
        mode: format!("{:04o}", ownership.mode),
        uid: ownership.uid,
        gid: ownership.gid,
        exec: profile
            .run
            .executions
            .iter()
            .any(|execution| image.get(&execution.path).is_none() && on_it(&execution.path)),
        suid: false,
        dev: target
            .writes
            .iter()
            .any(|write| write.op == Op::Mknod && write.object == crate::model::ObjectKind::Device),
        why: why(layout, target, reason),
        evidence,
        evidence_more,
    }
}

/// Why a mount is there and is what it is.
fn why(layout: &Layout<'_>, target: &Target<'_>, reason: &str) -> String {
    let around = layout
        .targets
        .iter()
        .find(|other| target.directory != other.directory && target.directory.is_within(&other.directory));
    let done = summary(&target.writes);
    match around {
        None => format!("{reason}; {done}"),
        Some(other) => {
            format!(
                "{reason}; a directory of the image that the tmpfs on {} would hide; {done}",
                other.directory
            )
        }
    }
}

fn as_volume(
    profile: &Profile,
    image: &Image<'_>,
    layout: &Layout<'_>,
    names: &mut Names,
    target: &Target<'_>,
    reason: &str,
) -> VolumeMount {
    let (evidence, evidence_more) = evidence::of_writes(&target.writes, &profile.run);
    VolumeMount {
        target: target.directory.clone(),
        name: names.name(&target.directory),
        seed_from_image: target.content != Content::None || image.has_directory(&target.directory),
        why: why(layout, target, reason),
        evidence,
        evidence_more,
    }
}

/// A warning for everything that was not seen.
fn coverage(profile: &Profile) -> Vec<Warning> {
    let mut gaps: Vec<Warning> = profile
        .coverage
        .gaps
        .iter()
        .map(|gap| Warning {
            code: gap.code.clone(),
            message: if gap.count > 1 {
                format!("not everything was seen: {} ({} times)", gap.message, gap.count)
            } else {
                format!("not everything was seen: {}", gap.message)
            },
            path: None,
        })
        .collect();
    gaps.sort();
    if gaps.is_empty() && !profile.coverage.complete {
        gaps.push(Warning {
            code: "incomplete-profile".to_owned(),
            message: "the profile is incomplete: the plan may lack something".to_owned(),
            path: None,
        });
    }
    gaps
}

/// Warnings about where mounts go and where none can.
fn placement(places: &Places, layout: &Layout<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some((first, _)) = places.in_root.first() {
        let changes: Vec<String> =
            places.in_root.iter().map(|(path, op)| format!("{} {path}", op.name())).collect();
        warnings.push(Warning {
            code: "writes-in-root".to_owned(),
            message: format!(
                "the subject changes entries of `/` itself ({}), over which nothing can be mounted, so the root file \
                 system stays writable: have the image provide them or point the application to another directory, \
                 then profile again",
                listed(changes.iter().map(String::as_str), 4)
            ),
            path: Some(first.clone()),
        });
    }
    for (place, instead) in &places.replaced {
        warnings.push(Warning {
            code: "unrepresentable-path".to_owned(),
            message: match instead {
                Some(instead) => format!(
                    "{place} cannot be named as a mount target (bytes that are no UTF-8, or control characters); \
                     {instead} is made writable instead"
                ),
                None => format!(
                    "{place} cannot be named as a mount target (bytes that are no UTF-8, or control characters), nor \
                     can any directory that holds it, so the root file system stays writable"
                ),
            },
            path: Some(place.clone()),
        });
    }
    for (from, to) in &layout.apart {
        warnings.push(Warning {
            code: "rename-across-mounts".to_owned(),
            message: format!(
                "the subject renames or links from {from} to {to}, which the plan puts on different mounts: that \
                 fails with EXDEV (\"Invalid cross-device link\") unless the subject then copies"
            ),
            path: Some(to.clone()),
        });
    }
    for target in &layout.targets {
        let (code, what) = match target.content {
            Content::None => continue,
            Content::Files(1) => ("shadows-image-content", "a file of the image".to_owned()),
            Content::Files(count) => ("shadows-image-content", format!("{count} files of the image")),
            Content::Unknown => (
                "image-content-unknown",
                "whatever the image has there, which the profile does not list".to_owned(),
            ),
        };
        warnings.push(Warning {
            code: code.to_owned(),
            message: format!(
                "a tmpfs on {directory} would hide {what}, so the plan uses a named volume: Docker and Podman fill \
                 it from the image on first use, and later versions of the image do not change it; Kubernetes \
                 never fills a volume, an init container must",
                directory = target.directory
            ),
            path: Some(target.directory.clone()),
        });
    }
    warnings
}
