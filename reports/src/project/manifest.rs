//! What is kept beside the profiles of a project, so that it can be verified: where its files are, and which services
//! there are. YAML, so that its name is none that a service's profile can have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The file's name.
pub const MANIFEST_FILE: &str = "compose.project.yaml";
/// The value of [`Manifest::schema`].
pub const MANIFEST_SCHEMA: &str = "writepath.project/v1";
/// The largest that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// A profiled project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`MANIFEST_SCHEMA`].
    pub schema: String,
    /// The project's name.
    pub project: String,
    /// The Compose files, absolute, in their order.
    pub files: Vec<String>,
    /// The directory that relative paths in them are relative to, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Files with variables, absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<String>,
    /// The profiles that were chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// The services that were named to be run; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// The services that were profiled.
    pub services: BTreeMap<String, ManifestService>,
}

/// A profiled service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestService {
    /// The file with its profile, in the same directory.
    pub profile: String,
    /// How many containers it had.
    pub replicas: usize,
    /// Whether its restart policy had to start it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarted: bool,
}

/// Why it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is too large.
    #[error("it is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// It cannot be parsed.
    #[error("{0}")]
    Yaml(String),
    /// It is something else.
    #[error("field `schema`: this is `{0}`, and {MANIFEST_SCHEMA} is what can be read")]
    Schema(String),
    /// A file outside the directory.
    #[error("field `services.{0}.profile`: it should be the name of a file in the same directory")]
    Profile(String),
}

impl Manifest {
    /// Reads it.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn from_yaml(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_BYTES {
            return Err(ManifestError::TooLarge);
        }
        let manifest: Self =
            serde_saphyr::from_slice(bytes).map_err(|error| ManifestError::Yaml(error.to_string()))?;
        if manifest.schema != MANIFEST_SCHEMA {
            return Err(ManifestError::Schema(crate::text::printable(&manifest.schema)));
        }
        let outside = manifest
            .services
            .iter()
            .find(|(_, service)| service.profile.contains('/') || !service.profile.ends_with(".json"));
        match outside {
            Some((name, _)) => Err(ManifestError::Profile(crate::text::printable(name))),
            None => Ok(manifest),
        }
    }

    /// As the file's content.
    ///
    /// # Errors
    /// Those of the YAML writer, in words.
    pub fn to_yaml(&self) -> Result<String, String> {
        serde_saphyr::to_string(self).map_err(|error| error.to_string())
    }
}
