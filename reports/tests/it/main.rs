//! The pure half seen from outside: plans, formats and comparisons of hand-written profiles, and laws.
#![expect(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod build;
mod compose_tool;
mod diff;
mod formats;
mod laws;
mod plan;
mod read;
mod scale;
mod schema;
mod subjects;
