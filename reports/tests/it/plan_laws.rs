//! Laws of plans: what they cover, that nothing in them is idle, and how they grow.

use proptest::prelude::*;
use reports::model::{MountKind, ObjectKind, Op, Phase, SubjectPath, Write};
use reports::plan::{Overrides, Plan, TmpfsOverride, is_needed, parse_target, recommend_with};

use crate::build::Build;
use crate::laws::{any_build, any_path, any_step, build, places};
use crate::subjects;

/// Whether `targets` (with whether each is a tmpfs) serve a place: one of them holds it, and where that is a tmpfs, it
/// hides no directory of the image on the way.
fn serve(build: &Build, targets: &[(&SubjectPath, bool)], place: &SubjectPath) -> bool {
    let around = targets.iter().filter(|(target, _)| place.is_within(target));
    let Some((target, is_tmpfs)) = around.max_by_key(|(target, _)| target.as_bytes().len()) else {
        return false;
    };
    let in_image = |path: &SubjectPath| {
        let mut entries = build.profile.subject.image_entries.iter();
        entries.any(|entry| entry.path == *path && entry.kind == ObjectKind::Directory)
    };
    !is_tmpfs || !place.ancestors().take_while(|above| above != *target).any(|above| in_image(&above))
}

/// Whether a write can be made under a plan as far as places go.
fn served(plan: &Plan, write: &Write) -> bool {
    !plan.read_only
        || places(write).iter().all(|place| plan.makes_writable(place))
        || write.op == Op::Mkdir && plan.makes_writable(&write.path)
}

#[test]
fn the_order_of_nothing_in_a_profile_makes_a_difference() {
    for build in [subjects::nginx(), subjects::postgres(), subjects::redis(), subjects::hostile()] {
        let build = build
            .by("/bin/a", Phase::Steady)
            .user(33, 33, 1)
            .user(0, 0, 1)
            .port(80)
            .port(443)
            .executes("/usr/bin/sudo", true)
            .executes("/bin/su", true)
            .mount("/b", MountKind::Bind, Some("/h"))
            .mount("/a", MountKind::Volume, Some("v"));
        let mut reversed = build.profile.clone();
        reversed.writes.reverse();
        reversed.capabilities.reverse();
        reversed.capabilities.iter_mut().for_each(|entry| entry.evidence.reverse());
        reversed.subject.mounts.reverse();
        reversed.subject.image_entries.reverse();
        reversed.coverage.gaps.reverse();
        let run = &mut reversed.run;
        run.executions.reverse();
        run.sizes.reverse();
        run.users.reverse();
        run.ports.reverse();
        assert_eq!(build.plan(), reports::plan::recommend(&reversed));
    }
}

proptest! {
    /// Take any mount away, and some place that was served no longer is: no mount holds it, or a tmpfs hides it.
    #[test]
    fn no_mount_is_idle((image, steps) in any_build()) {
        let build = build(&image, &steps);
        let plan = build.plan();
        let tmpfs = plan.tmpfs.iter().map(|mount| (&mount.target, true));
        let all: Vec<_> = tmpfs.chain(plan.volumes.iter().map(|volume| (&volume.target, false))).collect();
        let needed = || build.profile.writes.iter().filter(|write| is_needed(write));
        for (index, (target, _)) in all.iter().enumerate() {
            let mut others = all.clone();
            others.remove(index);
            let uncovers = needed().any(|write| {
                // A new directory in the root is served by a mount on itself.
                let itself = (write.op == Op::Mkdir).then(|| write.path.clone());
                let mut places = places(write).into_iter().chain(itself);
                places.any(|place| serve(&build, &all, &place) && !serve(&build, &others, &place))
            });
            prop_assert!(uncovers, "{target} is idle in {plan:?}");
        }
    }

    /// Whatever a plan serves, a plan for the same and more serves as well.
    #[test]
    fn more_writes_never_give_a_smaller_plan(
        (image, steps) in any_build(),
        more in proptest::collection::vec(any_step(), 1..4),
    ) {
        let few = build(&image, &steps);
        let all: Vec<_> = steps.iter().cloned().chain(more).collect();
        let many = build(&image, &all);
        let (small, large) = (few.plan(), many.plan());
        for write in few.profile.writes.iter().filter(|write| is_needed(write)) {
            prop_assert!(!served(&small, write) || served(&large, write), "{write:?}\n{small:?}\n{large:?}");
        }
        prop_assert!(small.read_only || !large.read_only);
    }

    /// The user's mounts are in the plan, of the kind that they are to be, and the plan still covers its profile.
    #[test]
    fn the_users_word_is_followed(
        (image, steps) in any_build(),
        told in proptest::collection::vec((any_path(), any::<bool>()), 1..4),
    ) {
        let build = build(&image, &steps);
        let mut overrides = Overrides::default();
        for (at, tmpfs) in &told {
            if *tmpfs {
                overrides.tmpfs.extend(at.parse::<TmpfsOverride>());
            } else {
                overrides.volumes.extend(parse_target(at));
            }
        }
        let Ok(plan) = recommend_with(&build.profile, &overrides) else { return Ok(()) };
        prop_assert_eq!(plan.validate(), Ok(()), "{:?}", plan);
        for told in &overrides.tmpfs {
            prop_assert!(plan.tmpfs.iter().any(|mount| mount.target == told.target), "{plan:?}");
        }
        for told in &overrides.volumes {
            prop_assert!(plan.volumes.iter().any(|volume| volume.target == *told), "{plan:?}");
        }
        let without = build.plan();
        for write in build.profile.writes.iter().filter(|write| is_needed(write)) {
            prop_assert!(!served(&without, write) || served(&plan, write), "{write:?}\n{plan:?}");
        }
    }

    #[test]
    fn what_is_recommended_can_be_followed((image, steps) in any_build()) {
        let plan = build(&image, &steps).plan();
        prop_assert_eq!(plan.validate(), Ok(()));
        let bytes = serde_json::to_vec(&plan).unwrap();
        prop_assert_eq!(reports::plan::read_plan(&bytes).unwrap(), plan);
    }

    #[test]
    fn everything_can_be_asked_about((image, steps) in any_build()) {
        let build = build(&image, &steps);
        let plan = build.plan();
        let options = reports::format::Options::default();
        let ask = |what: &str| reports::format::explain(&build.profile, &plan, &Default::default(), what, &options);
        for write in &build.profile.writes {
            let text = ask(&write.path.escaped()).unwrap();
            prop_assert!(text.ends_with('\n') && !text.chars().any(|c| c.is_control() && c != '\n'));
            prop_assert!(text.contains(write.op.name()), "{text}");
        }
    }
}
