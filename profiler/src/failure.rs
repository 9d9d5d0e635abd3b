//! Errors as the user meets them: a kind, which decides the exit status, a message and hints that say what to do.

use crate::{runtime::RuntimeError, sensor::SensorError};

/// What an error means for the exit status; see the table in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A finding: the load test failed, the subject crashed, a comparison found something.
    Finding,
    /// Wrong usage or unreadable input.
    Usage,
    /// This host cannot do it.
    Host,
    /// The profile is incomplete.
    Incomplete,
}

impl Kind {
    /// The exit status.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Finding => 1,
            Self::Usage => 2,
            Self::Host => 3,
            Self::Incomplete => 4,
        }
    }
}

/// An error that ends a command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What it means.
    pub(crate) kind: Kind,
    /// What happened.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// An error without hints.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// Adds a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<SensorError> for Failure {
    fn from(error: SensorError) -> Self {
        let failure = Self::new(Kind::Host, error.to_string());
        match error {
            SensorError::Load { .. } if !crate::host::is_root() => failure.hint("run it as root (CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE are needed)"),
            SensorError::Load { .. } => failure.hint("kernel lockdown in confidentiality mode and container sandboxes forbid BPF programs; Linux 5.10 is the oldest that is supported"),
            SensorError::NoBtf(_) | SensorError::NoHook { .. } | SensorError::Btf(_) | SensorError::Map { .. } => failure,
        }
    }
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        let message = error.to_string();
        match error {
            RuntimeError::Unreachable { .. } => Self::new(Kind::Host, message).hint(
                "start Docker (`systemctl start docker` or `dockerd`), or set DOCKER_HOST to the socket of the daemon; install it with `apt-get install docker.io`",
            ),
            RuntimeError::NoImage { .. } => {
                Self::new(Kind::Usage, message).hint("`docker image ls` shows the images on this host")
            }
            RuntimeError::NoContainer { .. } => {
                Self::new(Kind::Usage, message).hint("`docker ps` shows the containers that run on this host")
            }
            RuntimeError::Option(_) => Self::new(Kind::Usage, message),
            RuntimeError::Refused { .. } => Self::new(Kind::Host, message),
        }
    }
}
