//! `cargo xtask fuzz`: hostile bytes for what reads files, with libFuzzer.
//!
//! Targets are `reports/fuzz/targets`, what they start from is kept beside them. What a run finds of interest stays in the
//! target directory and serves the next run; an input that breaks something is kept there too, and named.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::command::{self, say};
use crate::packages::{self, Package};
use crate::{setup, workspace};

/// The version of cargo-fuzz that is installed where none is.
const CARGO_FUZZ: &str = "0.13.2";

/// The targets, and what each starts from: directories below `reports`.
const TARGETS: &[(&str, &[&str])] = &[
    ("profile", &["tests/profiles"]),
    ("plan", &["fuzz/seeds/plan"]),
    ("generalise", &["fuzz/seeds/generalise"]),
];

/// The largest input that is tried, in bytes: larger ones only take longer.
const MAX_INPUT: u32 = 16 << 10;

/// How long, and what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long to try each target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Only these targets: profile, plan, generalise
    targets: Vec<String>,
}

/// Fuzzes.
pub(crate) fn run(options: &Options) -> Result<()> {
    for name in &options.targets {
        ensure!(TARGETS.iter().any(|(target, _)| target == name), "there is no fuzz target {name}");
    }
    setup::nightly()?;
    cargo_fuzz()?;
    for (target, seeds) in TARGETS {
        if options.targets.is_empty() || options.targets.iter().any(|name| name == target) {
            fuzz(target, seeds, options.seconds)?;
        }
    }
    Ok(())
}

fn fuzz(target: &str, seeds: &[&str], seconds: u32) -> Result<()> {
    let corpus = scratch().join("corpus").join(target);
    let artifacts = scratch().join("artifacts").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let mut cargo = cargo();
    cargo.args(["run", "--fuzz-dir", "reports/fuzz", "--target-dir"]).arg(scratch().join("build"));
    cargo
        .arg(target)
        .arg(&corpus)
        .args(seeds.iter().map(|seeds| workspace::root().join("reports").join(seeds)));
    cargo.args(["--", "-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]);
    cargo.arg(format!("-max_len={MAX_INPUT}")).arg(format!("-max_total_time={seconds}"));
    cargo.arg(format!("-artifact_prefix={}/", artifacts.display()));
    let held = command::status(&mut cargo)?.success();
    ensure!(held, "{target} broke; where an input did it, it is in {}", artifacts.display());
    say(&format!("fuzz: {target} held for {seconds} s"));
    Ok(())
}

/// cargo-fuzz with the nightly tool chain, whose compiler has the sanitizers.
fn cargo() -> Command {
    let mut cargo = workspace::cargo_nightly();
    cargo.arg("fuzz");
    cargo
}

/// cargo-fuzz itself, and the C++ compiler that libFuzzer is built with.
fn cargo_fuzz() -> Result<()> {
    packages::ensure(&[Package::program("g++", "c++")])?;
    if command::succeeds(cargo().arg("--version")) {
        return Ok(());
    }
    say(&format!("cargo-fuzz is missing; installing {CARGO_FUZZ}"));
    let mut install = workspace::cargo();
    install.args(["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked"]);
    command::run(install.env_remove("CARGO_TARGET_DIR"))
}

fn scratch() -> PathBuf {
    workspace::scratch().join("fuzz")
}
