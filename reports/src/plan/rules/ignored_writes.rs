//! Operations that the user told to leave out.

use super::super::evidence::listed;
use super::{Case, Draft, Rule};

/// How many patterns are named.
const NAMED: usize = 4;

pub(super) const RULE: Rule = Rule {
    id: "ignored-writes",
    about: "Operations on paths that the user said to ignore make no place writable.",
    doc: "`--ignore GLOB` (or `ignore` in `writepath.toml`) leaves out every operation all of whose names match the \
          pattern or lie below a directory that does. `*` and `?` match within one component, `**` across them. \
          Under the plan such operations fail; how many were seen is said.",
    warnings: &["ignored-writes"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let Some(ignored) = &case.ignored else { return };
    let patterns = case.overrides.ignore.iter().map(|pattern| pattern.as_str());
    draft.warn(
        "ignored-writes",
        format!(
            "{} {} left out as told ({}); under the plan they fail",
            ignored.operations,
            if ignored.operations == 1 { "operation was" } else { "operations were" },
            listed(patterns, NAMED)
        ),
        ignored.first.clone(),
    );
}
