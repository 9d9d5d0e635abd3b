//! The guide and the README do what they say: every command in them is executed, and what they show is compared.
//!
//! A page is one session of a shell, in an empty directory but for a link to the repository's `profiler` directory.
//!
//! - Blocks marked `console` are executed. A line `$ COMMAND` is a command, lines `> MORE` that follow it belong to it, the
//!   other lines up to the next command are what it prints on both streams. Where there are none anything will do.
//! - `...` stands for anything within a line, and alone on a line for any lines.
//! - A command has to succeed, unless the next one is `echo $?`.
//! - A block whose mark ends with `file=NAME` is written to that file before what follows it is executed.
//! - Port 8080 of the loopback address is a free one in the session.
//! - Containers that a page names (`--name`) are removed at the end.
//!
//! Needs root, a Docker daemon and the images that `cargo xtask images` makes, as the pages say; one page needs kubectl. Links
//! are looked at without any of that.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper that cannot go on fails its test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use common::{CLIENTS, bounded, can_run, docker, free_port, has_program, slowness, text};
use regex::Regex;

/// The sample service.
const SAMPLE: &str = "writepath-demo/service";
/// The project of several services.
const SHOP: [&str; 6] = [
    CLIENTS,
    "writepath-test/nginx",
    "writepath-test/postgres",
    "writepath-test/redis",
    "writepath-test/webapp",
    "writepath-test/shipper",
];
/// How long a page may take, where the host is as fast as usual.
const LIMIT: Duration = Duration::from_secs(300);

/// What a page has to say, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A file is written.
    File { name: String, content: String },
    /// A command is executed. `shown` is what the page shows of its output; empty: nothing.
    Command { line: usize, command: String, shown: String },
}

/// The steps of a page.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = (1..).zip(page.lines());
    while let Some((_, line)) = lines.next() {
        let Some(mark) = line.strip_prefix("```") else { continue };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        if let Some((_, name)) = mark.split_once("file=") {
            let content = block.iter().map(|(_, line)| format!("{line}\n")).collect();
            steps.push(Step::File { name: name.to_owned(), content });
        } else if mark == "console" {
            session(&block, &mut steps);
        }
    }
    steps
}

/// The commands of one block.
fn session(block: &[(usize, &str)], steps: &mut Vec<Step>) {
    for (number, text) in block {
        if let Some(first) = text.strip_prefix("$ ") {
            steps.push(Step::Command { line: *number, command: first.to_owned(), shown: String::new() });
            continue;
        }
        let Some(Step::Command { command, shown, .. }) = steps.last_mut() else {
            panic!("line {number}: a block begins with a command");
        };
        match text.strip_prefix("> ") {
            Some(more) if shown.is_empty() => {
                command.push('\n');
                command.push_str(more);
            }
            _ => {
                shown.push_str(text);
                shown.push('\n');
            }
        }
    }
}

/// Whether that is what the page shows.
fn matches(shown: &str, printed: &str) -> bool {
    let line = |line: &str| match line {
        "..." => "(?s:.*\n)?".to_owned(),
        line => regex::escape(line.trim_end()).replace(r"\.\.\.", ".*") + " *\n",
    };
    let pattern: String = shown.lines().map(line).collect();
    let printed = if printed.is_empty() || printed.ends_with('\n') {
        printed.to_owned()
    } else {
        format!("{printed}\n")
    };
    Regex::new(&format!("^{pattern}$")).expect("it is escaped").is_match(&printed)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Executes a page of the repository.
fn execute(page: &str) {
    // Pages use the same names and the host's ports.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let content = fs::read_to_string(root().join(page)).expect("the page is there");
    let port = free_port().to_string();
    let own_port = |text: &str| {
        ["127.0.0.1:", "tcp:", "PORT="].iter().fold(text.to_owned(), |text, before| {
            text.replace(&format!("{before}8080"), &format!("{before}{port}"))
        })
    };
    let steps = steps(&content);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    std::os::unix::fs::symlink(env!("CARGO_MANIFEST_DIR"), directory.path().join("profiler"))
        .expect("it is ours");
    let _containers = Named::of(&content);
    let kept = tempfile::tempdir().expect("a temporary directory can be made");
    let kept = |what: &str, number: usize| kept.path().join(format!("{what}-{number}"));

    let mut script = String::from("status=0\n");
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::File { name, content } => {
                let source = kept("file", number);
                fs::write(&source, own_port(content)).expect("it is ours");
                script +=
                    &format!("mkdir -p \"$(dirname '{name}')\" && cp '{}' '{name}'\n", source.display());
            }
            Step::Command { command, .. } => {
                script += &format!(
                    "(exit $status)\n{{\n{}\n}} > '{}' 2>&1 < /dev/null\nstatus=$?\necho $status > '{}'\n",
                    own_port(command),
                    kept("output", number).display(),
                    kept("status", number).display()
                );
                let is_asked = matches!(steps.get(number + 1), Some(Step::Command { command, .. }) if command == "echo $?");
                if !is_asked {
                    script += "[ $status = 0 ] || exit\n";
                }
            }
        }
    }
    let file = kept("script", 0);
    fs::write(&file, script).expect("it is ours");
    let binary = Path::new(env!("CARGO_BIN_EXE_writepath")).parent().expect("it is in a directory");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let status = bounded("bash", LIMIT * slowness())
        .arg(&file)
        .current_dir(&directory)
        .env("PATH", path)
        .env("COLUMNS", "80")
        .stdin(Stdio::null())
        .status()
        .expect("bash is installed");
    for (number, step) in steps.iter().enumerate() {
        let Step::Command { line, command, shown } = step else { continue };
        let printed = text(&fs::read(kept("output", number)).unwrap_or_default());
        let ended = fs::read_to_string(kept("status", number)).unwrap_or_default();
        assert_ne!(ended, "", "{page}:{line}: `{command}` did not end: {status}\n{printed}");
        let is_asked =
            matches!(steps.get(number + 1), Some(Step::Command { command, .. }) if command == "echo $?");
        assert!(is_asked || ended == "0\n", "{page}:{line}: `{command}` ended with status {ended}{printed}");
        let shown = own_port(shown);
        assert!(
            shown.is_empty() || matches(&shown, &printed),
            "{page}:{line}: `{command}` does not print what the page shows\n--- the page\n{shown}--- printed\n{printed}"
        );
    }
}

/// Containers that a page names; removed at the end, with their volumes.
struct Named(Vec<String>);

impl Named {
    fn of(page: &str) -> Self {
        let pattern = Regex::new(r"--name[ =]([\w.-]+)").expect("a constant");
        Self(pattern.captures_iter(page).map(|found| found[1].to_owned()).collect())
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = docker(["rm", "--force", "--volumes", name]);
        }
    }
}

/// Whether this is a place for pages: the kernel matrix's machines have only what concerns a kernel.
fn can_execute(images: &[&str]) -> bool {
    if std::env::var("WRITEPATH_TEST_DAEMON").as_deref() == Ok("vm") {
        println!("skipped: the repository is not in this machine");
        return false;
    }
    can_run(images) && has_program("/usr/bin/curl")
}

/// The pages whose commands are executed, all of them.
fn guide() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs/guide")).expect("the guide is there");
    entries.map(|entry| entry.expect("it can be listed").path()).collect()
}

#[test]
fn a_page_is_read_as_a_session() {
    let page = "\
text
```console
$ first \\
>   goes on
shown
...
$ echo $?
1
```
```yaml file=a/b.yaml
services:
```
```
$ left alone
```
";
    let command = |line, command: &str, shown: &str| Step::Command {
        line,
        command: command.to_owned(),
        shown: shown.to_owned(),
    };
    let file = Step::File { name: "a/b.yaml".to_owned(), content: "services:\n".to_owned() };
    let expected = [command(3, "first \\\n  goes on", "shown\n...\n"), command(7, "echo $?", "1\n"), file];
    assert_eq!(steps(page), expected);
}

#[test]
fn dots_stand_for_anything() {
    for (shown, printed, same) in [
        ("a\n", "a\n", true),
        ("a\n", "a", true),
        ("a\n", "a\nb\n", false),
        ("a ... c\n", "a b c\n", true),
        ("a ... c\n", "a b d\n", false),
        ("a\n...\nz\n", "a\nz\n", true),
        ("a\n...\nz\n", "a\n1\n2\nz\n", true),
        ("...\nz\n", "z\ny\n", false),
        ("(.*)\n", "x\n", false),
    ] {
        assert_eq!(matches(shown, printed), same, "{shown:?} {printed:?}");
    }
}

/// A page without a test below is one whose commands nobody runs.
#[test]
fn the_whole_guide_is_executed() {
    let own = fs::read_to_string(root().join("profiler/tests/book.rs")).expect("this file");
    for path in guide() {
        let page = fs::read_to_string(&path).expect("it is text");
        let name = path.file_name().expect("a file").to_string_lossy();
        let mut mark = None;
        for line in page.lines() {
            mark = match (mark, line.strip_prefix("```")) {
                (None, Some(begin)) => Some(begin),
                (Some(_), Some(_)) => None,
                (mark, None) => mark,
            };
            assert!(!line.starts_with("$ ") || mark == Some("console"), "{name}: not executed: {line}");
        }
        let is_executed = own.contains(&format!("execute(\"docs/guide/{name}\")"));
        assert!(is_executed || steps(&page).is_empty(), "{name}: not executed");
    }
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a constant");
    let mut pages = guide();
    for entry in fs::read_dir(root().join("docs")).expect("it is there") {
        pages.push(entry.expect("it can be listed").path());
    }
    pages.retain(|path| path.extension().is_some_and(|kind| kind == "md"));
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).expect("it is there");
    for path in &pages {
        let name = path.strip_prefix(root().join("docs")).expect("it is below").display().to_string();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("]({name})")), "{name}: not in SUMMARY.md");
    }
    pages.push(root().join("README.md"));
    for path in pages {
        let page = fs::read_to_string(&path).expect("it is text");
        for target in link.captures_iter(&page).map(|found| found[1].to_owned()) {
            let (file, fragment) = target.split_once('#').unwrap_or((&target, ""));
            if file.contains("://") {
                continue;
            }
            let target_path = match file {
                "" => path.clone(),
                file => path.parent().expect("it is in a directory").join(file),
            };
            assert!(target_path.exists(), "{}: {target} leads nowhere", path.display());
            if !fragment.is_empty() {
                let headings = headings(&fs::read_to_string(&target_path).expect("a page"));
                assert!(
                    headings.contains(&fragment.to_owned()),
                    "{}: {target}: {headings:?}",
                    path.display()
                );
            }
        }
    }
}

/// The headings of a page as links name them.
fn headings(page: &str) -> Vec<String> {
    let lines = page.lines().filter(|line| line.starts_with('#'));
    let plain = |line: &str| line.trim_start_matches('#').trim().to_lowercase();
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    lines.map(|line| plain(line).chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn the_readme() {
    if can_execute(&[&SHOP[..], &[SAMPLE]].concat()) {
        execute("README.md");
    }
}

#[test]
fn first_profile() {
    if can_execute(&[SAMPLE]) {
        execute("docs/guide/first-profile.md");
    }
}

#[test]
fn load_tests() {
    if can_execute(&[SAMPLE, CLIENTS]) {
        execute("docs/guide/load-tests.md");
    }
}

#[test]
fn compose() {
    if can_execute(&[SAMPLE, CLIENTS]) {
        execute("docs/guide/compose.md");
    }
}

#[test]
fn kubernetes() {
    if can_execute(&[SAMPLE]) && has_program("/usr/bin/kubectl") {
        execute("docs/guide/kubernetes.md");
    }
}
