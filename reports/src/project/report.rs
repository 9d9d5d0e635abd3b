//! The result of a project's verification: the frozen types of schema `writepath.project-verification/v1`, and its
//! formats.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::printable;
use crate::verify::{Finding, Outcome, VerificationFormat, VerificationFormatError};

/// The value of [`ProjectReport::schema`].
pub const PROJECT_SCHEMA: &str = "writepath.project-verification/v1";

/// The result of a project's verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectReport {
    /// Always [`PROJECT_SCHEMA`].
    pub schema: String,
    /// The project's name.
    pub project: String,
    /// What it came to, of all services together.
    pub verdict: Outcome,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What concerns the project as a whole.
    pub findings: Vec<ProjectFinding>,
    /// The services, by name.
    pub services: Vec<ServiceReport>,
}

/// What went wrong with the project as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectFinding {
    /// For people.
    pub message: String,
}

/// What was found out about a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceReport {
    /// Its name.
    pub service: String,
    /// What it came to.
    pub verdict: Outcome,
    /// What went otherwise than in training.
    pub findings: Vec<Finding>,
    /// What was not seen, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

/// Prints the result. The text ends with a newline.
///
/// # Errors
/// Those of the writers; JUnit is not offered.
pub fn render_project(
    format: VerificationFormat,
    report: &ProjectReport,
    color: bool,
) -> Result<String, VerificationFormatError> {
    match format {
        VerificationFormat::Text => Ok(text(report, color)),
        VerificationFormat::Json => Ok(serde_json::to_string_pretty(report)? + "\n"),
        VerificationFormat::Junit => Err(VerificationFormatError::Junit(
            "a project's result has no such form yet; there are text and json".to_owned(),
        )),
    }
}

fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::DoesNotHold => "does not hold",
        Outcome::Flaky => "flaky",
        Outcome::Undecided => "undecided: not everything was seen",
        Outcome::Interrupted => "interrupted",
    }
}

fn text(report: &ProjectReport, color: bool) -> String {
    // Destructured, so that a new field is not forgotten here.
    let ProjectReport { schema: _, project, verdict, duration_ms, findings, services } = report;
    let (bold, off) = if color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{bold}{}: under the override file the project {} was run once, {}.{} s{off}",
        words(*verdict),
        printable(project),
        duration_ms / 1000,
        duration_ms % 1000 / 100
    );
    for finding in findings {
        let _ = writeln!(out, "  {}", printable(&finding.message));
    }
    for ServiceReport { service, verdict, findings, gaps } in services {
        let _ = writeln!(out, "\n{bold}{}{off}: {}", printable(service), words(*verdict));
        for gap in gaps {
            let _ = writeln!(out, "  not seen: {}", printable(gap));
        }
        for finding in findings.iter().filter(|finding| !finding.harmless) {
            let _ = writeln!(out, "  {}", printable(&finding.message));
            if let Some(change) = &finding.change {
                let _ = writeln!(out, "      to mend it: {}", printable(&change.words()));
            }
        }
    }
    out
}
