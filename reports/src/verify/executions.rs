//! Programs that could not be executed under the plan, or not with the privileges that they gain.
//!
//! The kernel half sees executions that succeed; one that training shows and the run under the plan does not is a
//! finding where the plan is known to prevent it.

use super::operations::tmpfs_of;
use super::{Change, Comparison, Finding, FindingKind};
use crate::model::Execution;
use crate::plan::ElementKind;

pub(super) fn findings(comparison: &Comparison<'_>) -> Vec<Finding> {
    let mut findings = not_executed(comparison);
    findings.extend(without_privileges(comparison));
    findings
}

fn not_executed(comparison: &Comparison<'_>) -> Vec<Finding> {
    let Comparison { training, under_plan, plan, .. } = comparison;
    let mut findings = Vec::new();
    for mount in plan.tmpfs.iter().filter(|mount| !mount.exec) {
        let on_it = |execution: &&Execution| tmpfs_of(plan, &execution.path) == Some(&mount.target);
        let in_image = |execution: &Execution| {
            training.subject.image_entries.iter().any(|entry| entry.path == execution.path)
        };
        let mut executed = training.run.executions.iter().filter(on_it);
        let Some(first) = executed.find(|execution| !in_image(execution)) else { continue };
        if under_plan.run.executions.iter().any(|execution| on_it(&execution)) {
            continue;
        }
        let what = if first.mapped { "mapped to be executed" } else { "executed" };
        findings.push(Finding {
            path: Some(first.path.clone()),
            count: first.count,
            change: Some(Change::AllowExec { target: mount.target.clone() }),
            harmless: plan.optional.iter().any(|element| {
                element.kind == ElementKind::Exec && element.target.as_ref() == Some(&mount.target)
            }),
            ..Finding::of_run(
                FindingKind::Execution,
                format!("{} is not {what}: the tmpfs {} is noexec", first.path, mount.target),
            )
        });
    }
    findings
}

fn without_privileges(comparison: &Comparison<'_>) -> Option<Finding> {
    let Comparison { training, under_plan, plan, .. } = comparison;
    let gained = |execution: &&Execution| execution.gains_privileges;
    let lost = |execution: &&Execution| {
        !under_plan.run.executions.iter().filter(gained).any(|other| other.path == execution.path)
    };
    let execution =
        training.run.executions.iter().filter(gained).find(lost).filter(|_| plan.no_new_privileges)?;
    Some(Finding {
        path: Some(execution.path.clone()),
        count: execution.count,
        change: Some(Change::AllowNewPrivileges),
        harmless: plan.optional.iter().any(|element| element.kind == ElementKind::NewPrivileges),
        ..Finding::of_run(
            FindingKind::Execution,
            format!("{} does not gain the privileges that it gained in training", execution.path),
        )
    })
}
