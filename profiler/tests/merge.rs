//! `writepath merge`: what may be given to it, what is refused, and what it takes of memory. Needs nothing.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const MIB: usize = 1 << 20;

fn writepath(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_writepath"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("writepath can be started");
    // It may end before it has read all.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("writepath ends")
}

fn profile(image: &str, started: &str, writes: &str) -> String {
    format!(
        r#"{{"schema":"writepath.profile/v1","tool":{{"name":"writepath","version":"0"}},
"host":{{"kernel":"k","arch":"a"}},"subject":{{"name":"{image}"}},"run":{{"started":"{started}","duration_ms":1}},
"coverage":{{"complete":true}},"writes":[{writes}],"capabilities":[]}}"#
    )
}

fn write(path: &str) -> String {
    format!(
        r#"{{"path":"{path}","op":"create","errno":0,"count":1,"mount":"/","first_ms":0,"last_ms":0,"processes":["/app"]}}"#
    )
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a file can be written");
        path.to_string_lossy().into_owned()
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn paths(profile: &Value) -> Vec<&str> {
    let writes = profile["writes"].as_array().expect("writes");
    writes.iter().map(|write| write["path"].as_str().expect("a path")).collect()
}

#[test]
fn files_directories_lists_and_streams_are_read() {
    let folder = Folder::new();
    let one = profile("app", "1", &write("/run/a"));
    let two = profile("app", "2", &write("/run/b"));
    let (a, b) = (folder.file("a.json", &one), folder.file("b.json", &two));
    folder.file(".writepath-c.json", "half a file");
    folder.file("notes.txt", "no profile");
    let list = folder.file("list", &format!("{a}\n\n{b}\n"));
    let directory = folder.0.path().to_string_lossy().into_owned();
    let merged = |arguments: &[&str], input: &str| {
        let output = writepath(&[&["merge", "-o", "-", "--quiet"], arguments].concat(), input.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let union = merged(&[&a, &b], "");
    assert_eq!(paths(&json(&union)), ["/run/a", "/run/b"]);
    assert_eq!(json(&union)["run"]["merged"]["runs"].as_array().map(Vec::len), Some(2));
    // One result, however it is come to.
    let joined = format!("{one}\n{two}{one}");
    for (arguments, input) in [
        (&[&b, &a, &a][..], ""),
        (&[&directory], ""),
        (&[&"--files-from".to_owned(), &list], ""),
        (&[&"--files-from".to_owned(), &"-".to_owned()], &fs::read_to_string(&list).expect("the list")),
        (&[&"-".to_owned()], &joined),
        (&[&folder.file("joined.log", &joined)], ""),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(|argument| argument.as_str()).collect();
        assert_eq!(merged(&arguments, input), union, "{arguments:?}");
    }
    // A union is a profile, and the other commands take it.
    let file = folder.path("union.json").to_string_lossy().into_owned();
    let output = writepath(&["merge", &b, &a, "-o", &file], b"");
    let note = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.stdout.is_empty() && note.contains("2 files (2 runs): 2 operations"), "{note}");
    assert_eq!(fs::read(&file).expect("the union"), union);
    assert_eq!(merged(&[&file, &a], ""), union);
    for command in [&["recommend", &file][..], &["diff", &file, &file]] {
        assert_eq!(writepath(command, b"").status.code(), Some(0), "{command:?}");
    }
}

#[test]
fn what_cannot_be_joined_is_named_and_nothing_is_written() {
    let folder = Folder::new();
    let (one, other) = (profile("app", "1", ""), profile("other\\u001b", "1", ""));
    let a = folder.file("a.json", &one);
    let b = folder.file("b.json", &other);
    let cut = folder.file("cut.json", &one[..one.len() - 9]);
    let none = folder.file("none.json", " \n");
    let second = folder.file("second.json", &format!("{one} {}", &one[..100]));
    let missing = folder.path("missing.json").to_string_lossy().into_owned();
    let empty = folder.path("empty");
    fs::create_dir(&empty).expect("a directory");
    let empty = empty.to_string_lossy().into_owned();
    let out = folder.path("union.json");
    let out_name = out.to_string_lossy().into_owned();
    for (arguments, names) in [
        (&[a.as_str(), &b][..], &[b.as_str(), "its image is `other\\u{1b}`", "`app`", "--force"][..]),
        (&[&a, &cut], &[&cut, "line 3", "EOF"]),
        (&[&a, &none], &[&none, "empty"]),
        (&[&a, &second], &[&second, "profile 2"]),
        (&[&a, &missing], &[&missing, "No such file"]),
        (&[&empty], &[&empty, "no *.json"]),
        (&["-"], &["standard input", "empty"]),
        (&["--files-from", "-"], &["no profile", "--files-from"]),
        (&[], &["PROFILE"]),
    ] {
        let output = writepath(&[&["merge", "-o", &out_name], arguments].concat(), b"");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        for name in names {
            assert!(message.contains(name), "{arguments:?} does not name {name:?}: {message}");
        }
        assert!(!message.contains('\u{1b}'), "{message:?}");
        assert!(!out.exists(), "{arguments:?}");
    }
    let output = writepath(&["merge", "-o", "/nonexistent/x.json", &a], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/x.json"));
    // Unless it is told to.
    assert_eq!(writepath(&["merge", "--force", "-o", &out_name, &a, &b], b"").status.code(), Some(0));
    assert!(out.exists());
}

#[test]
fn what_one_run_did_not_see_the_union_did_not_see() {
    let folder = Folder::new();
    let a = folder.file("a.json", &profile("app", "1", ""));
    let gap = r#""complete":false,"gaps":[{"code":"records-lost","message":"lost","count":3}]"#;
    let b = folder.file("b.json", &profile("app", "2", "").replace(r#""complete":true"#, gap));
    let output = writepath(&["merge", &a, &b, "-o", "-"], b"");
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("records-lost"));
    assert_eq!(json(&output.stdout)["coverage"]["complete"], false);
}

/// A profile of about 1 MiB: half of it as in every run, half of it names of this run.
fn large(run: usize) -> String {
    let mut writes = String::new();
    let mut index = 0;
    while writes.len() < MIB - 1000 {
        index += 1;
        let path = if index % 2 == 0 {
            format!("/var/lib/app/{}/{}", index / 100, index)
        } else {
            format!("/tmp/app-{run}-{index}/state")
        };
        let comma = if writes.is_empty() { "" } else { "," };
        // As a profile is written: with room between.
        write!(writes, "{comma}\n{:200}{}", "", write(&path)).expect("a string takes it");
    }
    profile("app", &format!("{run:09}"), &writes)
}

/// The files are read one at a time: their number takes no memory. (10,000 such files take the same; see docs/fleet.md.)
#[test]
fn memory_does_not_grow_with_the_number_of_profiles() {
    const FILES: usize = 150;
    const LIMIT_KIB: usize = 100 * 1024;
    let folder = Folder::new();
    for run in 0..FILES {
        folder.file(&format!("{run:05}.json"), &large(run));
    }
    let out = folder.path("union");
    // Address space, of which memory is a part.
    let output = Command::new("sh")
        .args(["-c", "ulimit -v \"$1\" && shift && exec \"$@\"", "sh", &LIMIT_KIB.to_string()])
        .args([Path::new(env!("CARGO_BIN_EXE_writepath")), Path::new("merge"), folder.0.path()])
        .arg("-o")
        .arg(&out)
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let union = json(&fs::read(&out).expect("the union"));
    assert_eq!(union["run"]["merged"]["runs"].as_array().map(Vec::len), Some(FILES));
    assert_eq!(union["run"]["merged"]["folded"], serde_json::json!(["/tmp"]));
}
