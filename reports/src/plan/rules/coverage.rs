//! What was not seen is said.

use super::super::dto::Warning;
use super::{Case, Draft, Rule};

pub(super) const RULE: Rule = Rule {
    id: "coverage",
    about: "A plan of an incomplete profile is incomplete, and says what was not seen.",
    doc: "Every gap of the profile becomes a warning with the gap's own code, and `complete` is false. Such a plan \
          is never called minimal: what it holds is needed, but something may be lacking. Elements that rest on \
          something that did not happen (a mount that was only read, no program that gains privileges) are of low \
          confidence then.",
    warnings: &["incomplete-profile"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let coverage = &case.profile.coverage;
    draft.plan.complete = coverage.complete;
    let mut gaps: Vec<Warning> = coverage
        .gaps
        .iter()
        .map(|gap| Warning {
            code: gap.code.clone(),
            message: if gap.count > 1 {
                format!("not everything was seen: {} ({} times)", gap.message, gap.count)
            } else {
                format!("not everything was seen: {}", gap.message)
            },
            path: None,
        })
        .collect();
    gaps.sort();
    draft.plan.warnings.extend(gaps);
    if draft.plan.warnings.is_empty() && !coverage.complete {
        draft.warn(
            "incomplete-profile",
            "the profile is incomplete: the plan may lack something".to_owned(),
            None,
        );
    }
}
