//! Large and deep profiles are planned and compared in reasonable time.

use reports::model::Op;

use crate::build::{Build, path};

#[test]
fn a_subject_cannot_stall_the_planner() {
    let deep = "/d".repeat(2000);
    let mut build = Build::new("x").dirs(&["/tmp"]);
    for n in 0..300 {
        build = build.write(Op::Create, &format!("/tmp{deep}/{n}"));
    }
    for n in 0..20_000 {
        build = build.write(Op::Create, &format!("/tmp/{}/{n}", n % 100));
    }
    let plan = build.plan();
    assert_eq!(plan.writable_targets(), [&path("/tmp")]);
    assert_eq!(crate::diff::between(&build.profile, &build.profile).differences().count(), 0);
}
