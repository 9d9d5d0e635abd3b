//! Two directories with the profiles of the services of one project: compared service by service.

use std::collections::BTreeMap;

use super::compare;
use super::dto::{Change, DIFF_SCHEMA, Diff, Difference, Kind};
use super::input::Input;

/// Compares two sets of profiles or plans, by the names of the services. Services that only one of them has are named; one
/// that only NEW has is a finding.
#[must_use]
pub fn diff_projects(old: &BTreeMap<String, Input>, new: &BTreeMap<String, Input>, size_factor: f64) -> Diff {
    let both = old.iter().filter_map(|(service, before)| Some((service, before, new.get(service)?)));
    let comparisons = both.map(|(service, before, after)| compare(before, after, Some(service), size_factor));
    let comparisons = comparisons.collect();
    let mut services = Vec::new();
    for (change, these, those) in [(Change::New, new, old), (Change::Gone, old, new)] {
        for service in these.keys().filter(|service| !those.contains_key(*service)) {
            services.push(Difference {
                finding: change == Change::New,
                service: Some(service.clone()),
                ..Difference::of(Kind::Service, change)
            });
        }
    }
    let mut diff = Diff {
        schema: DIFF_SCHEMA.to_owned(),
        findings: 0,
        accepted: 0,
        comparisons,
        services,
        warnings: Vec::new(),
    };
    diff.count();
    diff
}
