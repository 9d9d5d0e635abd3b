//! Whether the same test saw the same on different kernels, daemons and sensors.
//!
//! Tests leave results, JSON files in the directory that `WRITEPATH_TEST_RESULTS` names (profiler/tests/common). Here those
//! of the same name are compared, without what differs from run to run. Never judges a result: that is its test's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Fields that differ from run to run: texts with counts in them, what is estimated from looks at a clock's pace, and how
/// sure a plan is of what hangs on such looks.
const VOLATILE: [&str; 7] = ["size", "why", "evidence", "evidence_more", "message", "confidence", "doubts"];

/// What the tests left in one place.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// A kernel, a daemon, a kind of sensors.
    place: String,
    /// By the result's name: what it says, one line for each fact.
    by_name: BTreeMap<String, BTreeSet<String>>,
}

impl Results {
    /// Those in a directory; none where it is not there.
    pub(crate) fn read(place: &str, directory: &Path) -> Result<Self> {
        let mut results = Self { place: place.to_owned(), by_name: BTreeMap::new() };
        if !directory.is_dir() {
            return Ok(results);
        }
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let result = serde_json::from_slice(&fs::read(&path)?)
                .with_context(|| format!("{} is no JSON", path.display()))?;
            results.by_name.insert(name, facts(&result));
        }
        Ok(results)
    }
}

/// The facts of a result: one for each field, and one for each element of a list. Their order means nothing.
fn facts(result: &Value) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    match result {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| !VOLATILE.contains(&name.as_str())) {
                match value {
                    Value::Array(elements) => {
                        facts.extend(elements.iter().map(|element| format!("{name}: {}", lasting(element))));
                    }
                    value => {
                        facts.insert(format!("{name}: {}", lasting(value)));
                    }
                }
            }
        }
        Value::Array(elements) => facts.extend(elements.iter().map(|element| lasting(element).to_string())),
        value => {
            facts.insert(value.to_string());
        }
    }
    facts
}

/// A value without what differs from run to run.
fn lasting(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !VOLATILE.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), lasting(value))).collect())
        }
        Value::Array(elements) => Value::Array(elements.iter().map(lasting).collect()),
        value => value.clone(),
    }
}

/// What became of a comparison.
#[derive(Debug, Default, PartialEq, Eq)]
struct Comparison {
    /// Results that are the same wherever they are.
    agreed: Vec<String>,
    /// For people: what differs where.
    differences: Vec<String>,
}

/// Compares the results of the same name. Those of the most places, among equals of the first, are what the others are
/// said to differ from. With less than two places there is nothing to compare.
fn compare(all: &[&Results]) -> Comparison {
    let mut comparison = Comparison::default();
    if all.len() < 2 {
        return comparison;
    }
    let names: BTreeSet<&String> = all.iter().flat_map(|results| results.by_name.keys()).collect();
    for name in names {
        let found: Vec<_> = all.iter().map(|results| (&results.place, results.by_name.get(name))).collect();
        let votes = |facts: Option<&BTreeSet<String>>| {
            found.iter().filter(|(_, other)| facts.is_some() && *other == facts).count()
        };
        let most = found.iter().map(|(_, facts)| votes(*facts)).max();
        let usual = found.iter().find(|(_, facts)| Some(votes(*facts)) == most);
        let Some((usual_place, Some(usual))) = usual else { continue };
        let mut is_agreed = true;
        for (place, facts) in &found {
            let Some(facts) = facts else {
                is_agreed = false;
                comparison.differences.push(format!("{name}: {place} has no result, {usual_place} has"));
                continue;
            };
            if facts == usual {
                continue;
            }
            is_agreed = false;
            comparison.differences.push(format!("{name}: {place} (+) differs from {usual_place} (-)"));
            comparison.differences.extend(usual.difference(facts).map(|fact| format!("  - {fact}")));
            comparison.differences.extend(facts.difference(usual).map(|fact| format!("  + {fact}")));
        }
        if is_agreed {
            comparison.agreed.push(name.clone());
        }
    }
    comparison
}

/// Compares and prints the outcome.
///
/// # Errors
/// There are differences.
pub(crate) fn print(all: &[&Results]) -> Result<()> {
    let Comparison { agreed, differences } = compare(all);
    if !agreed.is_empty() {
        println!("the same in all {} places: {}", all.len(), agreed.join(", "));
    }
    for difference in &differences {
        println!("{difference}");
    }
    if !differences.is_empty() {
        bail!("what the tests saw is not the same everywhere");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(place: &str, plan: &str) -> Results {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("plan.json"), plan).unwrap();
        Results::read(place, directory.path()).unwrap()
    }

    #[test]
    fn what_differs_from_run_to_run_is_left_out() {
        let one =
            r#"{"complete":true,"caps":["A","B"],"tmpfs":[{"target":"/run","size":1,"why":"2 times"}]}"#;
        let other =
            r#"{"complete":true,"caps":["B","A"],"tmpfs":[{"target":"/run","size":9,"why":"3 times"}]}"#;
        let comparison = compare(&[&results("a", one), &results("b", other)]);
        assert_eq!(comparison, Comparison { agreed: vec!["plan".to_owned()], differences: Vec::new() });
    }

    #[test]
    fn the_odd_one_is_named_with_what_is_odd() {
        let (usual, odd) = (r#"["a","b"]"#, r#"["a","c"]"#);
        let all = [results("6.1", odd), results("6.12", usual), results("7.x", usual)];
        let comparison = compare(&all.iter().collect::<Vec<_>>());
        assert!(comparison.agreed.is_empty());
        let expected = ["plan: 6.1 (+) differs from 6.12 (-)", "  - \"b\"", "  + \"c\""];
        assert_eq!(comparison.differences, expected);
    }

    #[test]
    fn a_result_that_is_missing_is_a_difference() {
        let missing = Results::read("7.x", Path::new("/does/not/exist")).unwrap();
        let comparison = compare(&[&missing, &results("6.1", "[1]")]);
        assert_eq!(comparison.differences, ["plan: 7.x has no result, 6.1 has"]);
        assert_eq!(compare(&[&results("6.1", "[1]")]), Comparison::default());
    }
}
