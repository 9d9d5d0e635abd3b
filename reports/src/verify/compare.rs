//! The comparison of a run under a plan with training.

use super::mend::Mender;
use super::{Finding, capabilities, course, executions, operations, space};
use crate::model::Profile;
use crate::plan::Plan;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The training run.
    pub training: &'a Profile,
    /// The run under the plan.
    pub under_plan: &'a Profile,
    /// The plan.
    pub plan: &'a Plan,
    /// The last lines that the subject printed, where it failed.
    pub last_lines: &'a str,
}

/// What went otherwise under the plan than in training: what is wrong with the run as a whole first, then what failed
/// in it, in order of time. The plan holds where all of it is harmless.
#[must_use]
pub fn compare(comparison: &Comparison<'_>) -> Vec<Finding> {
    let mender = Mender::new(comparison);
    let mut details = operations::findings(comparison, &mender);
    details.extend(capabilities::findings(comparison));
    details.extend(executions::findings(comparison));
    let hard = course::finding(comparison.training, comparison.under_plan);
    let said_full = details.iter().any(|finding| finding.errno.as_deref() == Some("ENOSPC"));
    if hard.is_some() && !said_full {
        details.extend(space::findings(comparison, &mender));
    }
    let mut findings = Vec::new();
    if let Some(mut hard) = hard {
        // With nothing else to go by, what training's own plan has and this one has not. What did no harm so far is
        // nothing to go by.
        if details.iter().all(|finding| finding.harmless || finding.change.is_none()) {
            hard.change = mender.guess();
        }
        findings.push(hard);
    }
    findings.append(&mut details);
    findings
}
