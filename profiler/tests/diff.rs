//! `diff` as it is called: exit statuses, formats, directories, plans and baselines. Needs nothing.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

use std::path::Path;
use std::process::{Command, Output};

/// A profile that creates these files, complete or not.
fn profile(paths: &[&str], complete: bool) -> String {
    let writes: Vec<String> = paths
        .iter()
        .map(|path| {
            format!(
                r#"{{"path":"{path}","op":"create","errno":0,"count":1,"mount":"/","first_ms":0,"last_ms":0,"processes":["/app"]}}"#
            )
        })
        .collect();
    format!(
        r#"{{"schema":"writepath.profile/v1","tool":{{"name":"writepath","version":"0"}},"host":{{"kernel":"k","arch":"a"}},
"subject":{{"name":"app:1"}},"run":{{"started":"","duration_ms":1}},"coverage":{{"complete":{complete}}},
"writes":[{}],"capabilities":[]}}"#,
        writes.join(",")
    )
}

struct Folder(tempfile::TempDir);

impl Folder {
    /// With an old profile, the same again under other names, a new one, and an incomplete one.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary directory"));
        folder.write("old.json", &profile(&["/tmp/app-4242.sock"], true));
        folder.write("same.json", &profile(&["/tmp/app-977.sock"], true));
        folder.write("new.json", &profile(&["/tmp/app-12.sock", "/opt/app/data/x"], true));
        folder.write("incomplete.json", &profile(&["/tmp/app-977.sock"], false));
        folder.write("incomplete-new.json", &profile(&["/opt/app/data/x"], false));
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory can be made");
        std::fs::write(path, content).expect("a file can be written");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("a file can be read")
    }

    fn diff(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
        command
            .arg("diff")
            .args(arguments)
            .current_dir(self.path())
            .output()
            .expect("writepath can be started")
    }

    /// Standard output and standard error of a comparison that ends with this status.
    fn ends(&self, arguments: &[&str], status: i32) -> (String, String) {
        let output = self.diff(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        (String::from_utf8(output.stdout).expect("UTF-8"), stderr)
    }

    fn refused(&self, arguments: &[&str], names: &[&str]) {
        let (stdout, stderr) = self.ends(arguments, 2);
        assert!(stdout.is_empty(), "{arguments:?} printed a result");
        for name in names {
            assert!(stderr.contains(name), "{arguments:?} does not name {name:?}: {stderr}");
        }
    }
}

#[test]
fn the_status_says_what_was_found() {
    let folder = Folder::new();
    for (arguments, status) in [
        (&["old.json", "old.json"][..], 0),
        (&["old.json", "same.json"], 0),
        (&["old.json", "new.json"], 1),
        (&["new.json", "old.json"], 0),
        (&["old.json", "new.json", "--fail-on", "write"], 1),
        (&["old.json", "new.json", "--fail-on", "mount,cap"], 1),
        (&["old.json", "new.json", "--fail-on", "cap,port"], 0),
        (&["old.json", "new.json", "--fail-on", "none"], 0),
        // That nothing new was seen proves nothing where NEW is incomplete, and does where OLD is.
        (&["old.json", "incomplete.json"], 4),
        (&["incomplete.json", "old.json"], 0),
        (&["old.json", "incomplete-new.json"], 1),
        (&["old.json", "incomplete.json", "--fail-on", "none"], 0),
    ] {
        folder.ends(arguments, status);
    }
    let (stdout, _) = folder.ends(&["old.json", "new.json"], 1);
    assert!(stdout.contains("The plan for OLD would break") && stdout.contains("/opt/app/data"), "{stdout}");
}

#[test]
fn every_format_is_printed_alone() {
    let folder = Folder::new();
    for (format, sign) in [
        ("text", "2 findings in app:1"),
        ("markdown", "**2 findings.**"),
        ("json", "\"schema\": \"writepath.diff/v1\""),
        ("sarif", "\"version\": \"2.1.0\""),
    ] {
        let (stdout, stderr) = folder.ends(&["old.json", "new.json", "--format", format], 1);
        assert!(stdout.contains(sign) && stdout.contains("/opt/app/data/x"), "{format}: {stdout}");
        assert!(stderr.is_empty(), "{stderr}");
        if matches!(format, "json" | "sarif") {
            serde_json::from_str::<serde_json::Value>(&stdout).expect("it is JSON");
        }
    }
}

#[test]
fn a_baseline_is_made_added_to_and_kept() {
    let folder = Folder::new();
    folder.refused(&["old.json", "new.json", "--baseline", "accepted.toml"], &["accepted.toml", "--accept"]);
    folder.refused(&["old.json", "new.json", "--accept"], &["--baseline"]);
    let (stdout, stderr) =
        folder.ends(&["old.json", "new.json", "--baseline", "accepted.toml", "--accept"], 0);
    assert!(stdout.contains("Nothing new that is not accepted, 2 accepted"), "{stdout}");
    assert!(stderr.contains("wrote accepted.toml: 2 accepted"), "{stderr}");
    let made = folder.read("accepted.toml");
    let (stdout, _) = folder.ends(&["old.json", "new.json", "--baseline", "accepted.toml"], 0);
    assert!(stdout.contains("Accepted by the baseline"), "{stdout}");
    // Nothing to add: nothing is changed.
    folder.ends(&["old.json", "new.json", "--baseline", "accepted.toml", "--accept"], 0);
    assert_eq!(folder.read("accepted.toml"), made);

    folder.write("newer.json", &profile(&["/opt/app/data/x", "/opt/app/data/y"], true));
    folder.ends(&["old.json", "newer.json", "--baseline", "accepted.toml"], 1);
    let edited = made.replace("[[accept]]\n", "[[accept]] # ours\nreason = \"it is meant\"\n");
    folder.write("accepted.toml", &edited);
    folder.ends(&["old.json", "newer.json", "--baseline", "accepted.toml", "--accept"], 0);
    let added = folder.read("accepted.toml");
    assert!(added.starts_with(&edited) && added.contains("path = \"/opt/app/data/y\""), "{added}");
    // Only what is in the folder by name: no half-written file.
    let left = std::fs::read_dir(folder.path()).expect("a directory").count();
    assert_eq!(left, 7);
}

#[test]
fn baselines_that_accept_too_much_or_nothing_are_warned_of() {
    let folder = Folder::new();
    folder.write("all.toml", "[[accept]]\nkind = '*'\n");
    let (stdout, stderr) = folder.ends(&["old.json", "new.json", "--baseline", "all.toml"], 0);
    assert!(stderr.contains("warning:") && stderr.contains("accepts every difference"), "{stderr}");
    assert!(stdout.contains("(accepts-everything)"), "{stdout}");
    folder.write("stale.toml", "[[accept]]\nkind = 'cap'\ncap = 'CHOWN'\n");
    let (_, stderr) = folder.ends(&["old.json", "new.json", "--baseline", "stale.toml"], 1);
    assert!(stderr.contains("accepts nothing that is new"), "{stderr}");
    folder.write("bad.toml", "[[accept]]\nkind = 'write'\npaths = '/x'\n");
    folder.refused(&["old.json", "new.json", "--baseline", "bad.toml"], &["bad.toml", "line 3", "paths"]);
    folder.refused(&["old.json", "new.json", "--baseline", "-"], &["--baseline -"]);
    folder.refused(&["old.json", "new.json", "--baseline", "none/x.toml", "--accept"], &["none/x.toml"]);
}

#[test]
fn directories_are_compared_by_service() {
    let folder = Folder::new();
    for (directory, services) in [("a", ["web", "db", "worker"]), ("b", ["web", "db", "cache"])] {
        for service in services {
            folder.write(&format!("{directory}/{service}.json"), &folder.read("old.json"));
        }
        folder.write(&format!("{directory}/compose.hardened.yaml"), "services: {}\n");
    }
    folder.write("b/db.json", &folder.read("new.json"));
    let (stdout, _) = folder.ends(&["a", "b"], 1);
    for words in
        ["2 services compared", "service cache", "service worker is gone", "Service db", "/opt/app/data/x"]
    {
        assert!(stdout.contains(words), "{words}: {stdout}");
    }
    folder.ends(&["a", "b", "--fail-on", "service"], 1);
    folder.ends(&["a", "b", "--baseline", "services.toml", "--accept"], 0);
    assert!(folder.read("services.toml").contains("service = \"db\""));
    folder.ends(&["a", "b", "--baseline", "services.toml"], 0);
    folder.ends(&["a", "a"], 0);
    folder.refused(&["a", "new.json"], &["a is a directory", "new.json is a file"]);
    folder.write("empty/readme.txt", "");
    folder.refused(&["a", "empty"], &["empty", "no profile"]);
    folder.write("broken/web.json", "{");
    folder.refused(&["a", "broken"], &["broken/web.json", "line 1"]);
}

#[test]
fn a_plan_is_compared_with_what_a_new_release_needs() {
    let folder = Folder::new();
    let plan = Command::new(env!("CARGO_BIN_EXE_writepath"))
        .args(["recommend", "--format", "json", "old.json"])
        .current_dir(folder.path())
        .output()
        .expect("writepath can be started");
    folder.write("plan.json", &String::from_utf8(plan.stdout).expect("UTF-8"));
    folder.ends(&["plan.json", "same.json"], 0);
    let (stdout, _) = folder.ends(&["plan.json", "new.json"], 1);
    assert!(stdout.contains("plans are compared") && stdout.contains("/opt/app/data"), "{stdout}");
    folder.write("bad.json", &folder.read("plan.json").replace("\"/tmp\"", "\"tmp\""));
    folder.refused(&["bad.json", "new.json"], &["bad.json", "tmpfs[0].target"]);
    folder.refused(&["old.json", "none.json"], &["none.json"]);
    folder.refused(&["-", "-"], &["standard input"]);
    folder.refused(&["old.json", "new.json", "--size-factor", "0.5"], &["--size-factor"]);
    folder.refused(&["old.json", "new.json", "--format", "xml"], &["xml", "sarif", "markdown"]);
}
