//! VOLUMEs that the image declares and the subject writes.

use super::super::doubt;
use super::super::dto::VolumeMount;
use super::super::evidence;
use super::super::existing;
use super::super::needs::takes_write_access;
use super::{Case, Draft, Rule};
use crate::model::{MountKind, Write};

pub(super) const RULE: Rule = Rule {
    id: "image-volumes",
    about: "A VOLUME of the image that is written stays a volume and gets a name.",
    doc: "Docker makes an anonymous volume for every `VOLUME` of an image: it is writable under `--read-only` \
          already, and forgotten with the container. The plan gives it a name, so that its data is found again. \
          It starts with the image's content (moby:daemon/create_unix.go).",
    warnings: &[],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    for mount in existing::configured(case.profile) {
        if mount.kind != MountKind::ImageVolume || case.told(&mount.target).is_some() {
            continue;
        }
        let writes: Vec<&Write> = case
            .profile
            .writes
            .iter()
            .filter(|write| write.mount == mount.target && takes_write_access(write))
            .collect();
        if writes.is_empty() {
            continue;
        }
        let (evidence, evidence_more) = evidence::of_writes(&writes, &case.profile.run);
        draft.plan.volumes.push(VolumeMount {
            target: mount.target.clone(),
            name: draft.names.name(&mount.target),
            seed_from_image: case.image.get(&mount.target).is_none()
                || case.image.has_directory(&mount.target),
            owner: None,
            why: format!("the image declares it a VOLUME; {}", evidence::summary(&writes)),
            evidence,
            evidence_more,
            grounds: doubt::grounds(&[&RULE], doubt::of_presence(case.profile)),
        });
    }
}
