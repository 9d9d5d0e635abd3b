//! Reading profiles back: bounded, versioned, and with errors that name the place.

use super::{PROFILE_SCHEMA, Profile};

/// The largest profile that is read, in bytes.
pub const MAX_PROFILE_BYTES: usize = 256 << 20;

/// Why some bytes are no profile that this version reads.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Larger than [`MAX_PROFILE_BYTES`].
    #[error("it is larger than {} MiB", MAX_PROFILE_BYTES >> 20)]
    TooLarge,
    /// Not JSON, cut off, or JSON of another shape; the message names line and column, and the field.
    #[error("line {}, column {}: {source}", .source.line(), .source.column())]
    Json {
        /// What serde_json says.
        source: serde_json::Error,
    },
    /// JSON, but the `schema` field is missing or names something else.
    #[error("field `schema` is {found}, and this version reads `{PROFILE_SCHEMA}`")]
    Schema {
        /// What stands there.
        found: String,
    },
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`ReadError`] where `bytes` is not a whole profile of schema v1.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReadError> {
        /// The one field that every version has.
        #[derive(serde::Deserialize)]
        struct Versioned {
            schema: Option<serde_json::Value>,
        }
        if bytes.len() > MAX_PROFILE_BYTES {
            return Err(ReadError::TooLarge);
        }
        let json = |source| ReadError::Json { source };
        let versioned: Versioned = serde_json::from_slice(bytes).map_err(json)?;
        match versioned.schema {
            Some(serde_json::Value::String(schema)) if schema == PROFILE_SCHEMA => {}
            Some(other) => {
                return Err(ReadError::Schema {
                    found: crate::text::printable(&format!("`{}`", short(&other))),
                });
            }
            None => return Err(ReadError::Schema { found: "missing".to_owned() }),
        }
        serde_json::from_slice(bytes).map_err(json)
    }

    /// Writes a profile, indented, with a newline at the end.
    ///
    /// # Errors
    /// Those of serde_json; none is known for this type.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// A value, at most 60 characters of it.
fn short(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned).chars().take(60).collect()
}
