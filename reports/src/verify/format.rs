//! Formats of the result of a verification: text for people, JSON (schema `writepath.verification/v1`), JUnit XML.

use std::fmt::Write as _;

use super::junit;
use super::{Finding, Outcome, VerificationReport};
use crate::text::printable;

/// A format that the result of a verification can be printed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum VerificationFormat {
    /// For people.
    #[default]
    Text,
    /// The result itself.
    Json,
    /// JUnit XML, as continuous integration shows it.
    Junit,
}

/// Why a result cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum VerificationFormatError {
    /// The JSON writer failed.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The XML writer failed.
    #[error("writing JUnit XML: {0}")]
    Junit(String),
}

/// Prints the result of a verification. The text ends with a newline.
///
/// # Errors
/// Those of the writers; none is known for this type.
pub fn render(
    format: VerificationFormat,
    report: &VerificationReport,
    color: bool,
) -> Result<String, VerificationFormatError> {
    match format {
        VerificationFormat::Text => Ok(text(report, color)),
        VerificationFormat::Json => Ok(serde_json::to_string_pretty(report)? + "\n"),
        VerificationFormat::Junit => junit::render(report),
    }
}

/// How many findings people are shown.
const MOST_FINDINGS: usize = 40;

/// The verdict in words.
pub(super) fn verdict(report: &VerificationReport) -> String {
    let subject = printable(&report.subject);
    match report.verdict {
        Outcome::Holds => format!("holds: under its plan {subject} behaves as in training"),
        Outcome::DoesNotHold => format!("does not hold: under its plan {subject} fails"),
        Outcome::Flaky => {
            format!("flaky: under the same plan {subject} works in some runs and fails in others")
        }
        Outcome::Undecided => {
            format!("undecided: not everything was seen of {subject} under its plan")
        }
        Outcome::Interrupted => format!("interrupted: this is what was known of {subject} by then"),
    }
}

/// Seconds with one digit behind the point.
fn seconds(duration_ms: u64) -> String {
    format!("{}.{} s", duration_ms / 1000, duration_ms % 1000 / 100)
}

fn text(report: &VerificationReport, color: bool) -> String {
    // Destructured, so that a new field is not forgotten here.
    let VerificationReport {
        schema: _,
        subject: _,
        verdict: _,
        runs,
        duration_ms,
        compared,
        findings,
        changes,
        necessary,
        optional,
        flaky,
        warnings,
        plan: _,
    } = report;
    let (bold, off) = if color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let mut out = String::new();
    // Writing to a string does not fail.
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = out.write_fmt(args);
        out.push('\n');
    };
    line(format_args!("{bold}{}{off}", verdict(report)));
    let times = if *runs == 1 { "once".to_owned() } else { format!("{runs} times") };
    line(format_args!("  run {times}, {}; compared: {}", seconds(*duration_ms), compared.join(", ")));
    let (harmless, failures): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.harmless);
    if !failures.is_empty() {
        line(format_args!("\n{bold}What fails{off}"));
        for finding in failures.iter().take(MOST_FINDINGS) {
            finding_lines(finding, &mut line);
        }
        if let Some(more @ 1..) = failures.len().checked_sub(MOST_FINDINGS) {
            line(format_args!("  and {more} more, see --format json"));
        }
    }
    if !changes.is_empty() {
        line(format_args!("\n{bold}What was changed of the plan{off}"));
        for change in changes {
            line(format_args!("  {}", change.words()));
        }
    }
    if !necessary.is_empty() {
        line(format_args!("\n{bold}Necessary{off}"));
        for one in necessary {
            line(format_args!("  {}", printable(&one.element)));
            line(format_args!("      without: {}", printable(&one.without)));
        }
    }
    if !optional.is_empty() {
        line(format_args!("\n{bold}Optional, and not in the plan{off}"));
        for element in optional {
            let name = element.target.as_ref().map(ToString::to_string);
            let name = name.or_else(|| element.cap.as_deref().map(printable)).unwrap_or_default();
            line(format_args!("  {} {name}", kind_words(element.kind)));
            for failure in &element.failures {
                line(format_args!("      seen to fail harmlessly: {}", printable(failure)));
            }
        }
    }
    if !harmless.is_empty() {
        line(format_args!("\n{bold}Fails harmlessly, as the plan says{off}"));
        for finding in harmless.iter().take(MOST_FINDINGS) {
            line(format_args!("  {}", printable(&finding.message)));
        }
    }
    if !flaky.is_empty() {
        line(format_args!("\n{bold}Flaky, not decided{off}"));
        for one in flaky {
            line(format_args!("  {}", printable(one)));
        }
    }
    for warning in warnings {
        line(format_args!("\n{bold}Warning{off} ({})", printable(&warning.code)));
        line(format_args!("  {}", printable(&warning.message)));
    }
    out
}

fn kind_words(kind: crate::plan::ElementKind) -> &'static str {
    use crate::plan::ElementKind;
    match kind {
        ElementKind::Tmpfs => "tmpfs",
        ElementKind::Volume => "volume",
        ElementKind::Exec => "execution from the tmpfs",
        ElementKind::WritableMount => "writable mount",
        ElementKind::Capability => "capability",
        ElementKind::NewPrivileges => "programs that gain privileges",
        ElementKind::Root => "root",
    }
}

fn finding_lines(finding: &Finding, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    const MOST_PROCESSES: usize = 3;
    line(format_args!("  {}", printable(&finding.message)));
    if !finding.processes.is_empty() {
        let processes: Vec<_> =
            finding.processes.iter().take(MOST_PROCESSES).map(|process| printable(process)).collect();
        let times = if finding.count == 1 { "once".to_owned() } else { format!("{} times", finding.count) };
        line(format_args!("      by {}, {times}", processes.join(", ")));
    }
    match &finding.change {
        Some(change) => line(format_args!("      to mend it: {}", change.words())),
        // What is wrong with the run as a whole follows from something else.
        None if finding.kind.is_hard() => {}
        None => line(format_args!("      no change of the plan is known to mend it")),
    }
}
