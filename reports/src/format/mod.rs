//! Output formats of a plan, one per file.
//!
//! Owns the list of formats ([`FORMATS`]); a new one is a file with a `render` function and a line there. A format
//! turns a finished [`Plan`] into text and decides nothing: what a target notation cannot express it says in a
//! comment or refuses with an error, it never leaves it out silently. Names from the subject are hostile: every
//! format escapes or quotes by the rules of its own notation.

mod command_line;
mod comment;
pub(crate) mod compose;
mod docker;
mod explain;
mod hardened;
mod json;
mod kubernetes;
mod mount_option;
mod page;
mod podman;
mod quadlet;
mod start_user;
mod systemd;
mod text;
mod unit_file;

pub(crate) use comment::size as size_text;
pub use docker::docker_arguments;
pub use explain::{ExplainError, explain};
pub use hardened::{Applied, FreshVolume, Preparation, apply};

use std::fmt;
use std::str::FromStr;

use crate::model::{Profile, SubjectPath};
use crate::plan::{Plan, Warning, low_ports, volume_name};

/// A format that a plan can be printed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// The plan itself, schema `writepath.plan/v1`.
    Json,
    /// A Compose override file.
    Compose,
    /// A `docker run` command line.
    Docker,
    /// A `podman run` command line.
    Podman,
    /// A `.container` unit for Podman's systemd generator.
    Quadlet,
    /// A patch of a Kubernetes Deployment.
    Kubernetes,
    /// A drop-in for a systemd service.
    Systemd,
}

/// What a format may be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether ANSI colours may be used (by the text format).
    pub color: bool,
    /// The name of the service in a Compose file, or of the Deployment and its container; by default the image's short
    /// name.
    pub service: Option<String>,
}

/// Why a plan cannot be printed in a format.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The format needs a container's configuration, and the profile is of a plain command.
    #[error("the profile is of a plain command, not of a container: there is no image to run")]
    NoContainer,
    /// The image reference in the profile is none.
    #[error("field `subject.config.image` is no image reference: `{0}`")]
    Image(String),
    /// A word that no shell can be handed.
    #[error("{what} holds a NUL byte, which no command line can")]
    Nul {
        /// Which option.
        what: String,
    },
    /// A mount option that cannot be read and would have to be changed.
    #[error("cannot make `{value}` read-only: {reason}")]
    MountOption {
        /// The option's value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A mount target that no notation can express; the planner makes none.
    #[error("`{0}` cannot be written as a mount target")]
    Target(String),
    /// The owner of a volume that is no `UID:GID`.
    #[error("`{0}` is no owner: it takes UID:GID in numbers")]
    Owner(String),
    /// Not a name that Compose accepts.
    #[error("`{0}` is no service name: use letters, digits, `.`, `_` and `-`")]
    Service(String),
    /// Not a name that Kubernetes accepts.
    #[error(
        "`{0}` is no name in Kubernetes: use up to 63 lower-case letters, digits and `-`, a letter or digit at both ends"
    )]
    Label(String),
    /// A mount path that Kubernetes does not take.
    #[error("`{target}` cannot be mounted by Kubernetes: {reason}")]
    MountPath {
        /// Where.
        target: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An option that Podman has no words for.
    #[error("`{value}` cannot be said to Podman: {reason}")]
    Podman {
        /// The option's value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that a unit file cannot hold.
    #[error("`{value}` cannot be written as {key}=: {reason}")]
    Unit {
        /// The setting.
        key: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The YAML writer failed.
    #[error("writing YAML: {0}")]
    Yaml(String),
    /// The JSON writer failed.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// One format's entry.
#[derive(Debug, Clone, Copy)]
pub struct FormatInfo {
    /// Which.
    pub format: Format,
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, for a help text.
    pub about: &'static str,
    render: fn(&Profile, &Plan, &Options) -> Result<String, FormatError>,
}

/// Every format.
pub const FORMATS: &[FormatInfo] = &[
    FormatInfo { format: Format::Text, name: "text", about: "for people", render: text::render },
    FormatInfo {
        format: Format::Json,
        name: "json",
        about: "for programs; the schema is writepath.plan/v1",
        render: json::render,
    },
    FormatInfo {
        format: Format::Compose,
        name: "compose",
        about: "a Compose override file",
        render: compose::render,
    },
    FormatInfo {
        format: Format::Docker,
        name: "docker",
        about: "a `docker run` command line",
        render: docker::render,
    },
    FormatInfo {
        format: Format::Podman,
        name: "podman",
        about: "a `podman run` command line",
        render: podman::render,
    },
    FormatInfo {
        format: Format::Quadlet,
        name: "quadlet",
        about: "a .container unit for Podman's systemd generator",
        render: quadlet::render,
    },
    FormatInfo {
        format: Format::Kubernetes,
        name: "kubernetes",
        about: "a patch of a Kubernetes Deployment",
        render: kubernetes::render,
    },
    FormatInfo {
        format: Format::Systemd,
        name: "systemd",
        about: "a drop-in for a systemd service on the host",
        render: systemd::render,
    },
];

/// Prints a plan. The text ends with a newline.
///
/// # Errors
/// [`FormatError`] where the format cannot express the plan.
pub fn render(
    format: Format,
    profile: &Profile,
    plan: &Plan,
    options: &Options,
) -> Result<String, FormatError> {
    (format.info().render)(profile, plan, options)
}

impl Format {
    /// Its entry.
    #[must_use]
    pub fn info(self) -> &'static FormatInfo {
        // Every format has an entry, which a test checks; the first would be the answer otherwise.
        FORMATS.iter().find(|info| info.format == self).unwrap_or(&FORMATS[0])
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)
    }
}

/// No format has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format of that name; there are {}", FORMATS.iter().map(|info| info.name).collect::<Vec<_>>().join(", "))]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        FORMATS.iter().find(|info| info.name == name).map(|info| info.format).ok_or(UnknownFormat)
    }
}

/// The name for a volume that had none (anonymous, or the image's own) and is to be read-only: Docker refuses
/// anonymous volumes that are (moby:volume/mounts/validate.go).
fn read_only_volume_name(profile: &Profile, plan: &Plan, target: &SubjectPath) -> String {
    let mut name = volume_name(&profile.subject.name, target);
    while plan.volumes.iter().any(|volume| volume.name == name) {
        name.push_str("-ro");
    }
    name
}

/// The warnings but for the one that a format acts on by itself: it lets the subject bind the ports below 1024 that it
/// was seen to bind.
fn other_warnings<'a>(profile: &Profile, plan: &'a Plan) -> impl Iterator<Item = &'a Warning> + use<'a> {
    let acted_on = low_ports(profile).is_some();
    plan.warnings.iter().filter(move |warning| !(acted_on && warning.code == "privileged-port"))
}

/// Why the root file system is read-only.
const READ_ONLY: &str = "every write seen in training falls on a mount";
/// Why it is not.
const NOT_READ_ONLY: &str = "some writes seen in training fall where nothing can be mounted";
/// Why no program may gain privileges.
const NO_NEW_PRIVILEGES: &str = "no program seen in training gains privileges";
/// Why a mount of the subject's own is read-only.
const ONLY_READ: &str = "only read in training";
/// Why anything else of the subject's own is there.
const AS_STARTED: &str = "as the subject was started";

/// Why capabilities are dropped.
fn dropped(plan: &Plan) -> &'static str {
    if plan.cap_add.is_empty() { "no capability was needed in training" } else { "all but those added" }
}

/// A target as text; the planner makes only such targets.
fn as_text(target: &SubjectPath) -> Result<&str, FormatError> {
    target.as_str().ok_or_else(|| FormatError::Target(target.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for info in FORMATS {
            assert_eq!(info.format.info().name, info.name);
            assert_eq!(info.format.to_string().parse(), Ok(info.format));
        }
        assert_eq!("yaml".parse::<Format>(), Err(UnknownFormat));
    }
}
