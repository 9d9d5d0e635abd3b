//! What a run under a plan shows that training did not, which change mends it, and how the result is printed.

use reports::errno;
use reports::model::*;
use reports::plan::{ElementKind, OptionalElement, Plan};
use reports::verify::*;

use crate::build::{Build, path};

/// A training run that needs a bit of everything, and its plan.
fn trained() -> (Build, Plan) {
    let mut build = Build::new("app:1")
        .dirs(&["/run", "/tmp", "/etc", "/etc/app", "/var", "/var/lib", "/var/lib/app"])
        .files(&["/etc/app/app.conf", "/var/lib/app/seed"])
        .mount("/data", MountKind::Volume, Some("data"))
        .mount("/config", MountKind::Volume, Some("config"))
        .writes(Op::Create, &["/run/app.pid", "/tmp/upload.1234", "/var/lib/app/db", "/data/log"])
        .write(Op::Open, "/etc/app/app.conf")
        .write(Op::Chown, "/run/app.pid")
        .executes("/usr/bin/app", false)
        .executes("/tmp/helper", false)
        .required("CHOWN", "chown", "setattr_prepare")
        .cap("FOWNER", "chmod", "setattr_prepare", Verdict::Opportunistic);
    let config = build.config();
    for mount in ["data:/data", "config:/config"] {
        config.mounts.push(MountOption { flag: MountFlag::Volume, value: mount.to_owned() });
    }
    build.profile.run.exit = Some(Exit { status: 0, oom_killed: false, stopped: true });
    build.profile.run.load = Some(Load { command: "true".to_owned(), exit_status: Some(0) });
    let plan = build.plan();
    (build, plan)
}

/// A run that went as training did.
fn same() -> Build {
    trained().0
}

fn fails(build: Build, op: Op, at: &str, errno: i32) -> Build {
    build.write_with(op, path(at), |write| write.errno = errno)
}

/// CHOWN is refused, and nothing else was asked for.
fn refused_chown(mut run: Build) -> Build {
    run.profile.capabilities.clear();
    run.cap("CHOWN", "chown", "setattr_prepare", Verdict::Attempted)
}

fn compared(under_plan: &Build, plan: &Plan, last_lines: &str) -> Vec<Finding> {
    let (training, _) = trained();
    compare(&Comparison { training: &training.profile, under_plan: &under_plan.profile, plan, last_lines })
}

/// The one finding, and its change in words.
fn only(findings: &[Finding]) -> (FindingKind, String) {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let finding = &findings[0];
    (finding.kind, finding.change.as_ref().map(Change::words).unwrap_or_default())
}

#[test]
fn a_run_as_in_training_has_no_findings() {
    let (_, plan) = trained();
    assert_eq!(plan.writable_targets().len(), 4, "{plan:#?}");
    assert_eq!(plan.mounts_read_only, [path("/config")]);
    assert_eq!(compared(&same(), &plan, ""), []);
}

#[test]
fn failures_that_training_did_not_have_are_new() {
    const NEW: &[(Op, &str, i32, &str)] = &[
        // The same path, another name of the same directory, and what training never saw.
        (Op::Create, "/run/app.pid", 30, ""),
        (Op::Create, "/run/other", 13, ""),
        (Op::Mkdir, "/opt/new", 30, "add the volume /opt"),
        (Op::Open, "/etc/app/app.conf", 30, ""),
        (Op::Create, "/tmp/upload.777", 28, "let the tmpfs /tmp grow to 128 MiB"),
        (Op::Create, "/tmp/another", 28, "let the tmpfs /tmp grow to 128 MiB"),
    ];
    for (op, at, errno, change) in NEW {
        let (_, plan) = trained();
        let findings = compared(&fails(same(), *op, at, *errno), &plan, "");
        let (kind, words) = only(&findings);
        assert_eq!(kind, FindingKind::Operation, "{at}");
        if !change.is_empty() {
            assert_eq!(words, *change, "{at}");
        }
        assert_eq!(findings[0].errno, Some(errno::words(*errno)));
        assert_eq!(findings[0].processes, ["/usr/bin/app"]);
    }
}

#[test]
fn many_failures_are_told_in_short_and_mended_at_once() {
    let (_, plan) = trained();
    let run = (0..500).fold(same(), |run, n| fails(run, Op::Mkdir, &format!("/opt/{n}/x"), 30));
    let findings = compared(&run, &plan, "");
    assert_eq!(findings.len(), 500);
    let text = render(VerificationFormat::Text, &report(Outcome::DoesNotHold, findings), false).unwrap();
    assert!(text.contains("and 460 more") && text.lines().count() < 160, "{text}");
}

#[test]
fn what_failed_elsewhere_in_training_is_new_where_it_succeeded() {
    let training = fails(same(), Op::Create, "/run/other", 13);
    let plan = training.plan();
    for (at, count) in [("/run/app.pid", 1), ("/run/other", 0), ("/run/another", 0)] {
        let run = fails(same(), Op::Create, at, 13);
        let comparison =
            Comparison { training: &training.profile, under_plan: &run.profile, plan: &plan, last_lines: "" };
        assert_eq!(compare(&comparison).len(), count, "{at}");
    }
}

#[test]
fn failures_that_a_plan_does_not_cause_are_not_new() {
    for (op, at, errno) in [
        // Not there, there already.
        (Op::Unlink, "/run/none", 2),
        (Op::Mkdir, "/run/dir", 17),
        (Op::Create, "/run/app.pid", 17),
        // Never seen in training, and an error that no plan is known to cause there.
        (Op::Chmod, "/srv/x", 1),
    ] {
        let (_, plan) = trained();
        assert_eq!(compared(&fails(same(), op, at, errno), &plan, ""), [], "{at}");
    }
    // Training had it too, under another generated name.
    let training = fails(same(), Op::Create, "/proc/1/x", 30);
    let again = fails(same(), Op::Create, "/proc/22/x", 30);
    let plan = training.plan();
    let comparison =
        Comparison { training: &training.profile, under_plan: &again.profile, plan: &plan, last_lines: "" };
    assert_eq!(compare(&comparison), []);
}

/// Takes something from the plan, lets the run fail as it would, and expects the change that puts it back.
#[test]
fn what_a_plan_lacks_is_put_back() {
    type Case = (&'static str, fn(&mut Plan), fn(Build) -> Build, &'static str);
    let cases: &[Case] = &[
        (
            "a tmpfs",
            |plan| plan.tmpfs.retain(|mount| mount.target != path("/run")),
            |run| fails(run, Op::Create, "/run/app.pid", 30),
            "add the tmpfs /run",
        ),
        (
            "a volume",
            |plan| plan.volumes.retain(|volume| volume.target != path("/var/lib/app")),
            |run| fails(run, Op::Create, "/var/lib/app/db", 30),
            "add the volume /var/lib/app",
        ),
        (
            "a mount of its own",
            |plan| plan.mounts_read_only.push(path("/data")),
            |run| fails(run, Op::Create, "/data/log", 30),
            "keep the mount /data writable",
        ),
        (
            "execution",
            |plan| plan.tmpfs.iter_mut().for_each(|mount| mount.exec = false),
            |mut run| {
                run.profile.run.executions.retain(|execution| execution.path != path("/tmp/helper"));
                run
            },
            "mount the tmpfs /tmp with exec",
        ),
        ("a capability", |plan| plan.cap_add.clear(), refused_chown, "add the capability CHOWN"),
    ];
    for (what, take, run, change) in cases {
        let (_, whole) = trained();
        let mut plan = whole.clone();
        take(&mut plan);
        assert_ne!(plan, whole, "{what}");
        let findings = compared(&run(same()), &plan, "");
        assert_eq!(only(&findings).1, *change, "{what}");
        let change = findings[0].change.as_ref().unwrap();
        assert!(change.apply(&mut plan), "{what}");
        assert!(!change.apply(&mut plan), "{what}: done twice");
        assert_eq!(plan.writable_targets(), whole.writable_targets(), "{what}");
        assert_eq!(plan.mounts_read_only, whole.mounts_read_only, "{what}");
        assert_eq!(plan.cap_add.len(), whole.cap_add.len(), "{what}");
    }
}

#[test]
fn a_failed_operation_names_the_capability_that_was_refused_for_it() {
    let (_, mut plan) = trained();
    plan.cap_add.clear();
    let run = refused_chown(fails(same(), Op::Chown, "/run/app.pid", 1));
    let findings = compared(&run, &plan, "");
    assert_eq!(findings.len(), 2);
    for finding in findings {
        assert_eq!(finding.change, Some(Change::AddCapability { cap: "CHOWN".to_owned() }));
    }
}

#[test]
fn what_would_have_succeeded_without_is_no_finding() {
    let (_, plan) = trained();
    let run = same().cap("FOWNER", "chmod", "setattr_prepare", Verdict::Attempted);
    assert_eq!(compared(&run, &plan, ""), []);
}

#[test]
fn the_course_of_a_run_is_compared() {
    type Case = (&'static str, fn(&mut Profile), Option<FindingKind>);
    let cases: &[Case] = &[
        ("as trained", |_| (), None),
        ("never ready", |run| run.run.phases.truncate(1), Some(FindingKind::NotReady)),
        (
            "dead before it is ready",
            |run| {
                run.run.phases.truncate(1);
                run.run.exit = Some(Exit { status: 1, oom_killed: false, stopped: false });
            },
            Some(FindingKind::Exit),
        ),
        (
            "the load fails",
            |run| run.run.load.as_mut().unwrap().exit_status = Some(22),
            Some(FindingKind::Load),
        ),
        ("the load hangs", |run| run.run.load.as_mut().unwrap().exit_status = None, Some(FindingKind::Load)),
        (
            "dead under load",
            |run| {
                run.run.load.as_mut().unwrap().exit_status = None;
                run.run.exit = Some(Exit { status: 139, oom_killed: false, stopped: false });
            },
            Some(FindingKind::Exit),
        ),
        ("another exit status", |run| run.run.exit.as_mut().unwrap().status = 3, Some(FindingKind::Exit)),
        ("ended by itself", |run| run.run.exit.as_mut().unwrap().stopped = false, Some(FindingKind::Exit)),
        ("no load this time", |run| run.run.load = None, None),
        ("end not seen", |run| run.run.exit = None, None),
    ];
    for (what, change, kind) in cases {
        let (_, plan) = trained();
        let mut run = same();
        change(&mut run.profile);
        let findings = compared(&run, &plan, "");
        assert_eq!(findings.first().map(|finding| finding.kind), *kind, "{what}");
        assert!(findings.len() < 2, "{what}: {findings:#?}");
        // Training's own plan lacks nothing that could be added.
        assert!(findings.iter().all(|finding| finding.change.is_none()), "{what}");
    }
}

/// Where nothing that failed was seen, what training's own plan has and this one has not is tried.
#[test]
fn an_unexplained_end_is_mended_by_what_the_plan_lacks() {
    let (_, mut plan) = trained();
    plan.cap_add.clear();
    let mut run = same();
    run.profile.capabilities.clear();
    run.profile.run.exit.as_mut().unwrap().status = 1;
    assert_eq!(only(&compared(&run, &plan, "")).1, "add the capability CHOWN");
}

#[test]
fn a_full_tmpfs_is_told_by_its_size_or_by_what_the_subject_says() {
    let (_, mut plan) = trained();
    plan.tmpfs.iter_mut().for_each(|mount| mount.size = 8192);
    let dead = || {
        let mut run = same();
        run.profile.run.exit = Some(Exit { status: 1, oom_killed: false, stopped: false });
        run
    };
    let mut measured = dead();
    measured.profile.run.sizes.push(DirectorySize {
        path: path("/tmp"),
        peak_bytes: 8192,
        unlinked_bytes: 0,
    });
    for (run, lines) in
        [(measured, ""), (dead(), "app: writing /tmp/upload.1: No space left on device (os error 28)\n")]
    {
        let findings = compared(&run, &plan, lines);
        let changes: Vec<_> = findings.iter().filter_map(|finding| finding.change.clone()).collect();
        assert_eq!(changes, [Change::EnlargeTmpfs { target: path("/tmp"), size: 64 << 20 }], "{lines}");
    }
    // Nothing names a place: all that are in use.
    let findings = compared(&dead(), &plan, "ENOSPC");
    assert_eq!(findings.iter().filter(|finding| finding.change.is_some()).count(), plan.tmpfs.len());
    // A subject that lives was not hurt.
    let mut alive = same();
    alive.profile.run.sizes.push(DirectorySize { path: path("/tmp"), peak_bytes: 8192, unlinked_bytes: 0 });
    assert_eq!(compared(&alive, &plan, ""), []);
}

#[test]
fn what_the_plan_leaves_out_as_optional_fails_harmlessly() {
    let (training, whole) = trained();
    for element in elements(&training.profile, &whole) {
        let mut plan = without(&training.profile, &whole, &element);
        plan.optional.push(element.as_optional(&[]));
        let run = match element.target.as_ref() {
            Some(target) => {
                let mut run = same();
                run = fails(run, Op::Create, &format!("{target}/x"), 30);
                if target == &path("/data") {
                    run.profile.writes.last_mut().unwrap().mount = path("/data");
                }
                run
            }
            None => refused_chown(fails(same(), Op::Chown, "/run/app.pid", 1)),
        };
        let findings = compared(&run, &plan, "");
        let words = element.words();
        if element.kind != ElementKind::Exec {
            assert!(!findings.is_empty(), "{words}");
            assert!(findings.iter().all(|finding| finding.harmless), "{words}: {findings:#?}");
            assert!(findings.iter().all(|finding| element.explains(finding)), "{words}: {findings:#?}");
        }
    }
}

#[test]
fn parts_of_a_plan_come_in_the_order_in_which_they_settle() {
    let build = Build::new("app:1")
        .dirs(&["/run", "/tmp", "/var", "/var/lib"])
        .by("/entry", Phase::Shutdown)
        .write(Op::Create, "/run/at-the-end")
        .by("/app", Phase::Startup)
        .write(Op::Create, "/tmp/first")
        .required("CHOWN", "chown", "");
    let mut plan = build.plan();
    Change::AddCapability { cap: "SYS_PTRACE".to_owned() }.apply(&mut plan);
    let words: Vec<_> = elements(&build.profile, &plan).iter().map(Element::words).collect();
    assert_eq!(
        words,
        ["the capability SYS_PTRACE", "the tmpfs /tmp", "the capability CHOWN", "the tmpfs /run"]
    );
    let nothing = bare(&build.profile, &plan);
    assert_eq!(elements(&build.profile, &nothing), []);
    assert!(nothing.writable_targets().is_empty() && nothing.cap_add.is_empty());
}

#[test]
fn a_volume_of_the_image_is_taken_away_by_making_it_read_only() {
    let build = Build::new("db:1")
        .dirs(&["/data"])
        .mount("/data", MountKind::ImageVolume, None)
        .write(Op::Create, "/data/db");
    let plan = build.plan();
    let all = elements(&build.profile, &plan);
    assert_eq!(all.len(), 1, "{all:#?}");
    let taken = without(&build.profile, &plan, &all[0]);
    assert!(taken.volumes.is_empty());
    assert_eq!(taken.mounts_read_only, [path("/data")]);
    let applied = reports::format::apply(&build.profile, &taken, "trial").unwrap();
    assert!(applied.volumes.iter().map(|volume| volume.name.as_str()).eq(["trial-ro-0"]));
}

fn report(verdict: Outcome, findings: Vec<Finding>) -> VerificationReport {
    VerificationReport {
        schema: VERIFICATION_SCHEMA.to_owned(),
        subject: "app:1\u{1b}[2J".to_owned(),
        verdict,
        runs: 3,
        duration_ms: 12_345,
        compared: ["readiness", "exit-status", "operations"].map(str::to_owned).to_vec(),
        findings,
        changes: vec![Change::AddCapability { cap: "CHOWN".to_owned() }],
        necessary: vec![Necessary {
            element: "the tmpfs /run".to_owned(),
            without: "the subject ends with status 1".to_owned(),
        }],
        optional: vec![OptionalElement {
            kind: ElementKind::Volume,
            target: Some(path("/etc/app")),
            cap: None,
            why: "data".to_owned(),
            failures: vec!["open /etc/app/app.conf fails with EROFS".to_owned()],
        }],
        flaky: vec!["without the tmpfs /tmp".to_owned()],
        warnings: Vec::new(),
        plan: trained().1,
    }
}

#[test]
fn results_are_printed() {
    let (_, plan) = trained();
    let hostile = fails(same(), Op::Create, "/run/<x>&\u{1b}[31m\n", 30);
    let mut plan_without = plan;
    plan_without.tmpfs.clear();
    let findings = compared(&hostile, &plan_without, "");
    let failed = report(Outcome::DoesNotHold, findings);
    let text = render(VerificationFormat::Text, &failed, false).unwrap();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    insta::assert_snapshot!("verification-text", text);
    let junit = render(VerificationFormat::Junit, &failed, false).unwrap();
    insta::assert_snapshot!("verification-junit", junit);
    let json = render(VerificationFormat::Json, &failed, false).unwrap();
    assert_eq!(serde_json::from_str::<VerificationReport>(&json).unwrap(), failed);

    let holds = report(Outcome::Holds, Vec::new());
    let junit = render(VerificationFormat::Junit, &holds, false).unwrap();
    assert!(junit.contains(r#"tests="3""#) && junit.contains(r#"failures="0""#), "{junit}");
    let undecided = report(Outcome::Undecided, Vec::new());
    let junit = render(VerificationFormat::Junit, &undecided, false).unwrap();
    assert!(junit.contains(r#"errors="1""#), "{junit}");
}
