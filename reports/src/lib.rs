//! The pure half of writepath: the profile model, the recommender, comparison and union, verification, every output format,
//! and the report.
//!
//! Nothing here does I/O beyond what it is handed, reads a clock, knows a kernel or a container runtime; it builds
//! and passes its tests on any operating system without privileges.

pub mod capability;
pub mod diff;
pub mod errno;
pub mod format;
pub mod html;
pub mod json;
pub mod merge;
pub mod model;
mod names;
pub mod plan;
pub mod project;
pub mod text;
pub mod verdict;
pub mod verify;
