//! The `.container` unit as Podman's generator reads it: the `podman run` that it makes of it carries the words of the
//! `podman` format.

use std::fs;
use std::process::Command;

use reports::format::{Format, FormatError, Options, render};

use super::{expressible, is_there, text_of};
use crate::build::Build;

/// Where the generator is: as `cargo xtask test` says, or where Podman's package puts it.
fn generator() -> String {
    std::env::var("WRITEPATH_TEST_QUADLET").unwrap_or_else(|_| "/usr/libexec/podman/quadlet".to_owned())
}

/// The words of the command line that the service starts.
fn started(unit: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("app.container"), unit).unwrap();
    let output = Command::new(generator())
        .arg("--dryrun")
        .env("QUADLET_UNIT_DIRS", directory.path())
        .output()
        .unwrap();
    super::assert_success(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("converting") && !said.contains("Warning"), "{said}\n{unit}");
    let service = String::from_utf8(output.stdout).unwrap();
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    words(line)
}

/// A command line of systemd in words (systemd.service(5)): quotes, C escapes, `%%` and `$$`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while chars.peek().is_some() {
        let mut word = String::new();
        let mut quoted = false;
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => break,
                '\\' => match chars.next().unwrap() {
                    'n' => word.push('\n'),
                    't' => word.push('\t'),
                    'x' => {
                        let digits: String = chars.by_ref().take(2).collect();
                        word.push(char::from(u8::from_str_radix(&digits, 16).unwrap()));
                    }
                    c => word.push(c),
                },
                '%' | '$' if chars.peek() == Some(&c) => {
                    chars.next();
                    word.push(c);
                }
                c => word.push(c),
            }
        }
        words.push(word);
    }
    words
}

/// The words of the `podman` format.
fn podman_words(build: &Build) -> Vec<String> {
    let text = text_of(Format::Podman, build);
    let command: String = text.split_inclusive('\n').skip_while(|line| line.starts_with('#')).collect();
    let script = command.replacen("podman run", "printf '%s\\0'", 1);
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    super::assert_success(&output);
    String::from_utf8(output.stdout).unwrap().split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn the_generator_makes_the_command_of_the_podman_format() {
    if !is_there(&generator()) {
        return;
    }
    for build in expressible() {
        let unit = text_of(Format::Quadlet, &build);
        let started = started(&unit);
        let podman = podman_words(&build);
        let values = |words: &[String], flag: &str| -> Vec<String> {
            let mut values: Vec<String> =
                words.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].to_lowercase()).collect();
            values.sort();
            values
        };
        for flag in ["--mount", "--env", "--publish", "--cap-add", "--cap-drop", "--sysctl", "--user"] {
            assert_eq!(values(&started, flag), values(&podman, flag), "{flag}\n{unit}");
        }
        assert_eq!(started.contains(&"--read-only".to_owned()), build.plan().read_only);
        assert!(started.contains(&"--read-only-tmpfs=false".to_owned()), "{started:?}");
        assert!(started.contains(&"--security-opt=no-new-privileges".to_owned()), "{started:?}");
        let image =
            podman.iter().rposition(|word| word.starts_with("docker.io/") || word.starts_with("registry."));
        let behind = &podman[image.unwrap()..];
        assert!(started.ends_with(behind), "{started:?} does not end in {behind:?}");
    }
}

#[test]
fn what_the_generator_cannot_carry_is_refused() {
    let mut build = Build::new("app");
    build.config().args = vec!["a".to_owned(), String::new(), "b".to_owned()];
    let refused = |build: &Build| render(Format::Quadlet, &build.profile, &build.plan(), &Options::default());
    assert!(matches!(refused(&build), Err(FormatError::Unit { key, .. }) if key == "Exec"));
    build.config().args.clear();
    build.config().workdir = Some("/a\nb".to_owned());
    assert!(matches!(refused(&build), Err(FormatError::Unit { key, .. }) if key == "WorkingDir"));
}
