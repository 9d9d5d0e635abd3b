//! Container runtimes. Only `docker` knows bollard.

mod create;
pub(crate) mod docker;
mod image;
mod inspect;
mod options;

pub(crate) use docker::{Docker, ImageFacts};
pub(crate) use inspect::Running;
pub(crate) use options::OptionError;

/// Why the runtime could not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuntimeError {
    /// Nobody answers.
    #[error("no container runtime answers at {address}: {message}")]
    Unreachable {
        /// The socket's address.
        address: String,
        /// Why.
        message: String,
    },
    /// The image is neither here nor to be had.
    #[error("the image `{image}` is not on this host{detail}")]
    NoImage {
        /// Its reference.
        image: String,
        /// What a pull said.
        detail: String,
    },
    /// A container is not there, or not running.
    #[error("the container `{container}` {detail}")]
    NoContainer {
        /// Its name or id, as given.
        container: String,
        /// What is wrong with it.
        detail: String,
    },
    /// An option is malformed.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The runtime refused.
    #[error("the container runtime could not {action}: {message}")]
    Refused {
        /// What was asked for.
        action: &'static str,
        /// What it said.
        message: String,
    },
}
