//! Plans read back: whole ones, old ones, and ones that were edited into nonsense.

use reports::plan::{MAX_PLAN_BYTES, Plan, PlanReadError, read_plan};
use serde_json::{Value, json};

use crate::subjects;

fn nginx() -> Value {
    serde_json::to_value(subjects::nginx().plan()).unwrap()
}

fn read(plan: &Value) -> Result<Plan, PlanReadError> {
    read_plan(&serde_json::to_vec(plan).unwrap())
}

#[test]
fn what_is_written_can_be_read() {
    for build in [subjects::nginx(), subjects::postgres(), subjects::redis(), subjects::hostile()] {
        let plan = build.plan();
        assert_eq!(read_plan(&serde_json::to_vec_pretty(&plan).unwrap()).unwrap(), plan);
    }
}

/// A plan as the first version wrote it, without anything that came later.
#[test]
fn the_first_plans_are_still_read() {
    let old = json!({
        "schema": "writepath.plan/v1", "subject": "nginx:1.27", "complete": true, "read_only": true,
        "tmpfs": [{ "target": "/run", "size": 16_777_216, "mode": "0755", "uid": 0, "gid": 0, "exec": false,
            "suid": false, "dev": false, "why": "w",
            "evidence": [{ "path": "/run/x", "op": "create", "count": 1, "process": "p", "phase": null }] }],
        "volumes": [{ "target": "/data", "name": "nginx-data", "seed_from_image": true, "why": "w", "evidence": [] }],
        "mounts_read_only": ["/site"], "cap_drop": ["ALL"],
        "cap_add": [{ "cap": "CHOWN", "why": "w", "phase": "startup", "evidence": [] }],
        "no_new_privileges": true, "user": null, "warnings": [],
        "alternatives": [{ "kind": "non-root", "message": "m" }],
        "a_field_of_the_future": 1
    });
    let plan = read(&old).unwrap();
    assert_eq!(plan.alternatives[0].user, None);
    assert_eq!(plan.tmpfs[0].grounds.confidence, reports::plan::Confidence::Medium);
    assert_eq!(reports::plan::with_alternative(&plan, "non-root"), None);
}

/// Applies a change to a good plan and returns the message.
fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut plan = nginx();
    change(&mut plan);
    let message = read(&plan).unwrap_err().to_string();
    assert!(!message.chars().any(|c| c.is_control() && c != '\n'), "{message:?}");
    message
}

#[test]
fn nonsense_is_refused_with_the_field() {
    let set = |pointer: &'static str, value: Value| {
        move |plan: &mut Value| *plan.pointer_mut(pointer).unwrap() = value
    };
    let cases: Vec<(Value, &'static str, &[&str])> = vec![
        (json!(0), "/tmpfs/1/size", &["`tmpfs[1].size`", "0"]),
        (json!(u64::MAX), "/tmpfs/1/size", &["`tmpfs[1].size`"]),
        (json!(-1), "/tmpfs/1/size", &["`tmpfs[1]"]),
        (json!("x"), "/tmpfs/0/uid", &["`tmpfs[0]"]),
        (json!("run"), "/tmpfs/0/target", &["`tmpfs[0].target`", "relative"]),
        (json!("/run/../etc"), "/tmpfs/0/target", &["`tmpfs[0].target`", "`..`"]),
        (json!("/"), "/tmpfs/0/target", &["`tmpfs[0].target`", "`/`"]),
        (json!("/proc/x"), "/tmpfs/0/target", &["`tmpfs[0].target`", "/proc/x"]),
        (json!("/a\nb\u{1b}[2J"), "/tmpfs/0/target", &["`tmpfs[0].target`", "control"]),
        (json!(format!("/{}", "x".repeat(5000))), "/tmpfs/0/target", &["`tmpfs[0].target`", "4095"]),
        (json!("/var/cache/nginx/"), "/tmpfs/0/target", &["`tmpfs[1].target`", "`tmpfs[0].target` already"]),
        (json!("9999"), "/tmpfs/0/mode", &["`tmpfs[0].mode`"]),
        (json!("rwx"), "/tmpfs/0/mode", &["`tmpfs[0].mode`"]),
        (json!("CAP_CHOWN"), "/cap_add/0/cap", &["`cap_add[0].cap`", "CHOWN"]),
        (json!("FLY"), "/cap_add/0/cap", &["`cap_add[0].cap`", "`FLY`"]),
        (json!("SETGID"), "/cap_add/0/cap", &["`cap_add[1].cap`", "already"]),
        (json!(["ALL", "NOPE"]), "/cap_drop", &["`cap_drop[1]`"]),
        (json!("a b"), "/user", &["`user`"]),
        (json!("1:2:3"), "/user", &["`user`"]),
        (json!("-1"), "/user", &["`user`"]),
        (json!(["/run"]), "/mounts_read_only", &["`mounts_read_only[0]`", "already"]),
        (json!(["site"]), "/mounts_read_only", &["`mounts_read_only[0]`", "relative"]),
        (json!("writepath.plan/v2"), "/schema", &["`schema`", "v2"]),
    ];
    for (value, pointer, names) in cases {
        let message = refused(set(pointer, value.clone()));
        for name in names {
            assert!(message.contains(name), "{pointer} = {value} does not name {name:?}: {message}");
        }
    }
}

#[test]
fn volumes_have_good_names_and_nothing_lies_in_them_by_accident() {
    let volume = |target: &str, name: &str| json!({ "target": target, "name": name, "seed_from_image": false, "why": "w", "evidence": [] });
    let with = |volumes: Value| refused(|plan| plan["volumes"] = volumes);
    assert!(with(json!([volume("/data", "-x")])).contains("`volumes[0].name`"));
    assert!(with(json!([volume("/data", "a/b")])).contains("`volumes[0].name`"));
    assert!(with(json!([volume("/data", &"x".repeat(300))])).contains("`volumes[0].name`"));
    assert!(with(json!([volume("/a", "one"), volume("/b", "one")])).contains("`volumes[1].name`"));
    let nested = with(json!([volume("/var/cache", "one")]));
    assert!(nested.contains("`tmpfs[1].target`") && nested.contains("/var/cache"), "{nested}");
    // Inside a tmpfs the plan itself nests.
    let mut plan = nginx();
    plan["volumes"] = json!([volume("/run/app", "one")]);
    read(&plan).unwrap();
    let alternative = refused(|plan| {
        plan["alternatives"][0]["tmpfs"] = plan["tmpfs"].clone();
        plan["alternatives"][0]["tmpfs"][1]["size"] = json!(0);
    });
    assert!(alternative.contains("`alternatives[0].tmpfs[1].size`"), "{alternative}");
}

#[test]
fn every_problem_is_told_but_not_without_end() {
    let message = refused(|plan| {
        plan["tmpfs"][0]["size"] = json!(0);
        plan["tmpfs"][1]["mode"] = json!("x");
    });
    assert_eq!(message.lines().count(), 2, "{message}");
    let message = refused(|plan| {
        let one = plan["tmpfs"][0].clone();
        plan["tmpfs"] = Value::Array(vec![one; 10_000]);
    });
    assert!(message.contains("too many") && message.lines().count() <= 100, "{}", message.lines().count());
}

#[test]
fn what_is_no_plan_is_refused() {
    for (bytes, name) in [
        (&b""[..], "line 1"),
        (b"\xff\xfe", "line 1"),
        (b"[]", "schema"),
        (b"{}", "schema"),
        (br#"{"schema": 5}"#, "schema"),
        (br#"{"schema": "writepath.plan/v1"}"#, "subject"),
        (br#"{"schema": "writepath.plan/v1", "#, "line 1"),
        (br#"{"schema": "writepath.profile/v1"}"#, "writepath.profile/v1"),
    ] {
        let message = read_plan(bytes).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    assert!(read_plan("[".repeat(100_000).as_bytes()).is_err());
    assert!(matches!(read_plan(&vec![b' '; MAX_PLAN_BYTES + 1]), Err(PlanReadError::TooLarge)));
}
