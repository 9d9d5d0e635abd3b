//! `verify`: a plan that holds, plans that lack something and are mended, plans with too much, and bad input. Whatever
//! happens, nothing is left behind. Needs root, a Docker daemon and the images that `cargo xtask test` makes; real
//! applications are verified in `applications.rs`.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper that cannot go on fails its test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{
    Profiles, SUBJECT, can_run, docker, docker_ok, eventually, inspect, plan, read, set, signal, strings,
    text, unique_name, writepath, writepath_status,
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A subject that was profiled, and where its files lie.
struct Trained {
    profiles: Profiles,
    name: String,
}

/// How `writepath verify` ended.
struct Verified {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Verified {
    /// Its result, printed with `--format json`.
    fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}{}", self.stdout, self.stderr))
    }

    fn expect(self, status: i32, words: &[&str]) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.status, Some(status), "{all}");
        for word in words {
            assert!(all.contains(word), "{word:?} is not in: {all}");
        }
        self
    }
}

impl Trained {
    /// Profiles `subject script STEPS… wait`, until it waits and a load test has passed.
    fn script(steps: &[&str]) -> Self {
        let trained = Self { profiles: Profiles::new(), name: unique_name("verified") };
        let profile = trained.path("profile.json");
        let profile = profile.to_str().expect("a plain name");
        let options =
            ["run", "-o", profile, "--name", &trained.name, "--ready", "log:waiting", "--load", "true"];
        let subject = [SUBJECT, "script"].iter().chain(steps).chain(&["wait"]);
        writepath_status(0, options.iter().chain(subject));
        trained
    }

    fn path(&self, name: &str) -> PathBuf {
        self.profiles.path(name)
    }

    fn plan(&self) -> Value {
        plan(&self.path("profile.json"))
    }

    /// Writes a plan for `--plan`.
    fn write_plan(&self, plan: &Value) -> PathBuf {
        let path = self.path("edited.json");
        std::fs::write(&path, plan.to_string()).expect("the directory is ours");
        path
    }

    fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_writepath"))
            .arg("verify")
            .arg(self.path("profile.json"))
            .args(arguments)
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("writepath can be started")
    }

    /// Runs it to its end, with whatever options.
    fn verify_with(&self, arguments: &[&str]) -> Verified {
        finish(self.start(arguments))
    }

    /// The same with the condition and a load test that passes whenever the subject lives.
    fn verify(&self, arguments: &[&str]) -> Verified {
        let usual = ["--ready", "log:waiting", "--ready-timeout", "30s", "--load", "true"];
        self.verify_with(&[&usual, arguments].concat())
    }
}

fn finish(mut child: Child) -> Verified {
    let pid = child.id();
    // What it prints fits into a pipe. A sequence of runs may take longer than one condition.
    let mut has_ended = || eventually(|| matches!(child.try_wait(), Ok(Some(_))));
    assert!((0..4).any(|_| has_ended()), "it does not end");
    let output = child.wait_with_output().expect("it is ours");
    nothing_is_left(pid);
    let verified =
        Verified { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    assert!(!verified.stderr.contains("panicked"), "{}", verified.stderr);
    verified
}

/// No container and no volume that this process made.
fn nothing_is_left(pid: u32) {
    let prefix = format!("{pid} ");
    for list in [vec!["ps", "--all"], vec!["volume", "ls"]] {
        let format = ["--format", "{{.Label \"io.writepath.owner\"}}"];
        let output = docker(list.iter().chain(&format)).expect("docker is installed");
        assert!(
            !text(&output.stdout).lines().any(|owner| owner.starts_with(&prefix)),
            "{list:?} has something"
        );
    }
}

fn path_of(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

fn retain(plan: &mut Value, list: &str, keep: impl Fn(&Value) -> bool) {
    plan[list].as_array_mut().expect("a list").retain(keep);
}

/// Verifies an edited plan: it must fail with these words, and be mended to one that holds.
fn fails_and_is_mended(trained: &Trained, plan: &Value, words: &[&str]) -> Value {
    let edited = trained.write_plan(plan);
    let edited = ["--plan", path_of(&edited)];
    trained.verify(&edited).expect(1, &[&["does not hold"], words].concat());
    let amended = trained.path("amended.json");
    let fix = ["--fix", "--format", "json", "-o", path_of(&amended)];
    let report = trained.verify(&[edited.as_slice(), &fix].concat()).expect(0, &[]).report();
    assert_eq!(report["verdict"], "holds");
    assert_ne!(report["changes"], json!([]));
    let amended = read(&amended);
    assert_eq!(amended["verification"]["holds"], true);
    assert_eq!(amended, report["plan"]);
    amended
}

#[test]
fn a_plan_holds_at_the_first_try_and_the_report_is_read_by_programs() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/data/a", "create", "/tmp/x", "setgid-other"]);
    trained.verify(&[]).expect(0, &["holds: under its plan", "run once"]);
    let report = trained.verify(&["--format", "json", "--repeat", "2"]).expect(0, &[]).report();
    assert_eq!(report["schema"], "writepath.verification/v1");
    assert_eq!((&report["runs"], &report["findings"]), (&json!(2), &json!([])));
    let compared = ["readiness", "exit-status", "load-test", "operations", "capabilities", "executions"];
    assert_eq!(report["compared"], json!(compared));
    let junit = trained.verify(&["--format", "junit"]).expect(0, &[]).stdout;
    assert!(junit.starts_with("<?xml") && junit.contains(r#"failures="0""#), "{junit}");
    assert!(!trained.path("writepath.plan.json").exists(), "nothing was amended");
    let failed = trained.verify(&["--format", "junit", "--load", "exit 3"]);
    // The last option counts where clap allows it twice; it does not.
    assert_eq!(failed.status, Some(2));
    let failed = trained.verify_with(&["--load", "exit 3", "--format", "junit"]).expect(1, &[]).stdout;
    assert!(failed.contains("the load test fails with status 3"), "{failed}");
}

#[test]
fn a_missing_mount_is_mended() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x", "create", "/data/a", "?unlinkat", "/data/none"]);
    let whole = trained.plan();
    let mut plan = whole.clone();
    retain(&mut plan, "tmpfs", |mount| mount["target"] != "/tmp");
    let words = ["open /tmp/x fails with EROFS", "by /subject", "to mend it: add the tmpfs /tmp"];
    let amended = fails_and_is_mended(&trained, &plan, &words);
    assert_eq!(amended["tmpfs"], whole["tmpfs"]);
    // One failure shows only when the other is mended.
    retain(&mut plan, "volumes", |_| false);
    let report = trained
        .verify(&[
            "--plan",
            path_of(&trained.write_plan(&plan)),
            "--fix",
            "--max-runs",
            "2",
            "--format",
            "json",
        ])
        .expect(1, &[])
        .report();
    assert_eq!(report["warnings"][0]["code"], "max-runs", "{report}");
    let amended = fails_and_is_mended(&trained, &plan, &[]);
    assert_eq!(amended["volumes"], whole["volumes"]);
}

#[test]
fn a_missing_capability_is_mended() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["setgid-other"]);
    let whole = trained.plan();
    assert_eq!(strings(&whole, "cap_add", "cap"), set(["SETGID"]));
    let mut plan = whole;
    plan["cap_add"] = json!([]);
    let words = ["SETGID is refused for setgid", "to mend it: add the capability SETGID"];
    let amended = fails_and_is_mended(&trained, &plan, &words);
    assert_eq!(strings(&amended, "cap_add", "cap"), set(["SETGID"]));
}

#[test]
fn a_full_tmpfs_and_one_without_execution_are_mended() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["copy-self", "/tmp/helper", "execve", "/tmp/helper"]);
    let whole = trained.plan();
    assert_eq!(whole["tmpfs"][0]["exec"], true, "{whole}");
    let mut small = whole.clone();
    small["tmpfs"][0]["size"] = json!(65_536);
    let amended = fails_and_is_mended(&trained, &small, &["ENOSPC", "let the tmpfs /tmp grow to"]);
    assert!(amended["tmpfs"][0]["size"].as_u64() > Some(700_000), "{amended}");
    let mut noexec = whole;
    noexec["tmpfs"][0]["exec"] = json!(false);
    let words = ["/tmp/helper is not executed", "mount the tmpfs /tmp with exec"];
    let amended = fails_and_is_mended(&trained, &noexec, &words);
    assert_eq!(amended["tmpfs"][0]["exec"], true);
}

#[test]
fn what_no_plan_mends_is_given_up() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x"]);
    let fixed = ["--ready", "log:waiting", "--load", "exit 1", "--fix", "--format", "json"];
    let report = trained.verify_with(&fixed).expect(1, &[]).report();
    assert_eq!((&report["verdict"], &report["runs"]), (&json!("does-not-hold"), &json!(1)));
    assert_eq!(report["warnings"][0]["code"], "no-change-known", "{report}");
    let late = ["--ready", "log:never printed", "--ready-timeout", "2s", "--load", "true"];
    trained.verify_with(&late).expect(1, &["the subject does not become ready"]);
}

#[test]
fn what_is_superfluous_goes_and_what_is_needed_stays() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    // One failure is tolerated.
    let steps = ["create", "/data/a", "?create", "/etc/app/x", "create", "/tmp/x", "setgid-other"];
    let trained = Trained::script(&steps);
    let mut plan = trained.plan();
    let mut mount = plan["tmpfs"][0].clone();
    mount["target"] = json!("/srv");
    mount["evidence"] = json!([]);
    plan["tmpfs"].as_array_mut().expect("a list").push(mount);
    let cap = json!({ "cap": "SYS_PTRACE", "why": "", "phase": "startup", "evidence": [] });
    plan["cap_add"].as_array_mut().expect("a list").push(cap);
    let edited = trained.write_plan(&plan);
    let arguments = ["--plan", path_of(&edited), "--minimize", "--format", "json"];
    let verified = trained.verify(&arguments).expect(0, &["without the volume /data"]);
    let report = verified.report();
    let small = read(&trained.path("writepath.plan.json"));
    assert_eq!(strings(&small, "tmpfs", "target"), set(["/tmp"]), "{report}");
    assert_eq!(strings(&small, "volumes", "target"), set(["/data"]), "{report}");
    assert_eq!(strings(&small, "cap_add", "cap"), set(["SETGID"]), "{report}");
    assert_eq!(small["verification"]["holds"], true);
    let optional = small["optional"].as_array().expect("a list");
    let of = |key: &str| optional.iter().filter_map(|one| one[key].as_str()).collect::<Vec<_>>();
    assert_eq!(of("target"), ["/srv", "/etc/app"]);
    assert_eq!(of("cap"), ["SYS_PTRACE"]);
    let tolerated = optional.iter().find(|one| one["target"] == "/etc/app").expect("it is there");
    assert_eq!(tolerated["failures"], json!(["open /etc/app/x fails with EROFS"]));
    assert_eq!(report["necessary"].as_array().map(Vec::len), Some(3), "{report}");
    // What is optional fails harmlessly from now on.
    let minimal = trained.path("writepath.plan.json");
    trained
        .verify(&["--plan", path_of(&minimal)])
        .expect(0, &["Fails harmlessly, as the plan says", "open /etc/app/x fails with EROFS"]);
}

#[test]
fn root_goes_where_the_subject_lives_without() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let minimize = |trained: &Trained, more: &[&str]| {
        let verified = trained.verify(&[&["--minimize", "--format", "json"], more].concat()).expect(0, &[]);
        (verified.report(), read(&trained.path("writepath.plan.json")))
    };
    let trained = Trained::script(&["create", "/tmp/x", "setuid-other"]);
    let (report, small) = minimize(&trained, &[]);
    let user = trained.plan()["alternatives"][0]["user"].clone();
    assert!(user.is_string(), "{report}");
    assert_eq!(small["user"], user, "{report}");
    assert_eq!(strings(&small, "cap_add", "cap"), set([]), "{report}");
    assert_eq!(strings(&small, "tmpfs", "target"), set(["/tmp"]), "{report}");
    assert_eq!(strings(&small, "optional", "kind"), set(["root"]), "{report}");
    assert_eq!(small["verification"]["holds"], true);
    // What is refused to the user then did no harm, each time, and does none later.
    let harmless = Trained::script(&["?setgroups", "create", "/tmp/x", "setuid-other"]);
    let (report, small) = minimize(&harmless, &["--repeat", "2"]);
    assert_eq!(small["user"], user, "{report}");
    assert_eq!(report["flaky"], json!([]), "{report}");
    let minimal = harmless.path("writepath.plan.json");
    harmless
        .verify(&["--plan", path_of(&minimal)])
        .expect(0, &["Fails harmlessly, as the plan says", "SETGID is refused for setgroups"]);
    let (report, small) = minimize(&trained, &["--keep-user"]);
    assert_eq!(small["user"], Value::Null, "{report}");
    assert_eq!(strings(&small, "cap_add", "cap"), set(["SETUID"]), "{report}");
    // Which groups it is in is root's to say.
    let (report, small) = minimize(&Trained::script(&["setgroups", "create", "/tmp/x", "setuid-other"]), &[]);
    assert_eq!(small["user"], Value::Null, "{report}");
    assert_eq!(strings(&small, "cap_add", "cap"), set(["SETGID", "SETUID"]), "{report}");
    assert_eq!(report["necessary"][0]["element"], "root", "{report}");
}

#[test]
fn the_users_word_counts_as_for_recommend() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x", "?create", "/etc/x"]);
    trained.verify(&["--ignore", "/tmp/**"]).expect(1, &["open /tmp/x fails with EROFS"]);
    let file = trained.path("writepath.toml");
    std::fs::write(&file, "[recommend]\nignore = ['/etc/**']\n").expect("the directory is ours");
    trained.verify(&[]).expect(1, &["open /etc/x fails with EROFS"]);
    let plan = trained.write_plan(&trained.plan());
    trained.verify(&["--plan", path_of(&plan)]).expect(0, &[]);
    trained.verify(&["--plan", path_of(&plan), "--tmpfs", "/tmp"]).expect(2, &["--plan", "--tmpfs"]);
}

#[test]
fn a_load_test_that_proves_nothing_is_warned_of() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["?create", "/tmp/x", "?create", "/data/a"]);
    trained.verify(&["--check-load"]).expect(0, &["useless-load"]);
    let report = trained.verify(&["--minimize", "--format", "json"]).expect(0, &[]).report();
    assert_eq!(report["warnings"][0]["code"], "useless-load", "{report}");
    assert_eq!(report["plan"]["tmpfs"], json!([]));
    // A subject that needs something fails without it.
    let needs = Trained::script(&["create", "/tmp/x"]);
    let verified = needs.verify(&["--check-load"]).expect(0, &["everything taken away"]);
    assert!(!verified.stdout.contains("useless-load"), "{}", verified.stdout);
}

#[test]
fn results_that_differ_are_flaky_and_not_decided() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x"]);
    let marker = trained.path("marker");
    // Passes and fails in turn.
    let load = format!("if [ -e {0} ]; then rm {0}; exit 1; else touch {0}; fi", marker.display());
    let arguments = ["--ready", "log:waiting", "--load", &load, "--repeat", "2", "--format", "json"];
    let report = trained.verify_with(&arguments).expect(1, &[]).report();
    assert_eq!((&report["verdict"], &report["runs"]), (&json!("flaky"), &json!(2)));
    assert_eq!(report["flaky"], json!(["under the plan: 1 of 2 runs hold"]));
}

#[test]
fn what_was_not_seen_is_not_decided() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let profile = profiles.path("p.json");
    // Too many directories that each stand for another tree, for a small table.
    writepath_status(0, ["run", "-o", path_of(&profile), SUBJECT, "plant", "/data", "20", "20", "2"]);
    let output = writepath(["verify", path_of(&profile), "--table-size", "1024"]);
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(4), "{all}");
    assert!(all.contains("undecided: not everything was seen") && all.contains("write-table-full"), "{all}");
}

#[test]
fn an_image_that_has_changed_is_refused() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x"]);
    let mut profile = read(&trained.path("profile.json"));
    profile["subject"]["image_id"] = json!("sha256:0000");
    std::fs::write(trained.path("profile.json"), profile.to_string()).expect("it is ours");
    trained.verify(&[]).expect(2, &["has changed", "sha256:0000", "--allow-changed-image"]);
    trained.verify(&["--allow-changed-image"]).expect(0, &["has changed", "holds"]);
}

#[test]
fn a_plan_edited_into_nonsense_is_refused_by_field() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x", "setgid-other"]);
    type Edit = (fn(&mut Value), &'static str);
    let edits: &[Edit] = &[
        (|plan| plan["tmpfs"][0]["size"] = json!(0), "tmpfs[0].size"),
        (|plan| plan["tmpfs"][0]["target"] = json!("/"), "tmpfs[0].target"),
        (|plan| plan["cap_add"][0]["cap"] = json!("CAP_EVERYTHING"), "cap_add[0].cap"),
        (|plan| plan["schema"] = json!("writepath.plan/v9"), "schema"),
    ];
    for (edit, field) in edits {
        let mut plan = trained.plan();
        edit(&mut plan);
        let edited = trained.write_plan(&plan);
        trained.verify(&["--plan", path_of(&edited)]).expect(2, &[field, "edited.json"]);
    }
    let not_json = trained.path("not.json");
    std::fs::write(&not_json, "{").expect("it is ours");
    trained.verify(&["--plan", path_of(&not_json)]).expect(2, &["line 1"]);
}

#[test]
fn a_recorded_command_is_never_run() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x"]);
    let trap = trained.path("trap");
    let mut profile = read(&trained.path("profile.json"));
    profile["run"]["load"]["command"] = json!(format!("touch {}", trap.display()));
    std::fs::write(trained.path("profile.json"), profile.to_string()).expect("it is ours");
    trained.verify_with(&[]).expect(2, &["--load 'touch ", "never run"]);
    trained.verify_with(&["--duration", "1s"]).expect(0, &["holds"]);
    assert!(!trap.exists());
}

#[test]
fn a_subject_that_ends_by_itself_takes_no_load() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let profile = profiles.path("p.json");
    writepath_status(0, ["run", "-o", path_of(&profile), SUBJECT, "write", "/data/a"]);
    writepath_status(0, ["verify", path_of(&profile)]);
}

#[test]
fn a_load_test_that_hangs_is_ended_with_its_children() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x"]);
    let pids = trained.path("pids");
    let load = format!("trap '' TERM; sleep 1000 & echo $! $$ >> {}; sleep 1000", pids.display());
    let options = ["--load", &load, "--load-timeout", "1s"];
    trained.verify_with(&options).expect(1, &["the load test does not end"]);
    let profile = trained.path("again.json");
    let run = ["run", "-o", path_of(&profile)];
    let output = writepath(run.iter().chain(&options).chain(&[SUBJECT, "sleep"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did not end within 1s"), "{}", text(&output.stderr));
    let pids = std::fs::read_to_string(&pids).expect("both have run");
    assert_eq!(pids.split_whitespace().count(), 4);
    for pid in pids.split_whitespace() {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // An orphan waits for the init of this host to reap it.
        assert!(state.is_empty() || state.contains(") Z"), "{pid} lives: {state}");
    }
}

#[test]
fn a_subject_that_runs_under_its_name_is_in_nobodys_way() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/tmp/x"]);
    docker_ok([
        "run",
        "--detach",
        "--label",
        "io.writepath.test=1",
        "--name",
        &trained.name,
        SUBJECT,
        "sleep",
    ]);
    let verified = trained.verify(&[]);
    let profile = trained.path("other.json");
    let other = writepath(["run", "-o", path_of(&profile), "--name", &trained.name, SUBJECT]);
    let runs = inspect(&trained.name, "{{.State.Running}}");
    docker_ok(["rm", "--force", &trained.name]);
    verified.expect(0, &["holds"]);
    assert_eq!(runs, "true");
    assert_eq!(other.status.code(), Some(2));
    assert!(text(&other.stderr).contains("is in use"), "{}", text(&other.stderr));
}

#[test]
fn an_interrupt_ends_with_what_is_known_and_leaves_nothing() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let trained = Trained::script(&["create", "/data/a", "create", "/tmp/x"]);
    for signals in [1, 2] {
        let child = trained.start(&["--ready", "log:waiting", "--load", "sleep 1000", "--minimize"]);
        let container = format!("{}-verify-{}-0", trained.name, child.id());
        assert!(eventually(|| inspect(&container, "{{.State.Running}}") == "true"), "it did not start");
        let volumes = docker_ok(["volume", "ls", "--quiet", "--filter", "label=io.writepath.owner"]);
        assert!(volumes.contains(&format!("writepath-verify-{}-0-0", child.id())), "{volumes}");
        signal(&child, Signal::STOP);
        for kind in [Signal::INT, Signal::TERM].into_iter().take(signals) {
            signal(&child, kind);
        }
        signal(&child, Signal::CONT);
        let words: &[&str] =
            if signals == 1 { &["interrupted: this is what was known"] } else { &["interrupted twice"] };
        finish(child).expect(1, words);
        assert!(!trained.path("writepath.plan.json").exists(), "no plan of an interrupted session");
    }
}
