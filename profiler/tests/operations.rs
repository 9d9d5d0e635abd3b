//! Every operation that takes write access to a mount is reported, under its resolved path, and nothing else is.
//!
//! One container performs the scripts of the table, each in a directory of its own, by raw system calls (`subject
//! script`, see xtask/subjects/src/calls.rs); its profile must hold exactly what the table says. Needs root, a Docker
//! daemon and the images that `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;
mod performance;
mod table;

use std::collections::BTreeSet;

use common::{
    Profiles, SUBJECT, can_run, docker, docker_ok, keep, plan, read, set, strings, text, unique_name,
    writepath, writepath_status,
};
use performance::{OPTIONS, profile_of, rows, script_of};
use serde_json::Value;
use table::{NEWER, Row};

/// What stands for the number of an unnamed file, which nobody knows before.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('#') {
        out.push_str(before);
        out.push('#');
        rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out + rest
}

/// `OP PATH`, `OP PATH<FROM`, with `!ERRNO`, or with `?` where it depends on the file system whether it fails.
fn expected(rows: &[&Row]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for row in rows {
        all.insert(format!("mkdir {}", row.initial()));
        all.insert(format!("mkdir {}", row.directory()));
        for (op, rest) in row.operations() {
            let at = rest.find(['!', '?']).unwrap_or(rest.len());
            let (names, outcome) = rest.split_at(at);
            let names: Vec<_> = names.split('<').map(|name| row.in_directory(name)).collect();
            all.insert(format!("{op} {}{outcome}", names.join("<")));
        }
    }
    all
}

fn reported(profile: &Value) -> BTreeSet<String> {
    let writes = profile["writes"].as_array().expect("writes is a list");
    writes
        .iter()
        .map(|write| {
            let from = write["from"].as_str().map_or(String::new(), |from| format!("<{from}"));
            let errno = match write["errno"].as_i64() {
                Some(0) => String::new(),
                errno => format!("!{}", errno.expect("errno is a number")),
            };
            without_numbers(&format!(
                "{} {}{from}{errno}",
                write["op"].as_str().expect("op"),
                write["path"].as_str().expect("path")
            ))
        })
        .collect()
}

/// The capabilities without which something would have failed.
fn required(profile: &Value) -> BTreeSet<&str> {
    let all = profile["capabilities"].as_array().expect("capabilities is a list");
    let required = all.iter().filter(|capability| capability["verdict"] == "required");
    required.map(|capability| capability["cap"].as_str().expect("cap")).collect()
}

/// What is reported, without the outcome where that depends on the file system.
fn tolerant(profile: &Value, expected: &BTreeSet<String>) -> BTreeSet<String> {
    let without = |operation: String| {
        let tolerated = format!("{}?", operation.split('!').next().unwrap_or_default());
        if expected.contains(&tolerated) { tolerated } else { operation }
    };
    reported(profile).into_iter().map(without).collect()
}

fn assert_same(reported: &BTreeSet<String>, expected: &BTreeSet<String>) {
    let missing: Vec<_> = expected.difference(reported).collect();
    let surplus: Vec<_> = reported.difference(expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}\nsurplus: {surplus:#?}");
}

#[test]
fn every_operation_is_reported_and_nothing_else() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let rows = rows();
    let profile = profile_of(&OPTIONS, script_of(&rows, None));
    let (expected, reported) = (expected(&rows), tolerant(&profile, &expected(&rows)));
    // What every kernel has is the same on all.
    let newer: Vec<_> = rows.iter().filter(|row| row.calls().any(|call| NEWER.contains(&call))).collect();
    let is_newer = |operation: &str| newer.iter().any(|row| operation.contains(&row.directory()));
    let comparable: BTreeSet<_> = reported.iter().filter(|operation| !is_newer(operation)).collect();
    keep("operations", &serde_json::json!({ "operations": comparable, "capabilities": required(&profile) }));
    assert_same(&reported, &expected);
    assert_eq!(profile["coverage"]["complete"], true);
    // All of it by the one program, and on the root.
    for write in profile["writes"].as_array().expect("writes is a list") {
        assert_eq!(write["processes"], serde_json::json!(["/subject"]), "{write}");
        let mount = match write["path"].as_str().expect("a path") {
            "/dev/null" => "/dev",
            path if path.starts_with("/dev/shm") => "/dev/shm",
            _ => "/",
        };
        assert_eq!(write["mount"], mount, "{write}");
    }
}

fn words(text: &str) -> Vec<String> {
    std::iter::once("script").chain(text.split(' ')).map(str::to_owned).collect()
}

/// A run that may fail: its status, what it said, its profile if it wrote one.
fn attempt(options: &[&str], words: &[String]) -> (Option<i32>, String, Option<Value>) {
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let profile = path.display().to_string();
    let mut all = vec!["run", "--quiet", "-o", &profile];
    all.extend(options);
    all.push(SUBJECT);
    all.extend(words.iter().map(String::as_str));
    let output = writepath(all);
    (output.status.code(), text(&output.stderr), path.exists().then(|| read(&path)))
}

/// What was executed and mapped, with a mark at what gained privileges and at what was mapped.
fn executions(profile: &Value) -> BTreeSet<String> {
    let list = profile["run"]["executions"].as_array().expect("a list");
    list.iter()
        .map(|execution| {
            let mark = |key: &str| if execution[key] == true { format!(" {key}") } else { String::new() };
            let path = execution["path"].as_str().expect("a path");
            format!("{path}{}{}", mark("gains_privileges"), mark("mapped"))
        })
        .collect()
}

#[test]
fn executions_and_mappings_of_written_files_take_noexec_away() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let script = "copy-self /srv/program execve /srv/program openat /tmp/code truncate /tmp/code mmap:execute /tmp/code \
                  openat /run/data truncate /run/data mmap:read /run/data";
    let words = words(script);
    let mut all = vec!["run", "--quiet", "-o", path.to_str().expect("text"), SUBJECT];
    all.extend(words.iter().map(String::as_str));
    writepath_status(0, all);
    assert_eq!(executions(&read(&path)), set(["/subject", "/srv/program", "/tmp/code mapped"]));
    let plan = plan(&path);
    let mounts = plan["tmpfs"].as_array().expect("a list");
    let executable: BTreeSet<String> = mounts
        .iter()
        .filter(|mount| mount["exec"] == true)
        .map(|mount| mount["target"].as_str().expect("a path").to_owned())
        .collect();
    // /srv is a volume by convention, which forbids nothing.
    assert_eq!(executable, set(["/tmp"]), "{mounts:?}");
    assert_eq!(strings(&plan, "tmpfs", "target"), set(["/run", "/tmp"]));
}

#[test]
fn executions_that_gain_privileges_are_told() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let script = "copy-self /srv/plain execve:user /srv/plain \
                  copy-self /srv/setuid fchmodat:setuid /srv/setuid execve:user /srv/setuid \
                  copy-self /srv/capable setxattr:capability /srv/capable execve:user /srv/capable execve /srv/capable";
    let profile = profile_of(&[], words(script));
    assert_eq!(
        executions(&profile),
        set(["/subject", "/srv/plain", "/srv/setuid gains_privileges", "/srv/capable gains_privileges"])
    );
}

/// Whether a profile names this gap.
fn has_gap(profile: &Option<Value>, code: &str) -> bool {
    let Some(profile) = profile else { return false };
    let gaps = profile["coverage"]["gaps"].as_array().expect("a list");
    gaps.iter().any(|gap| gap["code"] == code && gap["count"].as_u64() > Some(0))
}

#[test]
fn io_uring_is_a_gap() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    for script in ["io_uring_enter /tmp/f", "io_uring_setup:polled"] {
        let (status, message, profile) = attempt(&OPTIONS, &words(script));
        if status == Some(1) && message.contains("subject: io_uring_") {
            println!("skipped: {message}");
            return;
        }
        assert_eq!(status, Some(4), "{message}");
        assert!(has_gap(&profile, "io-uring"), "{profile:?}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn programs_of_32_bits_are_a_gap() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let (status, message, profile) = attempt(&OPTIONS, &words("elf32 /tmp/old execve /tmp/old"));
    if status == Some(1) && message.contains("subject: execve: Exec format error") {
        println!("skipped: this kernel executes no 32-bit programs");
        return;
    }
    assert_eq!(status, Some(4), "{message}");
    assert!(has_gap(&profile, "32-bit-calls"), "{profile:?}");
}

#[test]
fn a_mount_of_the_subjects_own_is_none_of_the_roots() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let script =
        "mkdirat /srv/own unshare mount /srv/own openat /srv/own/f mkdirat /srv/own/d openat /srv/after wait";
    // While it waits its mount namespace can be looked into.
    let options = [
        "--cap-add",
        "SYS_ADMIN",
        "--security-opt",
        "apparmor=unconfined",
        "--ready",
        "log:waiting",
        "--duration",
        "1ms",
    ];
    let profile = profile_of(&options, words(script));
    let writes = profile["writes"].as_array().expect("a list");
    let on: BTreeSet<String> = writes
        .iter()
        .map(|write| {
            let word = |key: &str| write[key].as_str().expect("text").to_owned();
            format!("{} {} on {}", word("op"), word("path"), word("mount"))
        })
        .collect();
    assert_eq!(
        on,
        set([
            "mkdir /srv/own on /",
            "create /srv/own/f on /srv/own",
            "mkdir /srv/own/d on /srv/own",
            "create /srv/after on /"
        ])
    );
}

/// An image of this name that checks its health by a program of its own.
struct HealthImage(String);

impl HealthImage {
    fn build() -> Self {
        let context = tempfile::tempdir().expect("a temporary directory can be made");
        let check = r#"HEALTHCHECK --interval=1s CMD ["/subject", "write", "/tmp/health"]"#;
        std::fs::write(context.path().join("Dockerfile"), format!("FROM {SUBJECT}\n{check}\n"))
            .expect("it can be written to");
        let name = unique_name("health");
        docker_ok(["build", "--quiet", "--tag", &name, &context.path().display().to_string()]);
        Self(name)
    }
}

impl Drop for HealthImage {
    fn drop(&mut self) {
        let _ = docker(["image", "rm", "--force", &self.0]);
    }
}

#[test]
fn of_a_health_check_its_program_alone_is_seen() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let image = HealthImage::build();
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let profile = path.display().to_string();
    let options = ["run", "--quiet", "-o", &profile, "--ready", "healthy", "--duration", "1ms"];
    writepath_status(0, options.iter().copied().chain([image.0.as_str(), "sleep"]));
    let profile = read(&path);
    assert_eq!(reported(&profile), set(["create /tmp/health"]));
    assert_eq!(executions(&profile), set(["/subject"]));
    assert_eq!(profile["coverage"]["complete"], true);
}
