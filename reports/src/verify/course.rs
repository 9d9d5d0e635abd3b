//! How the run went as a whole: readiness, load test, exit status.

use super::{Finding, FindingKind};
use crate::model::{Exit, Phase, Profile};

/// What is wrong with the course of a run, compared with training. What follows from the first is left out.
pub(super) fn finding(training: &Profile, under_plan: &Profile) -> Option<Finding> {
    let exit = under_plan.run.exit.as_ref();
    let died = exit.filter(|exit| !exit.stopped);
    if is_ready(training) && !is_ready(under_plan) {
        return Some(match died {
            Some(exit) => ended(exit, " before it was ready"),
            None => Finding::of_run(FindingKind::NotReady, "the subject does not become ready"),
        });
    }
    let load = under_plan.run.load.as_ref();
    match (load.map(|load| load.exit_status), died) {
        (Some(None), Some(exit)) => return Some(ended(exit, " while the load test was running")),
        (Some(None), None) => {
            return Some(Finding::of_run(FindingKind::Load, "the load test does not end"));
        }
        (Some(Some(0)) | None, _) => {}
        (Some(Some(status)), _) => {
            let trained = training.run.load.as_ref().and_then(|load| load.exit_status);
            let too = if trained == Some(status) { ", as it did in training" } else { "" };
            let message = format!("the load test fails with status {status}{too}");
            return Some(Finding::of_run(FindingKind::Load, message));
        }
    }
    exit_differs(training.run.exit.as_ref(), exit?)
}

/// Whether the subject was ready at some time.
pub(super) fn is_ready(profile: &Profile) -> bool {
    profile.run.phases.iter().any(|span| span.phase == Phase::Steady)
}

fn ended(exit: &Exit, when: &str) -> Finding {
    Finding::of_run(FindingKind::Exit, format!("the subject ends with status {}{when}", exit.status))
}

fn exit_differs(trained: Option<&Exit>, exit: &Exit) -> Option<Finding> {
    let finding = |message: String| Some(Finding::of_run(FindingKind::Exit, message));
    let Some(trained) = trained else {
        // It was left running.
        return if exit.stopped { None } else { Some(ended(exit, ", which it did not in training")) };
    };
    if exit.oom_killed && !trained.oom_killed {
        return finding("the kernel's OOM killer ends a process of the subject".to_owned());
    }
    match (trained.stopped, exit.stopped) {
        (true, false) => return Some(ended(exit, " by itself, which it did not in training")),
        (false, true) => {
            return finding("the subject does not end by itself, as it did in training".to_owned());
        }
        _ => {}
    }
    if trained.status != exit.status {
        return finding(format!(
            "the subject ends with status {}, and in training with {}",
            exit.status, trained.status
        ));
    }
    None
}
