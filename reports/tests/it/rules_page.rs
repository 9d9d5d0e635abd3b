//! `docs/capabilities.md` is what the table of rules says. `UPDATE_DOCS=1` rewrites it.

use std::fmt::Write as _;

use reports::model::Verdict;
use reports::verdict::RULES;

use super::page::docs;

const HEAD: &str = "\
# When a capability is needed

Generated from `RULES` in `reports/src/verdict/rules.rs`; `UPDATE_DOCS=1 cargo test -p reports` rewrites it.

Every capability check of the subject gets one of three verdicts, and only `required` ones enter a plan:

| verdict | meaning |
| --- | --- |
| `required` | it was granted, and the operation hung on it |
| `opportunistic` | it was granted, but the operation would have succeeded without it |
| `attempted` | it was refused, or the operation was refused all the same, and the subject went on |

What a verdict rests on: the check's own result; the result of the system call; the credentials and the user namespace;
the system call's arguments, where they tell that nothing new is asked for; the options that the kernel function passed
(`CAP_OPT_NOAUDIT`, where the hook tells them: never decisive alone); and the kernel's call chain with symbols.

The rules are tried in this order, and the first that matches decides. A granted check that none matches is `required`.
Wherever something is not known (no symbols, a result that was not seen) it counts as needed: a plan that is too generous
by a capability still works.

Where DAC_OVERRIDE is required, DAC_READ_SEARCH is left out of the plan as far as it served for reading and searching only:
the kernel asks for the latter first and takes either.

| rule | capabilities | verdict | reason | kernel source |
| --- | --- | --- | --- | --- |
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for rule in RULES {
        let caps = if rule.caps.is_empty() { "all".to_owned() } else { rule.caps.join(", ") };
        let verdict = match rule.verdict {
            Verdict::Attempted => "attempted",
            Verdict::Opportunistic => "opportunistic",
            Verdict::Required => "required",
        };
        writeln!(page, "| `{}` | {caps} | {verdict} | {} | {} |", rule.name, rule.reason, rule.source)
            .unwrap();
    }
    page
}

#[test]
fn the_page_of_rules_is_up_to_date() {
    let file = docs().join("capabilities.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, page()).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        kept,
        page(),
        "docs/capabilities.md is not what the rules say; UPDATE_DOCS=1 cargo test -p reports"
    );
}
