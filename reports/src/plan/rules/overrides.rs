//! Mounts that the user told the plan to have.

use super::super::layout::Told;
use super::{Case, Draft, Rule};

pub(super) const RULE: Rule = Rule {
    id: "override",
    about: "What the user says about a place goes before what the other rules would choose.",
    doc: "`--tmpfs PATH[:OPTIONS]` and `--volume PATH` (or `tmpfs` and `volume` in `writepath.toml`) put a mount of \
          that kind on PATH, whether or not anything was written there; options that are given are taken, the others \
          follow the evidence. A VOLUME of the image is replaced by what is said; other mounts of the subject are its \
          own and cannot be. `--max-tmpfs SIZE` bounds every tmpfs that is not spoken for.",
    warnings: &["override-unused"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let idle: Vec<_> = draft
        .layout
        .targets
        .iter()
        .filter(|target| case.told(&target.directory).is_some() && target.writes.is_empty())
        .map(|target| (target.directory.clone(), case.told(&target.directory)))
        .collect();
    for (directory, told) in idle {
        let flag = if told == Some(Told::Tmpfs) { "--tmpfs" } else { "--volume" };
        draft.warn(
            "override-unused",
            format!(
                "{directory} is in the plan because of {flag}: nothing that was seen in training needs it"
            ),
            Some(directory),
        );
    }
}
