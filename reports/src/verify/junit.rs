//! The result of a verification as JUnit XML: a test case for everything that was compared.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::format::{VerificationFormatError, verdict};
use super::{Finding, FindingKind, Outcome, VerificationReport};

/// What is compared, as test cases: the name, and the findings that fail it.
pub(super) const CASES: [(&str, &[FindingKind]); 6] = [
    ("readiness", &[FindingKind::NotReady, FindingKind::NotStarted]),
    ("exit-status", &[FindingKind::Exit]),
    ("load-test", &[FindingKind::Load]),
    ("operations", &[FindingKind::Operation]),
    ("capabilities", &[FindingKind::Capability]),
    ("executions", &[FindingKind::Execution]),
];

pub(super) fn render(report: &VerificationReport) -> Result<String, VerificationFormatError> {
    let mut suite = TestSuite::new(format!("writepath verify {}", report.subject));
    suite.set_time(Duration::from_millis(report.duration_ms));
    for (name, kinds) in CASES {
        let of_case = |finding: &&Finding| kinds.contains(&finding.kind) && !finding.harmless;
        let failed: Vec<&Finding> = report.findings.iter().filter(of_case).collect();
        if failed.is_empty() && !report.compared.iter().any(|compared| compared == name) {
            continue;
        }
        suite.add_test_case(case(name, &failed));
    }
    let kind = match report.verdict {
        Outcome::Holds | Outcome::DoesNotHold => None,
        Outcome::Flaky => Some(NonSuccessKind::Failure),
        Outcome::Undecided | Outcome::Interrupted => Some(NonSuccessKind::Error),
    };
    if let Some(kind) = kind {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(verdict(report));
        suite.add_test_case(TestCase::new("verdict", status));
    }
    let mut junit = Report::new("writepath");
    junit.add_test_suite(suite);
    let mut xml = junit.to_string().map_err(|error| VerificationFormatError::Junit(error.to_string()))?;
    if !xml.ends_with('\n') {
        xml.push('\n');
    }
    Ok(xml)
}

fn case(name: &str, failed: &[&Finding]) -> TestCase {
    let Some(first) = failed.first() else { return TestCase::new(name, TestCaseStatus::success()) };
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(first.kind.name());
    status.set_message(match failed.len() {
        1 => first.message.clone(),
        count => format!("{} and {} more", first.message, count - 1),
    });
    let lines: Vec<String> = failed
        .iter()
        .map(|finding| match &finding.change {
            Some(change) => format!("{}; to mend it: {}", finding.message, change.words()),
            None => finding.message.clone(),
        })
        .collect();
    status.set_description(lines.join("\n"));
    TestCase::new(name, status)
}
