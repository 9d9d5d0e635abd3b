//! Compose projects: all services followed at the same time, from their first instruction to their end.
//!
//! Owns the order of things: resolving, making all containers without starting them, following each, starting them as
//! `depends_on` says, the load against the whole, stopping in the opposite order, removing what was made. Compose's own
//! tool resolves, makes and starts ([`tool`]); one set of sensors follows all, each container as a subject of its own.
//! A run has a project name of its own, so that the user's containers and volumes stay untouched, and its label is on
//! everything that was made, so that a later run clears what one that was killed left behind.

mod files;
mod images;
mod services;
mod start;
pub(crate) mod tool;
mod training;

pub(crate) use files::compose_files;
pub(crate) use services::ServiceTrained;
pub(crate) use tool::{Project, Tool};
pub(crate) use training::{ProjectTrained, ProjectTraining};
