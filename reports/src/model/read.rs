//! Reading profiles back: bounded, versioned, and with errors that name the place and the field.

use super::{PROFILE_SCHEMA, Profile};
use crate::json::{self, JsonError};

/// The largest profile that is read, in bytes. A million operations, indented, take about 400 MB.
pub const MAX_PROFILE_BYTES: usize = 512 << 20;

/// How many operations a profile may have.
pub const MAX_WRITES: usize = 2_000_000;

/// How many objects of the image it may list.
pub const MAX_IMAGE_ENTRIES: usize = 2_000_000;

/// How many training runs it may be the union of.
pub const MAX_MERGED_RUNS: usize = 1_000_000;

/// How many elements any other of its lists may have.
pub const MAX_ENTRIES: usize = json::MAX_LIST;

/// The lists that may be longer than [`MAX_ENTRIES`], by the name of the field that they stand in.
const LISTS: &[(&str, usize)] =
    &[("writes", MAX_WRITES), ("image_entries", MAX_IMAGE_ENTRIES), ("runs", MAX_MERGED_RUNS)];

/// Why some bytes are no profile that this version reads.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Larger than [`MAX_PROFILE_BYTES`].
    #[error("it is larger than {} MiB", MAX_PROFILE_BYTES >> 20)]
    TooLarge,
    /// Not JSON, cut off, beyond a bound, or JSON of another shape; the message names line, column and field.
    #[error(transparent)]
    Json(#[from] JsonError),
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
    /// [`ReadError`] where `bytes` is not a whole profile of schema v1, or one beyond the bounds.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReadError> {
        if bytes.len() > MAX_PROFILE_BYTES {
            return Err(ReadError::TooLarge);
        }
        if let Some(profile) = json::read::<Self>(bytes, LISTS)
            && profile.schema == PROFILE_SCHEMA
        {
            return Ok(profile);
        }
        let scanned = json::scan(bytes, LISTS)?;
        scanned.is_of(PROFILE_SCHEMA).map_err(|found| ReadError::Schema { found })?;
        Ok(scanned.read()?)
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
