//! Compose projects: several services that are profiled, hardened and verified together.
//!
//! Owns what the resolved project says that matters here ([`Definition`]), how it is run for a training or a
//! verification ([`instance()`]), how profiles of a scaled service become one ([`merge_replicas`]), the override file
//! for all services ([`hardened()`]), what is kept beside the profiles ([`Manifest`]), and the result of a verification
//! ([`ProjectReport`]). Never resolves a Compose file: variables, profiles, extends and the like are the Compose
//! tool's, whose `config` is what is read here.

mod definition;
mod hardened;
mod instance;
mod manifest;
mod order;
mod replicas;
mod report;

pub use definition::{Condition, Definition, DefinitionError, MAX_DEFINITION_BYTES, Service};
pub use hardened::{HARDENED_FILE, ServiceProfile, hardened};
pub use instance::{Instance, instance};
pub use manifest::{MANIFEST_FILE, MANIFEST_SCHEMA, Manifest, ManifestError, ManifestService};
pub use order::levels;
pub use replicas::merge_replicas;
pub use report::{PROJECT_SCHEMA, ProjectFinding, ProjectReport, ServiceReport, render_project};
