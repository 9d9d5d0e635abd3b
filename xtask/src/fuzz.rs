//! `cargo xtask fuzz`: hostile bytes for what reads files, with libFuzzer.
//!
//! Targets are `reports/fuzz/targets`, what they start from is kept beside them. What a run finds of interest stays in the
//! target directory and serves the next run; an input that breaks something is kept there too, and named.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use clap::builder::PossibleValuesParser;

use crate::command::{self, say};
use crate::packages::{self, Package};
use crate::{setup, workspace};

/// The version of cargo-fuzz that is installed where none is.
const CARGO_FUZZ: &str = "0.13.2";

/// The targets, and what each starts from: a directory below `reports`.
const TARGETS: [(&str, &str); 3] =
    [("profile", "tests/profiles"), ("plan", "fuzz/seeds/plan"), ("generalise", "fuzz/seeds/generalise")];

/// The largest input that is tried, in bytes: larger ones only take longer.
const MAX_INPUT: u32 = 16 << 10;

/// How long, and what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long to try each target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Only these targets [default: all]
    #[arg(value_name = "TARGET", value_parser = PossibleValuesParser::new(TARGETS.map(|(target, _)| target)))]
    targets: Vec<String>,
}

/// Fuzzes: builds all targets, then tries those that are asked for side by side.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::nightly()?;
    cargo_fuzz()?;
    command::run(&mut cargo("build"))?;
    let chosen = TARGETS.into_iter().filter(|(target, _)| {
        options.targets.is_empty() || options.targets.iter().any(|name| name == target)
    });
    thread::scope(|scope| {
        let tries: Vec<_> =
            chosen.map(|(target, seeds)| scope.spawn(move || fuzz(target, seeds, options.seconds))).collect();
        tries
            .into_iter()
            .try_for_each(|fuzzing| fuzzing.join().map_err(|_| anyhow!("a target's thread has panicked"))?)
    })
}

fn fuzz(target: &str, seeds: &str, seconds: u32) -> Result<()> {
    let corpus = scratch().join("corpus").join(target);
    let artifacts = scratch().join("artifacts").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let mut cargo = cargo("run");
    cargo.arg(target).arg(&corpus).arg(workspace::root().join("reports").join(seeds));
    cargo.args(["--", "-verbosity=0", "-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]);
    cargo.arg(format!("-max_len={MAX_INPUT}")).arg(format!("-max_total_time={seconds}"));
    cargo.arg(format!("-artifact_prefix={}/", artifacts.display()));
    say(&format!("fuzz: {target}, for {seconds} s"));
    let held = command::status(&mut cargo)?.success();
    ensure!(held, "{target} broke; where an input did it, it is in {}", artifacts.display());
    say(&format!("fuzz: {target} held for {seconds} s"));
    Ok(())
}

/// cargo-fuzz with the nightly tool chain, whose compiler has the sanitizers.
fn cargo(verb: &str) -> Command {
    let mut cargo = workspace::cargo_nightly();
    cargo.args(["fuzz", verb, "--fuzz-dir", "reports/fuzz", "--target-dir"]).arg(scratch().join("build"));
    cargo
}

/// cargo-fuzz itself, and the C++ compiler that libFuzzer is built with.
fn cargo_fuzz() -> Result<()> {
    packages::ensure(&[Package::program("g++", "c++")])?;
    if command::succeeds(workspace::cargo_nightly().args(["fuzz", "--version"])) {
        return Ok(());
    }
    say(&format!("cargo-fuzz is missing; installing {CARGO_FUZZ}"));
    // What it does is soon done: time goes into building it.
    command::run(setup::cargo_install("cargo-fuzz", CARGO_FUZZ).arg("--debug"))
}

fn scratch() -> PathBuf {
    workspace::scratch().join("fuzz")
}
