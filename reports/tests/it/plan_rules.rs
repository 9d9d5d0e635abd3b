//! `docs/rules.md` is what the rules say. `UPDATE_DOCS=1` rewrites it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use reports::plan::{DOUBTS, Plan, RULES, rule};

use crate::page::docs;
use crate::subjects;

const HEAD: &str = "\
# How a plan is made

Generated from the rules in `reports/src/plan/rules/` and the doubts in `reports/src/plan/doubt.rs`;
`UPDATE_DOCS=1 cargo test -p reports` rewrites it.

A plan is made by rules, applied in the order of this page. Every element of a plan names the rules that made it
(`rule`), the observations that it rests on (`evidence`), how sure it is (`confidence`) and what lowers that (`doubts`).
`writepath recommend --explain TARGET|CAP` prints all of it for one element, down to the system calls.

";

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| rule | what it does |\n| --- | --- |\n");
    for rule in RULES {
        writeln!(page, "| [`{0}`](#{0}) | {1} |", rule.id, rule.about).unwrap();
    }
    for rule in RULES {
        writeln!(page, "\n## {}\n\n{}\n\n{}", rule.id, rule.about, rule.doc).unwrap();
        if !rule.warnings.is_empty() {
            let codes: Vec<String> = rule.warnings.iter().map(|code| format!("`{code}`")).collect();
            writeln!(page, "\nWarnings: {}.", codes.join(", ")).unwrap();
        }
    }
    page.push_str(
        "\n## Confidence\n\nAn element is of `high` confidence where the training run showed it, else as sure as its \
         gravest doubt leaves it.\n\n| doubt | leaves | meaning |\n| --- | --- | --- |\n",
    );
    for doubt in DOUBTS {
        writeln!(page, "| `{}` | {} | {} |", doubt.code, doubt.leaves.name(), doubt.about).unwrap();
    }
    page
}

#[test]
fn the_page_of_rules_is_up_to_date() {
    let file = docs().join("rules.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, page()).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, page(), "docs/rules.md is not what the rules say; UPDATE_DOCS=1 cargo test -p reports");
}

#[test]
fn rules_and_doubts_are_well_formed() {
    let kebab = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let mut names = BTreeSet::new();
    for rule in RULES {
        assert!(kebab(rule.id) && names.insert(rule.id), "{}", rule.id);
        assert!(
            rule.about.ends_with('.') && !rule.about.contains('\n') && rule.doc.len() > 80,
            "{}",
            rule.id
        );
        assert!(rule.warnings.iter().all(|code| kebab(code)), "{}", rule.id);
        assert_eq!(reports::plan::rule(rule.id).map(|found| found.about), Some(rule.about));
    }
    let mut names = BTreeSet::new();
    assert!(DOUBTS.iter().all(|doubt| kebab(doubt.code) && names.insert(doubt.code)));
}

/// Every element of a plan says by which rules it is there, and only rules and doubts that exist are named.
fn check(plan: &Plan) {
    let grounds = plan
        .tmpfs
        .iter()
        .map(|mount| &mount.grounds)
        .chain(plan.volumes.iter().map(|volume| &volume.grounds))
        .chain(plan.cap_add.iter().map(|add| &add.grounds))
        .chain(plan.mounts_read_only_grounds.iter().map(|kept| &kept.grounds))
        .chain(plan.no_new_privileges_grounds.iter().map(|kept| &kept.grounds))
        .chain(plan.alternatives.iter().map(|alternative| &alternative.grounds));
    for grounds in grounds {
        assert!(!grounds.rule.is_empty() && grounds.rule.iter().all(|id| rule(id).is_some()), "{grounds:?}");
        let doubts: Vec<_> = grounds
            .doubts
            .iter()
            .map(|code| DOUBTS.iter().find(|doubt| doubt.code == code).unwrap())
            .collect();
        let gravest = doubts.iter().map(|doubt| doubt.leaves).min();
        assert_eq!(gravest.unwrap_or(reports::plan::Confidence::High), grounds.confidence, "{grounds:?}");
    }
    assert!(plan.no_new_privileges_grounds.is_some());
    let targets: Vec<_> = plan.mounts_read_only_grounds.iter().map(|kept| kept.target.clone()).collect();
    assert_eq!(targets, plan.mounts_read_only);
}

#[test]
fn every_element_names_its_rules_and_every_warning_is_a_rules() {
    for build in [subjects::nginx(), subjects::postgres(), subjects::redis(), subjects::hostile()] {
        let plan = build.plan();
        check(&plan);
        let gaps: BTreeSet<&str> = build.profile.coverage.gaps.iter().map(|gap| gap.code.as_str()).collect();
        for warning in &plan.warnings {
            let known = RULES.iter().any(|rule| rule.warnings.contains(&warning.code.as_str()));
            assert!(known || gaps.contains(warning.code.as_str()), "{warning:?}");
        }
    }
}
