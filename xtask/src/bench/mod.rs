//! `cargo xtask bench`: what being observed costs, by writepath and by others.
//!
//! All observers of a workload are measured in turn, round after round (bare, A, B, bare, A, B …), and each figure is
//! compared with the bare one of its own round, so that what changes on the host over minutes changes both. Medians are
//! printed with their spread and nothing is dropped. What this host refuses is named with its reason. Nothing here is
//! part of the product; `docs/benchmarks.md` says what is measured and how.

mod applications;
mod compile;
mod container;
mod directory;
mod footprint;
mod helper;
mod large;
mod loads;
mod micro;
mod observers;
mod report;
mod scale;
mod start;
mod statistics;
mod subject;
mod targets;
mod workload;

use std::fs;
use std::path::PathBuf;
use std::thread::available_parallelism;

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum as _;

use crate::command::{self, say};
use crate::daemon::{Daemon, host};
use crate::packages::{self, HostLacks};
use crate::{images, setup, workspace};
use observers::{Observer, Tools};
use report::{Report, Series};
use workload::{Measurement, Observation, Workload};

/// What to measure, and how often.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Short measurements, small numbers, and no tracers of others unless named: at most three minutes
    #[arg(long)]
    quick: bool,
    /// How many rounds [default: 5, or 3 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Measure only this workload; may be given several times [default: all]
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(workloads()))]
    workload: Vec<String>,
    /// Measure only this observer, besides bare; may be given several times [default: all]
    #[arg(long, value_enum, value_name = "NAME")]
    observer: Vec<Observer>,
    /// Write all figures as JSON
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Fail where a target is missed
    #[arg(long)]
    check: bool,
}

/// Every workload by its name.
fn workloads() -> Vec<&'static str> {
    micro::names()
        .chain(applications::names())
        .chain([compile::NAME, start::DESCRIPTION.name])
        .chain(scale::names())
        .chain(large::names())
        .collect()
}

/// How much is measured.
struct Extent {
    rounds: u32,
    loop_ms: u32,
    load_seconds: u32,
    source_files: u32,
    scale_divisor: u64,
}

impl Extent {
    fn of(options: &Options) -> Self {
        let (rounds, loop_ms, load_seconds, source_files, scale_divisor) =
            if options.quick { (3, 200, 1, 12, 50) } else { (5, 500, 2, 24, 1) };
        Self { rounds: options.rounds.unwrap_or(rounds), loop_ms, load_seconds, source_files, scale_divisor }
    }
}

/// How many processors there are.
fn processor_count() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The processor of subjects and servers, and that of load generators, as `taskset -c` takes them.
fn processors() -> (String, String) {
    let last = processor_count() - 1;
    (last.to_string(), last.saturating_sub(1).to_string())
}

/// Measures, prints, and judges.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !packages::is_root() {
        let what = "the benchmarks load BPF programs and need root".to_owned();
        return Err(anyhow!(HostLacks { what, commands: vec!["cargo xtask bench".to_owned()] }));
    }
    setup::tool_chain()?;
    command::run(workspace::cargo().args(["build", "--release", "--package", "profiler"]))?;
    directory::remove_leftovers();
    let scratch = workspace::scratch().join("bench");
    fs::create_dir_all(&scratch)?;
    let tools = Tools {
        writepath: workspace::target().join("release/writepath"),
        empty_probe: images::program("empty-probe")?,
        scratch,
    };
    let mut bench = Bench {
        program: images::program("workload")?,
        files: directory::temporary()?,
        daemon: None,
        extent: Extent::of(options),
        failed: Vec::new(),
        observers: Vec::new(),
        report: Report {
            host: Vec::new(),
            rounds: 0,
            is_quick: options.quick,
            series: Vec::new(),
            scale: Vec::new(),
            large: Vec::new(),
            refused: Vec::new(),
            verdicts: Vec::new(),
        },
        tools,
    };
    bench.report.rounds = bench.extent.rounds;
    match setup::container_runtime().and_then(|()| host::ensure()) {
        Ok(daemon) => bench.daemon = Some(daemon),
        Err(error) => bench.report.refused.push(("containers".to_owned(), format!("{error:#}"))),
    }
    bench.describe_host()?;
    bench.choose_observers(options);
    let wanted = |name: &&str| options.workload.is_empty() || options.workload.iter().any(|one| one == name);
    for name in workloads().into_iter().filter(wanted) {
        say(&format!("measuring {name}"));
        if let Err(error) = bench.measure(name) {
            bench.failed.push(format!("{name}: not measured: {error:#}"));
            bench.report.refused.push((name.to_owned(), format!("{error:#}")));
        }
    }
    bench.close(options)
}

/// A run of the benchmarks.
struct Bench {
    tools: Tools,
    /// The program `workload` of `xtask/subjects`.
    program: PathBuf,
    /// Where loops make their files.
    files: tempfile::TempDir,
    daemon: Option<host::Host>,
    extent: Extent,
    /// Workloads that could not be measured.
    failed: Vec<String>,
    /// Those that work here; bare comes first.
    observers: Vec<Observer>,
    report: Report,
}

impl Bench {
    fn describe_host(&mut self) -> Result<()> {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut head = workspace::git();
        let host = &mut self.report.host;
        host.push(("kernel", kernel));
        host.push(("processors", processor_count().to_string()));
        host.push(("load before", fs::read_to_string("/proc/loadavg")?.trim().to_owned()));
        if let Some(daemon) = &self.daemon {
            host.push(("containers", daemon.describe()?));
        }
        if let Ok(commit) = command::read(head.args(["describe", "--always", "--dirty", "--abbrev=12"])) {
            host.push(("commit", commit));
        }
        host.push(("rounds", self.report.rounds.to_string()));
        Ok(())
    }

    fn choose_observers(&mut self, options: &Options) {
        for &observer in Observer::value_variants() {
            let is_wanted = match options.observer.as_slice() {
                [] => !(options.quick && observer.is_foreign()),
                named => observer == Observer::Bare || named.contains(&observer),
            };
            if !is_wanted {
                continue;
            }
            match observer.try_out(&self.tools, &processors().0) {
                Ok(()) => self.observers.push(observer),
                Err(error) => self.report.refused.push((observer.name(), format!("refused here: {error:#}"))),
            }
        }
    }

    fn measure(&mut self, name: &str) -> Result<()> {
        let (subject, load) = processors();
        let extent = &self.extent;
        if let Some(mut workload) =
            micro::workload(name, &self.program, self.files.path(), extent.loop_ms, &subject)
        {
            return self.rounds(&mut *workload);
        }
        if name == compile::NAME {
            return self.rounds(&mut compile::Build::prepare(extent.source_files)?);
        }
        if scale::names().any(|known| known == name) {
            return self.scale(name);
        }
        if large::names().any(|known| known == name) {
            self.report.large.push(large::measure(name, &self.tools, extent.scale_divisor)?);
            return Ok(());
        }
        let Some(daemon) = &self.daemon else { bail!("it takes a container runtime") };
        images::build_applications(daemon, &images::Release::of_host())?;
        if name == start::DESCRIPTION.name {
            return self.starts();
        }
        match applications::start(name, daemon, extent.load_seconds, &subject, &load)? {
            Some(mut workload) => self.rounds(&mut *workload),
            None => bail!("there is no such workload"),
        }
    }

    /// Every observer in turn, round after round.
    fn rounds(&mut self, workload: &mut dyn Workload) -> Result<()> {
        let description = workload.description();
        let tools = &self.tools;
        let series = interleave(&self.observers, self.extent.rounds, description, |observer| {
            workload.measure(&Observation { observer, tools })
        })?;
        self.report.series.extend(series);
        Ok(())
    }

    fn starts(&mut self) -> Result<()> {
        let Some(daemon) = &self.daemon else { bail!("it takes a container runtime") };
        let start = start::Start { daemon, tools: &self.tools, program: self.program.clone() };
        let observers: Vec<Observer> = self
            .observers
            .iter()
            .copied()
            .filter(|observer| *observer == Observer::Bare || observer.is_ours())
            .collect();
        // The first start finds caches cold, whoever makes it.
        start.measure(Observer::Bare)?;
        let series = interleave(&observers, self.extent.rounds, start::DESCRIPTION, |observer| {
            start.measure(observer).map(|figure| Measurement { figure, processor_us: None, footprint: None })
        })?;
        self.report.series.extend(series);
        Ok(())
    }

    fn scale(&mut self, name: &str) -> Result<()> {
        let daemon = self.daemon.as_ref().map(|daemon| daemon as &dyn Daemon);
        if let Some(daemon) = daemon {
            images::build_applications(daemon, &images::Release::of_host())?;
        }
        let scale = scale::Scale {
            daemon,
            tools: &self.tools,
            program: self.program.clone(),
            divisor: self.extent.scale_divisor,
        };
        let outcomes = &mut self.report.scale;
        scale.measure(name, &self.observers, |outcome| outcomes.push(outcome))
    }

    fn close(mut self, options: &Options) -> Result<()> {
        self.report.verdicts = targets::judge(&self.report);
        println!("{}", self.report.to_text());
        if let Some(output) = &options.output {
            fs::write(output, serde_json::to_string_pretty(&self.report.to_json())? + "\n")?;
            say(&format!("wrote {}", output.display()));
        }
        let missed = self.report.verdicts.iter().filter(|verdict| verdict.is_missed());
        let mut lines: Vec<String> = missed.map(targets::Verdict::to_line).collect();
        // What could not be measured has not been reached either.
        lines.extend(self.failed);
        for series in self.report.series.iter().filter(|series| series.observer.is_ours()) {
            let name = format!("{} under {}", series.description.name, series.observer.name());
            lines.extend(series.failures.iter().map(|failure| format!("{name}: a round failed: {failure}")));
        }
        if options.check && !lines.is_empty() {
            bail!("{} targets are missed:\n  {}", lines.len(), lines.join("\n  "));
        }
        Ok(())
    }
}

/// Measures in turn. A round whose bare run fails is an error; other failures are kept with their series.
fn interleave(
    observers: &[Observer],
    rounds: u32,
    description: workload::Description,
    mut measure: impl FnMut(Observer) -> Result<Measurement>,
) -> Result<Vec<Series>> {
    let mut series: Vec<Series> =
        observers.iter().map(|&observer| Series::new(description, observer)).collect();
    for _ in 0..rounds {
        let mut bare = None;
        for series in &mut series {
            match (measure(series.observer), series.observer, bare) {
                (Ok(measurement), Observer::Bare, _) => {
                    bare = Some(measurement);
                    series.add(measurement, measurement);
                }
                (Ok(measurement), _, Some(bare)) => series.add(measurement, bare),
                (Ok(_), _, None) => bail!("no bare run to compare with"),
                (Err(error), Observer::Bare, _) => return Err(error),
                (Err(error), ..) => series.failures.push(format!("{error:#}")),
            }
        }
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_interleaved_and_failures_kept() {
        let description = workload::Description { name: "x", unit: "ns", is_rate: false };
        let mut order = Vec::new();
        let observers = [Observer::Bare, Observer::Strace, Observer::Tracepoint];
        let series = interleave(&observers, 2, description, |observer| {
            order.push(observer);
            if observer == Observer::Strace {
                bail!("refused");
            }
            Ok(Measurement { figure: 2.0, processor_us: None, footprint: None })
        })
        .unwrap();
        assert_eq!(order, [observers, observers].concat());
        assert_eq!(series[1].failures, ["refused", "refused"]);
        assert_eq!(series[2].ratios, [1.0, 1.0]);
    }
}
