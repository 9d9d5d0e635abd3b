//! What counts as new.

use reports::diff::{DiffFormat, FailOn, NewMountKind, diff, render};
use reports::model::{MountKind, Op, Phase, Verdict};

use crate::build::{Build, path};
use crate::subjects;

fn image() -> Build {
    Build::new("app:1")
        .dirs(&["/etc", "/run", "/tmp", "/var", "/var/lib", "/var/lib/app"])
        .files(&["/etc/passwd"])
}

#[test]
fn two_runs_of_one_image_differ_in_nothing() {
    let run = |pid: u32, random: &str, relation: u32| {
        let base = "/var/lib/app/base";
        image()
            .writes(
                Op::Create,
                &[&format!("/tmp/foo.{pid}"), &format!("/tmp/{random}/deep/x"), "/run/app.pid"],
            )
            .write(Op::Mkdir, &format!("/tmp/{random}"))
            .write(Op::Create, &format!("/var/lib/app/sess_{random}"))
            .write(Op::Mkdir, base)
            .write(Op::Mkdir, &format!("{base}/{}", relation % 7))
            .write(Op::Create, &format!("{base}/5/{relation}"))
            .write(Op::Create, &format!("{base}/5/{relation}_fsm"))
            .write(Op::Create, &format!("/etc/passwd.{pid}"))
            .rename(&format!("/etc/passwd.{pid}"), "/etc/passwd")
            .rename(&format!("{base}/5/pg_internal.init.{pid}"), &format!("{base}/5/pg_internal.init"))
    };
    let (one, other) = (run(17, "k3x9Qz1", 16384), run(40_123, "aB8cD2e", 24_576));
    for (old, new) in [(&one, &other), (&other, &one)] {
        let diff = diff(&old.profile, &new.profile);
        assert!(!diff.fails(&[FailOn::Any]), "{diff:#?}");
        let text = render(DiffFormat::Text, &diff, false).unwrap();
        assert!(text.starts_with("Nothing new"), "{text}");
    }
    for build in [subjects::nginx(), subjects::postgres(), subjects::redis(), subjects::hostile()] {
        assert!(!diff(&build.profile, &build.profile).fails(&[FailOn::Any]));
    }
}

#[test]
fn new_places_and_operations_are_found() {
    let old = || {
        image()
            .write(Op::Create, "/etc/app.1")
            .write(Op::Open, "/etc/passwd")
            .write(Op::Create, "/var/lib/app/own/5")
            .write(Op::Mkdir, "/var/lib/app/own")
            .write(Op::Create, "/tmp/x")
            .write_with(Op::Create, path("/run"), |write| write.collapsed = true)
            .write_with(Op::Unlink, path("/etc/hosts"), |write| write.errno = 13)
    };
    for (op, at, new) in [
        (Op::Create, "/etc/app.2", false),
        (Op::Create, "/etc/cron", true),
        (Op::Create, "/etc/cron.2", true),
        (Op::Unlink, "/etc/app.1", true),
        (Op::Open, "/etc/passwd", false),
        (Op::Open, "/etc/passwd2", true),
        (Op::Unlink, "/etc/hosts", true),
        (Op::Create, "/var/lib/app/own/77", false),
        (Op::Create, "/var/lib/app/own/77_vm", false),
        (Op::Create, "/var/lib/app/own/named", true),
        (Op::Create, "/var/lib/app/other/5", true),
        (Op::Mkdir, "/var/lib/app/other", true),
        (Op::Create, "/tmp/any/where", false),
        (Op::Unlink, "/tmp/x", true),
        (Op::Create, "/run/whatever", false),
        (Op::Create, "/run/sub/whatever", true),
        (Op::Sync, "/etc/new", false),
    ] {
        let new_profile = old().write(op, at).profile;
        let found = diff(&old().profile, &new_profile);
        assert_eq!(found.writes.len(), usize::from(new), "{op:?} {at}: {found:#?}");
        assert_eq!(found.fails(&[FailOn::Write]), new);
        // It is no finding the other way round.
        assert!(!diff(&new_profile, &old().profile).fails(&[FailOn::Any]), "{op:?} {at}");
    }
    // A directory whose names were kept in one run and were too many in the other.
    let many = old().write_with(Op::Create, path("/etc"), |write| write.collapsed = true);
    assert!(diff(&old().profile, &many.profile).writes.is_empty());
    let failed = old().write_with(Op::Create, path("/etc/evil"), |write| write.errno = 30);
    assert!(diff(&old().profile, &failed.profile).writes.is_empty());
}

#[test]
fn places_alike_are_shown_once() {
    let names: Vec<String> = (0..50).map(|n| format!("/etc/evil.{n}")).collect();
    let new = names.iter().fold(image(), |build, name| build.write(Op::Create, name));
    let found = diff(&image().profile, &new.profile);
    assert_eq!(found.writes.len(), 1);
    assert_eq!((found.writes[0].objects, found.writes[0].count), (50, 50));
}

#[test]
fn capabilities_fail_only_where_required() {
    let old = image().cap("NET_RAW", "socket", "x", Verdict::Attempted).required("CHOWN", "chown", "x");
    let new = image()
        .by("/bin/ping", Phase::Steady)
        .required("NET_RAW", "socket", "inet_create")
        .cap("SYS_ADMIN", "brk", "cap_vm_enough_memory", Verdict::Opportunistic)
        .cap("CHOWN", "chown", "x", Verdict::Opportunistic);
    let found = diff(&old.profile, &new.profile);
    let caps: Vec<_> = found.capabilities.iter().map(|c| (c.cap.as_str(), c.verdict, c.before)).collect();
    assert_eq!(
        caps,
        [
            ("NET_RAW", Verdict::Required, Some(Verdict::Attempted)),
            ("SYS_ADMIN", Verdict::Opportunistic, None)
        ]
    );
    assert!(
        found.fails(&[FailOn::Cap])
            && found.fails(&[FailOn::Any])
            && !found.fails(&[FailOn::Write, FailOn::Mount])
    );
    let mild = image().cap("SYS_ADMIN", "brk", "x", Verdict::Opportunistic);
    let found = diff(&image().profile, &mild.profile);
    assert!(!found.capabilities.is_empty() && !found.fails(&[FailOn::Any]));
}

#[test]
fn mounts_that_must_now_be_writable() {
    let base = || image().mount("/conf", MountKind::Bind, Some("/h")).write(Op::Create, "/run/x");
    let new = base().writes(Op::Create, &["/var/lib/app/x", "/run/sub/x", "/conf/x", "/x"]);
    let found = diff(&base().profile, &new.profile);
    let mounts: Vec<_> = found.mounts.iter().map(|mount| (mount.target.to_string(), mount.kind)).collect();
    assert_eq!(
        mounts,
        [
            ("/".to_owned(), NewMountKind::Root),
            ("/conf".to_owned(), NewMountKind::Existing),
            ("/var/lib/app".to_owned(), NewMountKind::Volume),
        ]
    );
    // A mount that is simply no longer there is no finding.
    assert!(diff(&base().profile, &image().write(Op::Create, "/run/x").profile).mounts.is_empty());
}

#[test]
fn text_and_json() {
    let old = image();
    let new = subjects::hostile()
        .required("NET_RAW", "socket", "inet_create")
        .cap("KILL", "kill", "x", Verdict::Attempted)
        .rename("/etc/passwd.1", "/etc/passwd");
    let found = diff(&old.profile, &new.profile);
    let text = render(DiffFormat::Text, &found, false).unwrap();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    insta::assert_snapshot!(text);
    let json = render(DiffFormat::Json, &found, false).unwrap();
    assert_eq!(serde_json::from_str::<reports::diff::Diff>(&json).unwrap(), found);
    assert!(json.contains("\"schema\": \"writepath.diff/v1\""));
}

#[test]
fn kinds_of_findings_are_read_from_a_list() {
    assert_eq!(FailOn::parse_list("write, cap"), Ok(vec![FailOn::Write, FailOn::Cap]));
    assert_eq!(FailOn::parse_list("any"), Ok(vec![FailOn::Any]));
    for bad in ["", "write,", "caps", "a\u{1b}b"] {
        let error = FailOn::parse_list(bad).unwrap_err().to_string();
        assert!(
            error.contains("none of write, cap, mount, any, none") && !error.contains('\u{1b}'),
            "{error}"
        );
    }
}
