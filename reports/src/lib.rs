//! The pure half of writepath: the profile model, the recommender, the comparison, and every output format.
//!
//! Nothing here does I/O beyond what it is handed, reads a clock, knows a kernel or a container runtime; it builds
//! and passes its tests on any operating system without privileges.

pub mod capability;
pub mod diff;
pub mod format;
pub mod model;
pub mod plan;
pub mod text;
pub mod verdict;
