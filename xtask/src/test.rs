//! `cargo xtask test`: unit tests of the workspace, then the integration tests of `profiler` on both daemons.
//!
//! The integration tests find a daemon at `DOCKER_HOST` and the images of `images` on it. Here nothing that they need
//! may be missing, so they are told (`WRITEPATH_TEST_REQUIRE=1`) to fail where they would otherwise skip. What they
//! saw must be the same on both daemons, which differ in storage driver and cgroup mode. The last line sums up what
//! libtest reported in all runs: `N passed, N failed, N skipped`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum;

use crate::agreement::{self, Results};
use crate::command::{self, say};
use crate::daemon::{Daemon, host, second};
use crate::packages::{self, HostLacks};
use crate::{consumers, images, setup, workspace};

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Unit tests only: no container, no root
    #[arg(long)]
    unit: bool,
    /// Integration tests only
    #[arg(long, conflicts_with = "unit")]
    integration: bool,
    /// Where the integration tests run
    #[arg(long, value_enum, default_value_t = Where::Both, conflicts_with = "unit")]
    daemon: Where,
    /// Handed to the test programs: a filter, or their options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Where {
    /// The host's own daemon
    Host,
    /// A daemon with overlay2 and pure cgroup v2, started for the tests
    Second,
    /// One after the other
    Both,
}

/// Runs them.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut tally = Tally::default();
    if options.unit {
        setup::tool_chain()?;
        unit(options, &mut tally)?;
        return tally.close();
    }
    setup::run()?;
    if !options.integration {
        unit(options, &mut tally)?;
    }
    integration(options, &mut tally)?;
    tally.close()
}

fn unit(options: &Options, tally: &mut Tally) -> Result<()> {
    say("unit tests");
    // Without root what is missing cannot be installed, and those tests are skipped.
    let quadlet = if options.unit { None } else { Some(consumers::ensure()?) };
    // profiler's own test targets are the integration tests; everywhere else all targets are meant.
    let profiler: &[&str] = match workspace::root().join("profiler/src/lib.rs").is_file() {
        true => &["--package", "profiler", "--lib", "--bins"],
        false => &["--package", "profiler", "--bins"],
    };
    let others = ["--package", "reports", "--package", "xtask", "--package", "subjects"];
    for packages in [profiler, &others, &["--package", "profiler-ebpf", "--lib", "--all-features"]] {
        let mut command = workspace::cargo();
        command.args(["test", "--no-fail-fast"]).args(packages).arg("--").args(&options.filter);
        if let Some(quadlet) = &quadlet {
            command.env("WRITEPATH_TEST_REQUIRE", "1").env("WRITEPATH_TEST_QUADLET", quadlet);
        }
        tally.run(&mut command)?;
    }
    Ok(())
}

fn integration(options: &Options, tally: &mut Tally) -> Result<()> {
    if !packages::is_root() {
        let what =
            "the integration tests load BPF programs and need root; without it: cargo xtask test --unit";
        let commands = vec!["cargo xtask test".to_owned()];
        return Err(anyhow!(HostLacks { what: what.to_owned(), commands }));
    }
    command::run(workspace::cargo().args(["test", "--no-run", "--package", "profiler", "--test", "*"]))?;
    consumers::ensure()?;
    let host = host::ensure()?;
    images::build_all(&host)?;
    let mut seen = Vec::new();
    if options.daemon != Where::Second {
        seen.push(integration_on(&host, options, tally)?);
    }
    if options.daemon != Where::Host {
        let second = second::start()?;
        images::copy_all(&host, &second)?;
        seen.push(integration_on(&second, options, tally)?);
    }
    tally.disagree = agreement::print(&seen.iter().collect::<Vec<_>>()).is_err();
    Ok(())
}

/// Runs them on one daemon; what they saw.
fn integration_on(daemon: &dyn Daemon, options: &Options, tally: &mut Tally) -> Result<Results> {
    let results = workspace::scratch().join("test").join(daemon.name());
    if results.exists() {
        fs::remove_dir_all(&results)?;
    }
    say(&format!("integration tests on the {} daemon ({})", daemon.name(), daemon.describe()?));
    let mut command = daemon.command("cargo");
    command
        .current_dir(workspace::root())
        // Not from the network: the namespaces of the second daemon have none. All was fetched and built before.
        .args(["test", "--offline", "--no-fail-fast", "--package", "profiler", "--test", "*", "--"])
        .args(&options.filter)
        .env("WRITEPATH_TEST_DAEMON", daemon.name())
        .env("WRITEPATH_TEST_RESULTS", &results)
        .env("WRITEPATH_TEST_REQUIRE", "1");
    tally.run(&mut command)?;
    Results::read(daemon.name(), &results)
}

/// The sum of libtest's results.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
    /// Runs that failed: also those that did not come as far as a result.
    failed_runs: u32,
    /// What was seen was not the same everywhere.
    disagree: bool,
}

impl Tally {
    /// Runs a test command, passing its output on. A test that fails does not keep the next run from starting.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        say(&format!("running {}", command::shown(command)));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{}` cannot be started", command::shown(command)))?;
        let output = child.stdout.take().context("the tests have no output")?;
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            println!("{line}");
            self.add(&line);
        }
        if !child.wait()?.success() {
            self.failed_runs += 1;
        }
        Ok(())
    }

    /// Counts a line like `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; …`.
    pub(crate) fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u32>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// Prints the sum as the last line.
    pub(crate) fn close(&self) -> Result<()> {
        let Self { passed, failed, skipped, failed_runs, disagree } = self;
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if *failed > 0 || *failed_runs > 0 {
            bail!("{failed_runs} of the test runs failed, with {failed} failed tests");
        }
        if *disagree {
            bail!("what the tests saw is not the same everywhere");
        }
        if *passed == 0 {
            bail!("no test ran: does the filter match any?");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn results_are_summed_over_runs() {
        let mut tally = Tally::default();
        tally.add(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.1s",
        );
        tally.add("test a ... ok");
        tally.add("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(tally, Tally { passed: 5, failed: 1, skipped: 1, ..Tally::default() });
        assert!(tally.close().is_err());
        assert!(Tally::default().close().is_err());
    }
}
