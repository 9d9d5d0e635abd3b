//! What lowers the confidence in an element.

use reports::model::{Gap, MountKind, Op};
use reports::plan::{Confidence, Grounds, Plan};

use crate::build::{Build, path};

fn first(plan: &Plan) -> &Grounds {
    let tmpfs = plan.tmpfs.iter().map(|mount| &mount.grounds);
    tmpfs.chain(plan.volumes.iter().map(|volume| &volume.grounds)).next().unwrap()
}

#[test]
fn confidence_falls_with_the_gravest_doubt() {
    let base =
        || Build::new("x").dir("/tmp", "1777", 0, 0).dirs(&["/run", "/app", "/app/state", "/var/lib/x"]);
    let cut = |mut build: Build, at: &str| {
        build.profile.subject.image_cut = vec![path(at)];
        build
    };
    let incomplete = |mut build: Build| {
        build.profile.coverage.complete = false;
        let code = "startup-not-seen".to_owned();
        build.profile.coverage.gaps = vec![Gap { code, message: "m".to_owned(), count: 1 }];
        build
    };
    let collapsed = |write: &mut reports::model::Write| write.collapsed = true;
    let cases: Vec<(&str, Build, Confidence, &[&str])> = vec![
        ("seen", base().write(Op::Create, "/run/x").size("/run", 1), Confidence::High, &[]),
        ("no data", base().write(Op::Mkdir, "/run/x"), Confidence::High, &[]),
        ("unmeasured", base().write(Op::Create, "/run/x"), Confidence::Medium, &["size-not-measured"]),
        (
            "synced, but temporary by convention",
            base().write(Op::Create, "/tmp/x").write(Op::Sync, "/tmp/x").size("/tmp", 1),
            Confidence::Medium,
            &["convention-only"],
        ),
        (
            "synced",
            base().write(Op::Create, "/app/state/x").write(Op::Sync, "/app/state/x"),
            Confidence::High,
            &[],
        ),
        (
            "neither",
            base().write(Op::Create, "/app/state/x").size("/app/state", 1),
            Confidence::Medium,
            &["nothing-speaks-for-durability"],
        ),
        (
            "lasting by convention",
            base().write(Op::Create, "/var/lib/x/y"),
            Confidence::Medium,
            &["convention-only"],
        ),
        (
            "collapsed",
            base().write_with(Op::Create, path("/tmp"), collapsed).size("/tmp", 1),
            Confidence::Medium,
            &["names-collapsed"],
        ),
        (
            "cut",
            cut(base().write(Op::Create, "/app/state/x"), "/app/state"),
            Confidence::Low,
            &["image-content-unknown"],
        ),
        (
            "incomplete",
            incomplete(base().write(Op::Mkdir, "/run/x")),
            Confidence::Medium,
            &["incomplete-profile", "startup-not-seen"],
        ),
    ];
    for (name, build, confidence, doubts) in cases {
        let plan = build.plan();
        let grounds = first(&plan);
        assert_eq!((grounds.confidence, grounds.doubts.join(" ")), (confidence, doubts.join(" ")), "{name}");
    }
}

#[test]
fn what_did_not_happen_is_less_sure() {
    let confidences = |build: Build| {
        let plan = build.plan();
        (
            plan.mounts_read_only_grounds[0].grounds.confidence,
            plan.no_new_privileges_grounds.unwrap().grounds.confidence,
        )
    };
    let base = || Build::new("x").mount("/site", MountKind::Bind, Some("/h"));
    assert_eq!(confidences(base().loaded()), (Confidence::High, Confidence::High));
    assert_eq!(confidences(base()), (Confidence::Medium, Confidence::Medium));
    let mut incomplete = base().loaded();
    incomplete.profile.coverage.complete = false;
    assert_eq!(confidences(incomplete), (Confidence::Low, Confidence::Low));
}

#[test]
fn a_capability_without_a_kernel_caller_is_less_sure() {
    let confidence = |build: Build| build.plan().cap_add[0].grounds.confidence;
    assert_eq!(confidence(Build::new("x").required("CHOWN", "chown", "chown_ok")), Confidence::High);
    assert_eq!(confidence(Build::new("x").required("CHOWN", "chown", "")), Confidence::Medium);
    let mut bare = Build::new("x").required("CHOWN", "chown", "");
    bare.profile.capabilities[0].evidence.clear();
    assert_eq!(confidence(bare), Confidence::Low);
}
