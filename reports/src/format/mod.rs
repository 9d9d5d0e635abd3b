//! Output formats of a plan, one per file.
//!
//! Owns the list of formats ([`FORMATS`]); a new one is a file with a `render` function and a line there. A format
//! turns a finished [`Plan`] into text and decides nothing: what a target notation cannot express it says in a
//! comment or refuses with an error, it never leaves it out silently. Names from the subject are hostile: every
//! format escapes or quotes by the rules of its own notation.

mod comment;
mod compose;
mod docker;
mod json;
mod mount_option;
mod text;

pub use docker::docker_arguments;

use std::fmt;
use std::str::FromStr;

use crate::model::{Profile, SubjectPath};
use crate::plan::{Plan, volume_name};

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
}

/// What a format may be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether ANSI colours may be used (by the text format).
    pub color: bool,
    /// The service's name in a Compose file; by default the image's short name.
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
    /// Not a name that Compose accepts.
    #[error("`{0}` is no service name: use letters, digits, `.`, `_` and `-`")]
    Service(String),
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
    FormatInfo { format: Format::Json, name: "json", about: "the plan itself", render: json::render },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name() {
        for format in [Format::Text, Format::Json, Format::Compose, Format::Docker] {
            assert_eq!(format.info().format, format);
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("yaml".parse::<Format>(), Err(UnknownFormat));
    }
}
