//! `no-new-privileges`.

use super::super::doubt;
use super::super::grounds::{ExecutionEvidence, PrivilegesKept};
use super::{Case, Draft, Rule};
use crate::model::Execution;

/// How many programs are kept as evidence.
const KEPT: usize = 8;

pub(super) const RULE: Rule = Rule {
    id: "no-new-privileges",
    about: "no-new-privileges is set unless a program gained privileges when it was executed.",
    doc: "A program gains privileges by set-user-id or set-group-id bits or by file capabilities, as sudo and ping \
          do; `no-new-privileges` prevents that, silently. Where none did in training, it is set; where one did, the \
          plan leaves it off and a warning names the program.",
    warnings: &["gains-privileges"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let mut gaining: Vec<&Execution> =
        case.profile.run.executions.iter().filter(|execution| execution.gains_privileges).collect();
    gaining.sort_by(|a, b| (&a.path, a.count).cmp(&(&b.path, b.count)));
    gaining.dedup_by(|a, b| a.path == b.path);
    for execution in &gaining {
        let message = format!(
            "{} gains privileges when it is executed (set-id bits or file capabilities), which no-new-privileges \
             would prevent; it is therefore not set",
            execution.path
        );
        draft.warn("gains-privileges", message, Some(execution.path.clone()));
    }
    draft.plan.no_new_privileges = gaining.is_empty();
    let (why, grounds) = if gaining.is_empty() {
        (
            "no program seen in training gained privileges when it was executed",
            doubt::grounds(&[&RULE], doubt::of_absence(case.profile)),
        )
    } else {
        (
            "programs gained privileges when they were executed, which it would prevent",
            doubt::grounds(&[&RULE], doubt::of_presence(case.profile)),
        )
    };
    draft.plan.no_new_privileges_grounds = Some(PrivilegesKept {
        why: why.to_owned(),
        evidence: gaining
            .into_iter()
            .take(KEPT)
            .map(|execution| ExecutionEvidence { path: execution.path.clone(), count: execution.count })
            .collect(),
        grounds,
    });
}
