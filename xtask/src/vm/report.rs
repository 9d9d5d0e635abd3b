//! What a machine said, as it said it, and what is left of it in the end: one line for each kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::payload::{COMPARED, SENSORS};
use crate::agreement::{self, Results};
use crate::test::Tally;

/// How many lines of a job's output a person is shown, besides the verdicts on single tests; all are in its log.
const SHOWN_LINES: u32 = 60;

/// A line from the guest. The guest's init says what each means.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Release(&'a str),
    Note(&'a str),
    Begin(&'a str),
    End {
        job: &'a str,
        status: i32,
        seconds: u64,
    },
    Skip(&'a str),
    Finished,
    /// A job's output.
    Output(&'a str),
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let Some((verb, rest)) =
            line.strip_prefix("@vm ").map(|said| said.split_once(' ').unwrap_or((said, "")))
        else {
            return Self::Output(line);
        };
        let ended = || {
            let (job, numbers) = rest.split_once(' ')?;
            let (status, seconds) = numbers.split_once(' ')?;
            Some(Self::End { job, status: status.parse().ok()?, seconds: seconds.parse().ok()? })
        };
        match verb {
            "release" => Self::Release(rest),
            "note" => Self::Note(rest),
            "begin" => Self::Begin(rest),
            "end" => ended().unwrap_or(Self::Output(line)),
            "skip" => Self::Skip(rest),
            "finished" => Self::Finished,
            _ => Self::Output(line),
        }
    }
}

/// What became of one kernel.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// `uname -r`.
    release: String,
    /// The sensors in use, as the profile of each run that was made to find out names them.
    sensors: BTreeMap<String, String>,
    tests: Tally,
    /// A kind of sensors that the kernel refuses is no failure.
    is_probing: bool,
    /// Kinds of sensors that nothing was run with, with the reason.
    without: BTreeMap<String, String>,
    /// What the tests left to be compared, for each kind of sensors.
    compared: Vec<Results>,
    /// The last error that the job printed.
    error: String,
    /// Lines that the job has said so far.
    said: u32,
    /// Jobs that failed or did not run, with the reason.
    failures: Vec<String>,
    /// The guest came to the end of its work.
    finished: bool,
    /// From the start of the machine to its end.
    took: Duration,
}

impl Report {
    /// Of a machine that is about to start, and leaves out what would be run with these kinds of sensors, for a reason.
    pub(super) fn new(is_probing: bool, lossy: &[(&str, &str)]) -> Self {
        let without = lossy.iter().map(|(kind, reason)| ((*kind).to_owned(), format!("left out: {reason}")));
        Self { is_probing, without: without.collect(), ..Self::default() }
    }

    /// Takes in a line; returns what a person should read of it.
    pub(super) fn add(&mut self, line: &str) -> Option<String> {
        match Line::parse(line) {
            Line::Release(release) => {
                release.clone_into(&mut self.release);
                Some(format!("Linux {release}"))
            }
            Line::Note(note) => Some(note.to_owned()),
            Line::Begin(job) => {
                self.said = 0;
                self.error.clear();
                Some(format!("begin {job}"))
            }
            Line::End { job, status, seconds } => {
                if let (true, 3, Some(kind)) = (self.is_probing, status, probed(job)) {
                    self.without.insert(kind.to_owned(), format!("refused: {}", self.error));
                } else if status != 0 {
                    // timeout(1) ends with 124, or with 137 where it had to kill.
                    let reason = match status {
                        124 | 137 => format!("{job} took too long"),
                        _ => format!("{job} ended with status {status}"),
                    };
                    self.failures.push(reason);
                }
                Some(format!("end {job}: status {status} after {seconds} s"))
            }
            Line::Skip(job) => {
                let is_of = |kind: &String| job.ends_with(&format!("-{kind}"));
                if !self.without.keys().any(is_of) {
                    self.failures.push(format!("{job} did not run"));
                }
                Some(format!("skip {job}"))
            }
            Line::Finished => {
                self.finished = true;
                None
            }
            Line::Output(output) => {
                self.tests.add(output);
                if let Some(error) = output.strip_prefix("error: ") {
                    error.clone_into(&mut self.error);
                }
                if output.starts_with("test ") {
                    return Some(output.to_owned());
                }
                self.said += 1;
                match self.said {
                    ..=SHOWN_LINES if output.trim().is_empty() => None,
                    ..=SHOWN_LINES => Some(output.to_owned()),
                    _ if self.said == SHOWN_LINES + 1 => Some("(the rest is in the job's log)".to_owned()),
                    _ => None,
                }
            }
        }
    }

    /// The machine is off, and its results lie in the directory.
    pub(super) fn close(&mut self, name: &str, results: &Path, took: Duration) -> Result<()> {
        self.took = took;
        self.compared = compared(name, results)?;
        for entry in fs::read_dir(results)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(SENSORS) && name.ends_with(".json") {
                let profile = fs::read(&path)?;
                let profile: Value = serde_json::from_slice(&profile)
                    .with_context(|| format!("{} is no profile", path.display()))?;
                let sensors = profile["host"]["sensors"].as_array().into_iter().flatten();
                let sensors: Vec<&str> = sensors.filter_map(Value::as_str).collect();
                let run = name.trim_end_matches(".json").to_owned();
                self.sensors.insert(run, sensors.join(", "));
            }
        }
        if self.sensors.is_empty() && !self.without.is_empty() {
            self.failures.push("no kind of sensors works".to_owned());
        }
        Ok(())
    }

    /// That of a kernel that came to no machine.
    pub(super) fn of_failure(error: anyhow::Error) -> Self {
        Self { failures: vec![format!("{error:#}")], ..Self::default() }
    }

    /// The machine failed.
    pub(super) fn fail(&mut self, reason: String) {
        self.failures.push(reason);
    }

    /// Whether the guest came to the end of its work.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    fn is_good(&self) -> bool {
        self.finished && self.failures.is_empty() && self.tests.failed == 0
    }

    fn lines(&self, name: &str) -> String {
        let Tally { passed, failed, skipped, .. } = self.tests;
        let verdict = if self.is_good() { "ok" } else { "FAILED" };
        let release = if self.release.is_empty() { "not booted" } else { &self.release };
        let seconds = self.took.as_secs();
        let mut lines = format!(
            "{name:<5} {verdict:<7} {release}: {passed} passed, {failed} failed, {skipped} skipped, {seconds} s\n"
        );
        for (run, sensors) in &self.sensors {
            lines.push_str(&format!("      {run}: {sensors}\n"));
        }
        for (kind, reason) in &self.without {
            lines.push_str(&format!("      {SENSORS}-{kind}: {reason}\n"));
        }
        for failure in &self.failures {
            lines.push_str(&format!("      {failure}\n"));
        }
        lines
    }
}

/// The kind of sensors that a job tries out, where it is one that does.
fn probed(job: &str) -> Option<&str> {
    let (_, name) = job.split_once('-')?;
    name.strip_prefix(SENSORS)?.strip_prefix('-')
}

/// What the tests of one machine left to be compared, for each kind of sensors.
pub(super) fn compared(name: &str, results: &Path) -> Result<Vec<Results>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(results)? {
        let path = entry?.path();
        let directory = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(kind) = directory.strip_prefix(COMPARED).and_then(|rest| rest.strip_prefix('-')) {
            all.insert(kind.to_owned(), Results::read(&format!("{name} {kind}"), &path)?);
        }
    }
    Ok(all.into_values().collect())
}

/// Prints what became of every kernel.
///
/// # Errors
/// Not everything passed on each, or they saw different things.
pub(super) fn print(reports: &[(String, Report)]) -> Result<()> {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, report) in reports {
        print!("{}", report.lines(name));
        passed += report.tests.passed;
        failed += report.tests.failed;
        skipped += report.tests.skipped;
    }
    let agreed =
        agreement::print(&reports.iter().flat_map(|(_, report)| &report.compared).collect::<Vec<_>>());
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    let bad: Vec<&str> =
        reports.iter().filter(|(_, report)| !report.is_good()).map(|(name, _)| name.as_str()).collect();
    if !bad.is_empty() {
        bail!("not everything passed on {}", bad.join(", "));
    }
    if passed == 0 {
        bail!("no test ran: does the filter match any?");
    }
    agreed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[&str]) -> Report {
        let mut report = Report::default();
        for line in lines {
            report.add(line);
        }
        report
    }

    const GOOD: [&str; 6] = [
        "@vm release 6.1.0",
        "@vm begin 00-operations",
        "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
        "",
        "@vm end 00-operations 0 12",
        "@vm finished",
    ];

    #[test]
    fn a_machine_that_finished_without_failures_is_good() {
        let good = report(&GOOD);
        assert!(
            good.is_good()
                && good.lines("6.1").starts_with("6.1   ok      6.1.0: 2 passed, 0 failed, 1 skipped")
        );
        assert!(print(&[("6.1".to_owned(), good)]).is_ok());
    }

    #[test]
    fn anything_else_is_not() {
        assert!(!report(&GOOD[..5]).is_good(), "it did not finish");
        for (line, reason) in [
            ("@vm end x 124 60", "x took too long"),
            ("@vm end x 101 60", "x ended with status 101"),
            ("@vm skip x", "x did not run"),
        ] {
            let mut bad = report(&GOOD);
            bad.add(line);
            assert!(!bad.is_good() && bad.lines("6.1").contains(reason), "{line}");
            assert!(print(&[("6.1".to_owned(), bad)]).is_err());
        }
        assert_eq!(Line::parse("@vm end x"), Line::Output("@vm end x"));
    }

    #[test]
    fn long_output_is_cut_but_for_verdicts() {
        let mut report = Report::default();
        let shown = (0..1000).filter(|_| report.add("0: (79) r7 = *(u64 *)(r1 +8)").is_some()).count();
        assert_eq!(u32::try_from(shown).unwrap(), SHOWN_LINES + 1);
        assert_eq!(report.add("test a ... ok").as_deref(), Some("test a ... ok"));
        report.add("@vm begin next");
        assert_eq!(report.add("hello").as_deref(), Some("hello"));
    }

    #[test]
    fn sensors_come_from_the_profiles() {
        let directory = tempfile::tempdir().unwrap();
        let profile = r#"{"host":{"sensors":["fexit/cap_capable","tp_btf/sys_exit"]}}"#;
        fs::write(directory.path().join("sensors.json"), profile).unwrap();
        fs::write(directory.path().join("other.json"), "no JSON").unwrap();
        let mut report = report(&GOOD);
        fs::create_dir(directory.path().join("compared-fexit")).unwrap();
        fs::write(directory.path().join("compared-fexit/plan.json"), "[1]").unwrap();
        report.close("6.1", directory.path(), Duration::from_secs(90)).unwrap();
        let lines = report.lines("6.1");
        assert!(lines.contains("90 s\n      sensors: fexit/cap_capable, tp_btf/sys_exit"), "{lines}");
        assert_eq!(report.compared.len(), 1);
    }

    #[test]
    fn what_is_only_probed_may_be_refused() {
        let said = [
            "@vm begin 00-sensors-fexit",
            "error: the kernel refused fexit/x: no",
            "@vm end 00-sensors-fexit 3 1",
            "@vm skip 01-operations-fexit",
        ];
        let directory = tempfile::tempdir().unwrap();
        let close = |mut report: Report| {
            for line in said.iter().chain(&GOOD) {
                report.add(line);
            }
            report.close("6.1", directory.path(), Duration::ZERO).unwrap();
            report
        };
        assert!(!close(Report::new(true, &[])).is_good(), "none is left");
        fs::write(directory.path().join("sensors-tracepoint.json"), "{}").unwrap();
        let probed = close(Report::new(true, &[]));
        assert!(probed.is_good());
        let lines = probed.lines("6.1");
        assert!(lines.contains("sensors-fexit: refused: the kernel refused fexit/x: no"), "{lines}");
        assert!(!close(Report::new(false, &[])).is_good(), "what is asked for must work");
    }

    #[test]
    fn what_is_left_out_is_told_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let mut report = Report::new(true, &[("tracepoint", "it loses runs")]);
        for line in
            ["@vm skip 02-sensors-tracepoint", "@vm skip 03-operations-tracepoint"].iter().chain(&GOOD)
        {
            report.add(line);
        }
        fs::write(directory.path().join("sensors-fexit.json"), "{}").unwrap();
        report.close("7.x", directory.path(), Duration::ZERO).unwrap();
        assert!(report.is_good());
        let lines = report.lines("7.x");
        assert!(lines.contains("sensors-tracepoint: left out: it loses runs"), "{lines}");
    }
}
