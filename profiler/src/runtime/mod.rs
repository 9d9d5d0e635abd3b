//! Container runtimes. Only `docker` knows bollard.

mod create;
pub(crate) mod docker;
mod image;
mod inspect;
mod life;
mod options;
mod project;
mod volumes;

pub(crate) use create::{OWNER_LABEL, owner_label};
pub(crate) use docker::{Docker, ImageFacts};
pub(crate) use inspect::Running;
pub(crate) use life::{Ended, EndedBy, Life};
pub(crate) use options::OptionError;
pub(crate) use project::{Made, Member};

/// What came of removing leftovers.
#[derive(Debug, Default)]
pub(crate) struct Cleared {
    /// How many containers and volumes were removed.
    pub(crate) count: usize,
    /// Why others were not.
    pub(crate) failed: Vec<String>,
}

impl Cleared {
    fn take(&mut self, removed: Result<(), RuntimeError>) {
        match removed {
            Ok(()) => self.count += 1,
            Err(error) => self.failed.push(error.to_string()),
        }
    }
}

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
    /// A container is not there.
    #[error("the container `{0}` does not exist")]
    NoContainer(String),
    /// It has stopped, or was never started.
    #[error("the container `{0}` is not running")]
    NotRunning(String),
    /// The beginning of several ids.
    #[error("`{0}` is the beginning of the ids of more than one container")]
    Ambiguous(String),
    /// Somebody else has a container of this name.
    #[error("the container name `{0}` is in use")]
    NameInUse(String),
    /// The runtime could not start what it had made.
    #[error("the container runtime could not start the container: {0}")]
    NotStarted(String),
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
