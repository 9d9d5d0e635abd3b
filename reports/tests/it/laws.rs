//! Laws that hold for every profile.

use proptest::prelude::*;
use reports::model::{ObjectKind, Op, SubjectPath, Write};
use reports::plan::{Plan, is_needed};

use crate::build::{Build, path};

const OPS: &[Op] = &[
    Op::Open,
    Op::Create,
    Op::Tmpfile,
    Op::Mkdir,
    Op::Symlink,
    Op::Link,
    Op::Unlink,
    Op::Rmdir,
    Op::Rename,
    Op::Truncate,
    Op::Chmod,
    Op::Chown,
    Op::Bind,
    Op::Sync,
];

/// Paths with few distinct names, so that they meet.
pub(crate) fn any_path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        6 => prop_oneof![Just("a"), Just("b"), Just("run"), Just("var"), Just("tmp"), Just("data")],
        1 => Just("n\nl"),
    ];
    proptest::collection::vec(name, 1..5).prop_map(|names| format!("/{}", names.join("/")))
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    op: Op,
    at: String,
    from: String,
    errno: i32,
    directory: bool,
    collapsed: bool,
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (
        0..OPS.len(),
        any_path(),
        any_path(),
        prop_oneof![4 => Just(0), 1 => Just(13)],
        any::<bool>(),
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(op, at, from, errno, directory, collapsed)| Step {
            op: OPS[op],
            at,
            from,
            errno,
            directory,
            collapsed,
        })
}

pub(crate) fn build(image: &[(String, bool)], steps: &[Step]) -> Build {
    let mut build = Build::new("img");
    let mut directories: Vec<SubjectPath> = Vec::new();
    let mut files: Vec<SubjectPath> = Vec::new();
    for (at, is_file) in image {
        let at = path(at);
        let above: Vec<_> = at.ancestors().skip(1).filter(|a| !a.is_root()).collect();
        if *is_file && !above.iter().any(|a| files.contains(a)) && !directories.contains(&at) {
            files.push(at.clone());
        } else if !files.iter().any(|file| at.is_within(file)) {
            directories.push(at);
        }
        directories.extend(above.into_iter().filter(|a| !files.iter().any(|file| a.is_within(file))));
    }
    files.retain(|file| !directories.contains(file));
    files.sort();
    files.dedup();
    directories.sort();
    directories.dedup();
    for directory in &directories {
        build = build.dirs(&[directory.as_str().unwrap()]);
    }
    for file in &files {
        build = build.files(&[file.as_str().unwrap()]);
    }
    for step in steps {
        build = build.write_with(step.op, path(&step.at), |write| {
            write.errno = step.errno;
            write.collapsed = step.collapsed;
            if matches!(step.op, Op::Rename | Op::Link) {
                write.from = Some(path(&step.from));
            }
            write.object = if step.directory { ObjectKind::Directory } else { ObjectKind::Unknown };
        });
    }
    build
}

/// Paths of an image, and whether each is a file.
pub(crate) type Image = Vec<(String, bool)>;

pub(crate) fn any_image() -> impl Strategy<Value = Image> {
    proptest::collection::vec((any_path(), proptest::bool::weighted(0.3)), 0..12)
}

pub(crate) fn any_build() -> impl Strategy<Value = (Image, Vec<Step>)> {
    (any_image(), proptest::collection::vec(any_step(), 0..16))
}

/// What an operation changes: directories, or the object.
pub(crate) fn places(write: &Write) -> Vec<SubjectPath> {
    if write.collapsed || !write.op.changes_directory() {
        let from = write.from.iter().filter(|_| write.op.changes_directory());
        return std::iter::once(&write.path).chain(from).cloned().collect();
    }
    std::iter::once(&write.path).chain(&write.from).filter_map(SubjectPath::parent).collect()
}

fn warned(plan: &Plan, code: &str) -> bool {
    plan.warnings.iter().any(|warning| warning.code == code)
}

fn innermost<'a>(plan: &'a Plan, at: &SubjectPath) -> Option<&'a SubjectPath> {
    plan.writable_targets()
        .into_iter()
        .filter(|target| at.is_within(target))
        .max_by_key(|t| t.as_bytes().len())
}

proptest! {
    #[test]
    fn a_plan_covers_its_profile((image, steps) in any_build()) {
        let build = build(&image, &steps);
        let plan = build.plan();
        for write in build.profile.writes.iter().filter(|write| is_needed(write)) {
            for place in places(write) {
                // An object that is a mount's own directory, or a new directory in the root, is served as well.
                let served = innermost(&plan, &place).is_some()
                    || write.op == Op::Mkdir && innermost(&plan, &write.path).is_some();
                prop_assert!(
                    served || !plan.read_only && (warned(&plan, "writes-in-root") || warned(&plan, "unrepresentable-path")),
                    "{write:?}\n{plan:?}"
                );
            }
        }
    }

    #[test]
    fn mounts_lie_well((image, steps) in any_build()) {
        let build = build(&image, &steps);
        let plan = build.plan();
        let entries = &build.profile.subject.image_entries;
        let targets = plan.writable_targets();
        for (index, target) in targets.iter().enumerate() {
            prop_assert!(!target.is_root());
            prop_assert!(target.as_str().is_some_and(|text| !text.chars().any(char::is_control)));
            for other in targets.iter().skip(index + 1) {
                prop_assert!(target != other);
                if other.is_within(target) {
                    // Only a tmpfs holds another mount, and only for a directory of the image.
                    prop_assert!(plan.tmpfs.iter().any(|mount| mount.target == **target), "{plan:?}");
                    prop_assert!(entries.iter().any(|e| e.path == **other && e.kind == ObjectKind::Directory));
                }
            }
        }
        for mount in &plan.tmpfs {
            prop_assert!(mount.size.is_power_of_two() && mount.size >= 16 << 20);
            for entry in entries.iter().filter(|entry| entry.path.is_within(&mount.target)) {
                prop_assert!(entry.kind == ObjectKind::Directory, "{} hides {entry:?}", mount.target);
            }
        }
        // A directory of the image that is needed is still there under the plan.
        for write in build.profile.writes.iter().filter(|write| is_needed(write)) {
            for place in places(write) {
                let in_image = entries.iter().any(|e| e.path == place && e.kind == ObjectKind::Directory);
                if let Some(target) = innermost(&plan, &place).filter(|_| in_image) {
                    prop_assert!(
                        *target == place || plan.volumes.iter().any(|volume| volume.target == *target),
                        "{place} is hidden: {plan:?}"
                    );
                }
            }
        }
        let mut names: Vec<_> = plan.volumes.iter().map(|volume| &volume.name).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), plan.volumes.len());
    }

    #[test]
    fn renames_and_links_stay_on_one_mount((image, steps) in any_build()) {
        let build = build(&image, &steps);
        let plan = build.plan();
        for write in build.profile.writes.iter().filter(|write| is_needed(write) && write.from.is_some()) {
            if let [to, from] = places(write).as_slice()
                && let (Some(a), Some(b)) = (innermost(&plan, to), innermost(&plan, from))
            {
                prop_assert!(a == b || warned(&plan, "rename-across-mounts"), "{write:?}\n{plan:?}");
            }
        }
    }

    #[test]
    fn the_order_of_observations_makes_no_difference((image, steps) in any_build(), seed in any::<u64>()) {
        let one = build(&image, &steps);
        let mut other = build(&image, &steps);
        let writes = &mut other.profile.writes;
        let mut state = seed;
        for index in (1..writes.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            writes.swap(index, usize::try_from(state >> 33).unwrap() % (index + 1));
        }
        prop_assert_eq!(one.plan(), other.plan());
    }

    #[test]
    fn failed_operations_make_no_difference((image, steps) in any_build()) {
        let all = build(&image, &steps);
        let mut succeeded = build(&image, &steps);
        succeeded.profile.writes.retain(Write::succeeded);
        // But for being told.
        let mut plan = all.plan();
        plan.warnings.retain(|warning| warning.code != "failed-writes");
        prop_assert_eq!(plan, succeeded.plan());
    }

    #[test]
    fn a_profile_differs_from_itself_in_nothing((image, steps) in any_build()) {
        let build = build(&image, &steps);
        let diff = crate::diff::between(&build.profile, &build.profile);
        prop_assert_eq!(diff.differences().count(), 0);
        prop_assert!(diff.comparisons[0].breaks.is_empty());
    }
}
