//! What counts as different, what as a finding, and what the plan for OLD would lack.

use std::collections::BTreeMap;

use reports::diff::{Change, Diff, Difference, FailOn, Input, Kind, SIZE_FACTOR, diff, diff_projects};
use reports::model::{Gap, Load, MountKind, Op, Phase, Profile, SubjectPath, Verdict};

use crate::build::{Build, path};
use crate::subjects;

/// The comparison of two profiles.
pub(crate) fn between(old: &Profile, new: &Profile) -> Diff {
    diff(&input(old), &input(new), SIZE_FACTOR)
}

pub(crate) fn input(profile: &Profile) -> Input {
    Input::Profile(Box::new(profile.clone()))
}

/// An application with a few directories of the image's.
pub(crate) fn image() -> Build {
    Build::new("app:1")
        .dirs(&["/etc", "/run", "/tmp", "/var", "/var/lib", "/var/lib/app"])
        .files(&["/etc/passwd"])
}

fn of_kind(diff: &Diff, kind: Kind, change: Change) -> Vec<&Difference> {
    diff.differences().filter(|difference| difference.kind == kind && difference.change == change).collect()
}

fn paths(differences: &[&Difference]) -> Vec<String> {
    differences.iter().map(|difference| difference.path.clone().unwrap_or_default()).collect()
}

fn warnings(diff: &Diff) -> Vec<&str> {
    diff.comparisons.iter().flat_map(|c| &c.warnings).map(|warning| warning.code.as_str()).collect()
}

fn needs(diff: &Diff) -> Vec<&str> {
    diff.comparisons[0].breaks.iter().map(|need| need.what.as_str()).collect()
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
        let diff = between(&old.profile, &new.profile);
        assert_eq!(diff.differences().count(), 0, "{diff:#?}");
        assert!(!diff.fails(&[FailOn::Any]));
    }
    for build in [subjects::nginx(), subjects::postgres(), subjects::redis(), subjects::hostile()] {
        assert_eq!(between(&build.profile, &build.profile).differences().count(), 0);
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
            .write(Op::Create, "/tmp/sort4242")
            .write_with(Op::Create, path("/run"), |write| write.collapsed = true)
            .write_with(Op::Unlink, path("/etc/hosts"), |write| write.errno = 2)
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
        (Op::Create, "/tmp/sort977", false),
        (Op::Create, "/tmp/any/where", true),
        (Op::Unlink, "/tmp/x", true),
        (Op::Create, "/run/whatever", false),
        (Op::Create, "/run/sub/whatever", true),
        (Op::Sync, "/etc/new", false),
    ] {
        let new_profile = old().write(op, at).profile;
        let found = between(&old().profile, &new_profile);
        let writes = of_kind(&found, Kind::Write, Change::New);
        assert_eq!(writes.len(), usize::from(new), "{op:?} {at}: {found:#?}");
        assert_eq!(found.fails(&[FailOn::Kind(Kind::Write)]), new, "{op:?} {at}");
        // It is no finding the other way round, but gone.
        let back = between(&new_profile, &old().profile);
        assert!(!back.fails(&[FailOn::Any]), "{op:?} {at}: {back:#?}");
        assert_eq!(of_kind(&back, Kind::Write, Change::Gone).len(), usize::from(new), "{op:?} {at}");
    }
    // A directory whose names were kept in one run and were too many in the other.
    let many = old().write_with(Op::Create, path("/etc"), |write| write.collapsed = true);
    assert!(of_kind(&between(&old().profile, &many.profile), Kind::Write, Change::New).is_empty());
}

#[test]
fn generated_names_of_an_own_directory_are_known_on_a_volume() {
    let data = |names: &[&str]| {
        let at: Vec<String> = names.iter().map(|name| format!("/data/base/{name}")).collect();
        let at: Vec<&str> = at.iter().map(String::as_str).collect();
        image().mount("/data", MountKind::Volume, Some("v")).writes(Op::Open, &at).profile
    };
    let old = data(&["1", "2753_fsm", "2604"]);
    assert_eq!(between(&old, &data(&["1", "2753_fsm", "77_vm", "9"])).findings, 0);
    assert_eq!(between(&old, &data(&["1", "2753_fsm", "secret"])).findings, 1);
}

#[test]
fn places_alike_are_shown_once() {
    let names: Vec<String> = (0..50).map(|n| format!("/etc/evil.{n}")).collect();
    let new = names.iter().fold(image(), |build, name| build.write(Op::Create, name));
    let found = between(&image().profile, &new.profile);
    let writes = of_kind(&found, Kind::Write, Change::New);
    assert_eq!(paths(&writes), ["/etc/evil.{n}"]);
    assert_eq!(
        (writes[0].objects, writes[0].count, writes[0].processes[0].as_str()),
        (50, 50, "/usr/bin/app")
    );
}

#[test]
fn very_many_places_are_folded_into_directories() {
    let word = |n: usize| -> String {
        (0..4).map(|i| char::from(b'a' + u8::try_from(n >> (4 * i) & 15).unwrap())).collect()
    };
    let one =
        (0..100).fold(image(), |build, n| build.write(Op::Create, &format!("/var/lib/app/x{}", word(n))));
    let found = between(&image().profile, &one.profile);
    let writes = of_kind(&found, Kind::Write, Change::New);
    assert_eq!((paths(&writes), writes[0].objects), (vec!["/var/lib/app/*".to_owned()], 100));
    let deep = (0..3000).fold(image(), |build, n| {
        build.write(Op::Create, &format!("/var/lib/app/x/y/z/u/v/w/q/{}/file", word(n)))
    });
    let found = between(&image().profile, &deep.profile);
    let writes = of_kind(&found, Kind::Write, Change::New);
    assert_eq!(paths(&writes), ["/var/lib/app/x/y/z/u/v/**"]);
}

#[test]
fn a_rename_across_directories_is_told_from_two_within() {
    let base = || {
        image()
            .dirs(&["/srv", "/srv/in", "/srv/out"])
            .writes(Op::Create, &["/srv/in/a", "/srv/out/a"])
            .rename("/srv/in/a", "/srv/in/b")
            .rename("/srv/out/a", "/srv/out/b")
    };
    let new = base().rename("/srv/in/a", "/srv/out/b");
    let found = between(&base().profile, &new.profile);
    let writes = of_kind(&found, Kind::Write, Change::New);
    assert_eq!(
        (paths(&writes), writes[0].from.as_deref()),
        (vec!["/srv/out/b".to_owned()], Some("/srv/in/a"))
    );
    assert!(needs(&found).contains(&"one mount for /srv/in and /srv/out"), "{:?}", needs(&found));
    assert!(
        needs(&found).contains(&"tmpfs /srv") || needs(&found).contains(&"volume /srv"),
        "{:?}",
        needs(&found)
    );
}

#[test]
fn capabilities_fail_only_where_required() {
    let old = image().cap("NET_RAW", "socket", "x", Verdict::Attempted).required("CHOWN", "chown", "x");
    let new = image()
        .by("/bin/ping", Phase::Steady)
        .required("NET_RAW", "socket", "inet_create")
        .cap("SYS_ADMIN", "brk", "cap_vm_enough_memory", Verdict::Opportunistic)
        .cap("CHOWN", "chown", "x", Verdict::Opportunistic);
    let found = between(&old.profile, &new.profile);
    let caps: Vec<_> = found
        .differences()
        .filter(|difference| difference.kind == Kind::Cap)
        .map(|d| (d.cap.as_deref().unwrap(), d.before.as_deref(), d.after.as_deref(), d.change, d.finding))
        .collect();
    assert_eq!(
        caps,
        [
            ("SYS_ADMIN", None, Some("opportunistic"), Change::New, false),
            ("CHOWN", Some("required"), Some("opportunistic"), Change::Changed, false),
            ("NET_RAW", Some("attempted"), Some("required"), Change::Changed, true),
        ]
    );
    assert!(found.fails(&[FailOn::Kind(Kind::Cap)]) && found.fails(&[FailOn::Any]));
    assert!(
        !found.fails(&[FailOn::Kind(Kind::Write), FailOn::Kind(Kind::Mount)])
            && !found.fails(&[FailOn::None])
    );
    assert_eq!(needs(&found), ["capability NET_RAW"]);
    assert_eq!(found.comparisons[0].breaks[0].why, "/bin/ping for socket");
    let mild = image().cap("SYS_ADMIN", "brk", "x", Verdict::Opportunistic);
    let found = between(&image().profile, &mild.profile);
    assert!(found.differences().count() == 1 && !found.fails(&[FailOn::Any]));
}

#[test]
fn mounts_that_must_now_be_writable() {
    let base = || image().mount("/conf", MountKind::Bind, Some("/h")).write(Op::Create, "/run/x");
    let new = base().writes(Op::Create, &["/var/lib/app/x", "/run/sub/x", "/conf/x", "/x"]);
    let found = between(&base().profile, &new.profile);
    let mounts: Vec<_> = found
        .differences()
        .filter(|difference| difference.kind == Kind::Mount && difference.finding)
        .map(|d| (d.path.as_deref().unwrap(), d.after.as_deref().unwrap()))
        .collect();
    assert_eq!(mounts, [("/var/lib/app", "volume"), ("/conf", "existing mount"), ("/", "root file system")]);
    assert_eq!(
        needs(&found),
        ["a writable root file system", "the mount /conf writable", "volume /var/lib/app"]
    );
    // A mount that is simply no longer there is no finding.
    let gone = between(&base().profile, &image().write(Op::Create, "/run/x").profile);
    assert_eq!(gone.findings, 0, "{gone:#?}");
}

#[test]
fn executions_privileges_and_ports() {
    let old = image()
        .write(Op::Create, "/tmp/app-17.so")
        .maps("/tmp/app-17.so")
        .executes("/usr/bin/app", false)
        .port(443);
    let new = image()
        .write(Op::Create, "/tmp/app-23.so")
        .maps("/tmp/app-23.so")
        .write(Op::Create, "/var/lib/app/plugin")
        .executes("/var/lib/app/plugin", false)
        .executes("/usr/bin/app", false)
        .executes("/bin/su", true)
        .port(80);
    let found = between(&old.profile, &new.profile);
    assert_eq!(paths(&of_kind(&found, Kind::Exec, Change::New)), ["/var/lib/app/plugin"]);
    assert_eq!(paths(&of_kind(&found, Kind::Privileges, Change::New)), ["/bin/su"]);
    let ports =
        |change| -> Vec<_> { of_kind(&found, Kind::Port, change).iter().map(|d| d.port.unwrap()).collect() };
    assert_eq!((ports(Change::New), ports(Change::Gone)), (vec![80], vec![443]));
    assert!(needs(&found).contains(&"no-new-privileges unset"), "{:?}", needs(&found));
    // An executable of the image's that lies where something is written.
    let both = || image().files(&["/var/lib/app/tool"]).write(Op::Create, "/var/lib/app/x");
    let run = both().executes("/var/lib/app/tool", false);
    assert!(of_kind(&between(&both().profile, &run.profile), Kind::Exec, Change::New).is_empty());
    // All lies below the root: a change in it says nothing of what lies deeper.
    let both = || image().write(Op::Chown, "/data").write(Op::Create, "/run.sh");
    let run = both().maps("/usr/lib/libz.so.2").executes("/run.sh", false);
    let found = between(&both().profile, &run.profile);
    assert_eq!(paths(&of_kind(&found, Kind::Exec, Change::New)), ["/run.sh"]);
}

#[test]
fn refusals_are_told_and_other_failures_are_not() {
    let failing = |errno: i32, at: &str| {
        image().write_with(Op::Open, path(at), move |write| write.errno = errno).profile
    };
    for (errno, told) in [(1, true), (13, true), (30, true), (2, false), (17, false), (6, false)] {
        let found = between(&image().profile, &failing(errno, "/etc/shadow"));
        let denied = of_kind(&found, Kind::Denied, Change::New);
        assert_eq!(denied.len(), usize::from(told), "{errno}");
        assert_eq!(found.fails(&[FailOn::Kind(Kind::Denied)]), told);
        assert!(of_kind(&found, Kind::Write, Change::New).is_empty());
    }
    assert_eq!(between(&failing(13, "/tmp/x.17"), &failing(13, "/tmp/x.18")).findings, 0);
    assert_eq!(between(&failing(13, "/tmp/x.17"), &failing(30, "/tmp/x.17")).findings, 1);
}

#[test]
fn sizes_are_told_beyond_the_factor() {
    let sized = |mib: u64| {
        image()
            .write(Op::Create, "/var/cache/app/x")
            .dirs(&["/var/cache", "/var/cache/app"])
            .size("/var/cache/app", mib)
            .profile
    };
    for (old, new, factor, change, outgrows) in [
        (10, 15, 2.0, None, false),
        (20, 39, 2.0, None, false),
        (20, 39, 1.5, Some(true), false),
        (20, 41, 2.0, Some(true), false),
        (20, 100, 2.0, Some(true), true),
        (100, 20, 2.0, Some(false), false),
        (100, 20, 10.0, None, false),
    ] {
        let found = diff(&input(&sized(old)), &input(&sized(new)), factor);
        let sizes = of_kind(&found, Kind::Size, Change::Changed);
        assert_eq!(sizes.first().map(|size| size.finding), change, "{old} {new} {factor}");
        let needed: Vec<&str> = needs(&found).into_iter().filter(|need| need.contains(" at ")).collect();
        assert_eq!(needed.len(), usize::from(outgrows), "{old} {new}: {needed:?}");
    }
    // A volume outgrows nothing.
    let kept = |mib: u64| image().write(Op::Create, "/srv/data/x").size("/srv/data", mib).profile;
    for (old, new, change) in
        [(54, 118, None), (118, 54, None), (200, 600, Some(true)), (600, 200, Some(false))]
    {
        let found = diff(&input(&kept(old)), &input(&kept(new)), SIZE_FACTOR);
        let sizes = of_kind(&found, Kind::Size, Change::Changed);
        assert_eq!(sizes.first().map(|size| size.finding), change, "{old} {new}");
    }
}

#[test]
fn plans_are_compared_with_plans_and_with_profiles() {
    let old = image().write(Op::Create, "/run/x").required("CHOWN", "chown", "x");
    let mut new = image()
        .write(Op::Create, "/run/x")
        .required("CHOWN", "chown", "x")
        .write(Op::Create, "/srv/data/x")
        .required("SETUID", "setuid", "x");
    new.profile.subject.name = "app:2".to_owned();
    let plan = |build: &Build| Input::Plan(Box::new(build.plan()));
    for (a, b) in
        [(plan(&old), plan(&new)), (plan(&old), input(&new.profile)), (input(&old.profile), plan(&new))]
    {
        let found = diff(&a, &b, SIZE_FACTOR);
        assert_eq!(needs(&found), ["volume /srv/data", "capability SETUID"]);
        assert_eq!(found.findings, 2, "{found:#?}");
        assert_eq!(diff(&b, &a, SIZE_FACTOR).findings, 0);
        assert_eq!(diff(&a, &a, SIZE_FACTOR).findings, 0);
    }
    let bytes = serde_json::to_vec(&old.plan()).unwrap();
    assert_eq!(Input::from_json(&bytes).unwrap(), plan(&old));
    let broken = String::from_utf8(bytes).unwrap().replace("\"/run\"", "\"run\"");
    assert!(Input::from_json(broken.as_bytes()).unwrap_err().to_string().contains("tmpfs[0].target"));
    assert!(Input::from_json(b"{\"schema\": 1}").unwrap_err().to_string().contains("writepath.profile/v1"));
}

#[test]
fn what_a_plan_was_proven_to_do_without_is_no_finding() {
    use reports::plan::{ElementKind, OptionalElement};
    let subject = image().write(Op::Create, "/srv/data/x").required("CHOWN", "chown", "x");
    let mut plan = subject.plan();
    let optional = |kind, target: Option<SubjectPath>, cap: Option<&str>| OptionalElement {
        kind,
        target,
        cap: cap.map(str::to_owned),
        why: String::new(),
        failures: Vec::new(),
    };
    plan.tmpfs.clear();
    plan.volumes.clear();
    plan.cap_add.clear();
    plan.optional = vec![
        optional(ElementKind::Volume, Some(path("/srv/data")), None),
        optional(ElementKind::Capability, None, Some("CHOWN")),
    ];
    let found = diff(&Input::Plan(Box::new(plan)), &input(&subject.profile), SIZE_FACTOR);
    assert_eq!((found.findings, found.differences().count()), (0, 2), "{found:#?}");
    assert!(needs(&found).is_empty());
}

#[test]
fn services_of_two_projects() {
    let services = |names: &[&str]| -> BTreeMap<String, Input> {
        names
            .iter()
            .map(|name| {
                let mut build = image().write(Op::Create, "/run/x");
                build.profile.subject.name = (*name).to_owned();
                ((*name).to_owned(), input(&build.profile))
            })
            .collect()
    };
    let mut new = services(&["web", "db", "cache"]);
    new.insert("db".to_owned(), input(&image().write(Op::Create, "/etc/evil").profile));
    let found = diff_projects(&services(&["web", "db", "worker"]), &new, SIZE_FACTOR);
    let names: Vec<_> = found.comparisons.iter().map(|c| c.service.as_deref().unwrap()).collect();
    assert_eq!(names, ["db", "web"]);
    let services: Vec<_> =
        found.services.iter().map(|d| (d.service.as_deref().unwrap(), d.finding)).collect();
    assert_eq!(services, [("cache", true), ("worker", false)]);
    assert!(found.fails(&[FailOn::Kind(Kind::Service)]));
    assert!(found.comparisons[0].differences.iter().all(|d| d.service.as_deref() == Some("db")));
}

#[test]
fn warnings_say_what_may_be_missing() {
    let base = || image().write(Op::Create, "/run/x").loaded();
    let with = |change: fn(&mut Profile)| {
        let mut profile = base().profile;
        change(&mut profile);
        profile
    };
    type Case = (fn(&mut Profile), &'static [&'static str], &'static [&'static str]);
    let cases: [Case; 10] = [
        (|p| p.host.arch = "aarch64".to_owned(), &["other-architecture"], &["other-architecture"]),
        (|p| p.host.sensors = vec!["fexit".to_owned()], &["other-sensors"], &["other-sensors"]),
        (|p| p.subject.name = "other:1".to_owned(), &["other-subject"], &["other-subject"]),
        (|p| p.subject.name = "app:2".to_owned(), &[], &[]),
        (|p| p.run.load = None, &["other-load"], &["other-load"]),
        (
            |p| p.run.load = Some(Load { command: "false".to_owned(), exit_status: Some(1) }),
            &["other-load", "failed-load"],
            &["other-load", "failed-load"],
        ),
        (|p| p.run.duration_ms = 600_000, &["other-duration"], &["other-duration"]),
        (
            |p| p.subject.config.as_mut().unwrap().user = Some("1".to_owned()),
            &["other-options"],
            &["other-options"],
        ),
        (|p| p.run.started = "2026-01-03T03:04:05Z".to_owned(), &[], &["swapped-order"]),
        (
            |p| {
                p.coverage.complete = false;
                p.coverage.gaps =
                    vec![Gap { code: "records-lost".to_owned(), message: String::new(), count: 1 }];
            },
            &["incomplete-new"],
            &["incomplete-old"],
        ),
    ];
    for (change, as_new, as_old) in cases {
        let changed = with(change);
        let found = between(&base().profile, &changed);
        assert_eq!(warnings(&found), as_new);
        assert_eq!(warnings(&between(&changed, &base().profile)), as_old);
        assert_eq!(found.findings, 0);
        assert_eq!(found.is_undecided(), as_new.contains(&"incomplete-new"));
    }
    let empty = Build::new("app:1").loaded().profile;
    assert_eq!(warnings(&between(&empty, &base().profile)), ["empty-old"]);
    assert_eq!(between(&base().profile, &empty).findings, 0);
    assert_eq!(warnings(&between(&empty, &empty)), ["empty-old", "empty-new"]);
}

#[test]
fn paths_that_differ_only_in_bytes_that_are_no_utf8_are_different() {
    let at = |bytes: &[u8]| {
        image().write_with(Op::Create, SubjectPath::from_bytes(bytes).unwrap(), |_| ()).profile
    };
    let found = between(&at(b"/var/lib/app/\xfe"), &at(b"/var/lib/app/\xff"));
    assert_eq!(paths(&of_kind(&found, Kind::Write, Change::New)), ["/var/lib/app/\\xff"]);
    assert_eq!(paths(&of_kind(&found, Kind::Write, Change::Gone)), ["/var/lib/app/\\xfe"]);
    // The text of an escape is no byte.
    let found = between(&at(b"/var/lib/app/\xff"), &at(b"/var/lib/app/\\xff"));
    assert_eq!(paths(&of_kind(&found, Kind::Write, Change::New)), ["/var/lib/app/\\\\xff"]);
}

#[test]
fn the_order_of_entries_and_duplicates_make_no_difference() {
    let build = subjects::postgres();
    let mut other = build.profile.clone();
    other.writes.reverse();
    other.capabilities.reverse();
    other.run.executions.reverse();
    let twice = other.writes.clone();
    other.writes.extend(twice);
    assert_eq!(between(&build.profile, &other).differences().count(), 0);
    assert_eq!(between(&other, &build.profile).differences().count(), 0);
    let new = subjects::hostile();
    assert_eq!(
        between(&build.profile, &new.profile).comparisons[0].breaks,
        between(&other, &new.profile).comparisons[0].breaks
    );
}

#[test]
fn kinds_of_findings_are_read_from_a_list() {
    assert_eq!(
        FailOn::parse_list("write, cap"),
        Ok(vec![FailOn::Kind(Kind::Write), FailOn::Kind(Kind::Cap)])
    );
    assert_eq!(FailOn::parse_list("any"), Ok(vec![FailOn::Any]));
    for kind in Kind::ALL {
        assert_eq!(FailOn::parse_list(kind.name()), Ok(vec![FailOn::Kind(kind)]));
    }
    for bad in ["", "write,", "caps", "a\u{1b}b"] {
        let error = FailOn::parse_list(bad).unwrap_err().to_string();
        assert!(error.contains("none of write, mount, cap") && !error.contains('\u{1b}'), "{error}");
    }
}
