//! The pure half seen from outside: plans, formats and comparisons of hand-written profiles, and laws.
#![expect(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod alternatives;
mod build;
mod catalog;
mod ci_page;
mod compose_tool;
mod confidence;
mod consumers;
mod diff;
mod diff_baseline;
mod diff_catalog;
mod diff_formats;
mod diff_laws;
mod explain;
#[cfg(target_os = "linux")]
mod fleet_page;
mod formats;
mod html;
mod laws;
mod merge;
mod overrides;
mod page;
mod plan;
mod plan_file;
mod plan_laws;
mod plan_rules;
mod project;
mod read;
mod rules_page;
mod scale;
mod schema;
mod stability;
mod subjects;
mod verify;
mod warnings;
