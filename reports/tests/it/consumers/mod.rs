//! What the programs that formats are made for read in them: every path comes out as the one that was meant.
//!
//! Needs no root and no container. Where a program is missing the test prints so and passes, unless
//! `WRITEPATH_TEST_REQUIRE=1` says that nothing may be missing (`cargo xtask test` installs them all).

mod chromium;
mod kubernetes;
mod quadlet;
#[cfg(target_os = "linux")]
mod systemd;

use std::path::Path;
use std::process::{Command, Output};

use reports::format::{Format, Options, render};
use reports::model::{Op, Phase};

use crate::build::Build;
use crate::subjects;

/// Whether a program is there; says so where it is not.
fn is_there(program: &str) -> bool {
    let there = if program.contains('/') {
        Path::new(program).is_file()
    } else {
        std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
        })
    };
    let required = std::env::var("WRITEPATH_TEST_REQUIRE").as_deref() == Ok("1");
    assert!(there || !required, "cannot run here: {program} is missing");
    if !there {
        println!("skipped: {program} is missing");
    }
    there
}

/// A program's output, where it succeeded.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_success(&output);
    String::from_utf8(output.stdout).unwrap()
}

fn assert_success(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), text(&output.stdout));
}

/// Subjects whose plans every format can express.
fn expressible() -> Vec<Build> {
    let mut named = Build::new("app:1")
        .dir("/var/lib/app", "0750", 33, 34)
        .dir("/var/cache/app", "0750", 33, 34)
        .by("/app", Phase::Steady)
        .write(Op::Create, "/var/cache/app/x")
        .write(Op::Create, "/var/lib/app/x")
        .write(Op::Create, "/run/app/x")
        .write(Op::Create, "/opt/app/log/x")
        .port(80);
    named.config().user = Some("33:34".to_owned());
    vec![subjects::nginx(), subjects::postgres(), subjects::redis(), named, odd_names()]
}

/// Paths that break whatever does not quote them.
fn odd_names() -> Build {
    let mut build = Build::new("odd").by("/bin/\u{1b}]0;title\u{7}\nx", Phase::Startup);
    for path in ODD {
        build = build.dirs(&[path]).write(Op::Create, &format!("{path}/x"));
    }
    build.config().env = vec!["A=1\n2 \\\n $x %n \"q\" 'q'".to_owned(), "B=".to_owned()];
    build.config().args = vec!["$(id) `id` $HOME %h".to_owned(), "a\nb".to_owned(), "it's \"\\".to_owned()];
    build
}

const ODD: &[&str] = &[
    "/a,b=c",
    "/d $HOME ${HOME} $(HOME) %h %% 'q\" #x",
    "/e;f|g&h",
    "/back\\slash\\x41\\n",
    "/éü",
    "/run/o $x,y%z\"",
    "/var/lib/'s t'",
    "/var/cache/#u",
    "/ends in a backslash\\",
    "/- x",
    "/[glob]*?",
    "/true",
];

/// The text in a format.
fn text_of(format: Format, build: &Build) -> String {
    render(format, &build.profile, &build.plan(), &Options::default()).unwrap()
}
