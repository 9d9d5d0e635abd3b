//! Existing mounts that the subject only read.

use super::super::doubt;
use super::super::existing;
use super::super::grounds::ReadOnlyMount;
use super::super::needs::takes_write_access;
use super::{Case, Draft, Rule};
use crate::model::MountKind;

pub(super) const RULE: Rule = Rule {
    id: "read-only-mounts",
    about: "A mount that the subject had and only read becomes read-only.",
    doc: "Volumes, binds and tmpfs mounts that the user or the image asked for stay where they are. Where no \
          operation that takes write access succeeded on one, it becomes `:ro`. It rests on something that did not \
          happen: without a load test, or in an incomplete profile, the confidence is lower.",
    warnings: &[],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    for mount in existing::configured(case.profile) {
        let written =
            case.profile.writes.iter().any(|write| write.mount == mount.target && takes_write_access(write));
        if written || case.told(&mount.target).is_some() {
            continue;
        }
        let what = match mount.kind {
            MountKind::Volume => "a volume of the subject's",
            MountKind::ImageVolume => "a VOLUME of the image",
            MountKind::Bind => "a bind of the subject's",
            MountKind::Tmpfs => "a tmpfs of the subject's",
            MountKind::Runtime | MountKind::Other => "a mount",
        };
        draft.plan.mounts_read_only.push(mount.target.clone());
        draft.plan.mounts_read_only_grounds.push(ReadOnlyMount {
            target: mount.target.clone(),
            why: format!("{what}, on which no operation that takes write access succeeded"),
            grounds: doubt::grounds(&[&RULE], doubt::of_absence(case.profile)),
        });
    }
}
