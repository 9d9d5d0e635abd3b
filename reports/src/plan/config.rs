//! `writepath.toml`: the same words as the options of `recommend`, kept in a file.
//!
//! ```toml
//! [recommend]
//! tmpfs = ["/tmp:size=256m"]
//! volume = ["/var/lib/app"]
//! ignore = ["/var/log/**"]
//! max-tmpfs = "512m"
//! ```
//!
//! Owns the file's shape and its errors, which name line, column and field. Keys that it does not know are errors: a
//! misspelt one would change nothing, silently. Never opens a file.

use std::ops::Range;
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;

use super::overrides::{IgnoreGlob, OverrideError, Overrides, TmpfsOverride, parse_size, parse_target};
use crate::text::printable;

/// The largest file that is read, in bytes.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Larger than [`MAX_CONFIG_BYTES`].
    #[error("it is larger than {} KiB", MAX_CONFIG_BYTES >> 10)]
    TooLarge,
    /// Not UTF-8.
    #[error("line {line}: it is no UTF-8 text")]
    Utf8 {
        /// The line, from 1.
        line: usize,
    },
    /// Not TOML, or not of this shape; the message names the field.
    #[error("line {line}, column {column}: {message}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A value that means nothing.
    #[error("line {line}, column {column}: field `{field}`: {source}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// The field, for instance `recommend.tmpfs[0]`.
        field: String,
        /// What is wrong.
        source: OverrideError,
    },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    recommend: Section,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    #[serde(default)]
    tmpfs: Vec<Spanned<String>>,
    #[serde(default)]
    volume: Vec<Spanned<String>>,
    #[serde(default)]
    ignore: Vec<Spanned<String>>,
    max_tmpfs: Option<Spanned<String>>,
}

impl Overrides {
    /// Reads `writepath.toml`.
    ///
    /// # Errors
    /// [`ConfigError`] names line, column and field.
    pub fn from_toml(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() > MAX_CONFIG_BYTES {
            return Err(ConfigError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            ConfigError::Utf8 { line: before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1) }
        })?;
        let File { recommend: Section { tmpfs, volume, ignore, max_tmpfs } } =
            toml::from_str(text).map_err(|error| {
                let (line, column) = place(text, error.span());
                ConfigError::Toml { line, column, message: printable(error.message().trim_end()) }
            })?;
        let size = |size: &str| parse_size(size);
        Ok(Self {
            tmpfs: all(text, "tmpfs", &tmpfs, TmpfsOverride::from_str)?,
            volumes: all(text, "volume", &volume, parse_target)?,
            ignore: all(text, "ignore", &ignore, IgnoreGlob::from_str)?,
            max_tmpfs: max_tmpfs
                .map(|value| one(text, "recommend.max-tmpfs".to_owned(), &value, size))
                .transpose()?,
        })
    }
}

fn all<T>(
    text: &str,
    key: &str,
    values: &[Spanned<String>],
    parse: impl Fn(&str) -> Result<T, OverrideError>,
) -> Result<Vec<T>, ConfigError> {
    let numbered = values.iter().enumerate();
    numbered.map(|(index, value)| one(text, format!("recommend.{key}[{index}]"), value, &parse)).collect()
}

fn one<T>(
    text: &str,
    field: String,
    value: &Spanned<String>,
    parse: impl Fn(&str) -> Result<T, OverrideError>,
) -> Result<T, ConfigError> {
    parse(value.get_ref()).map_err(|source| {
        let (line, column) = place(text, Some(value.span()));
        ConfigError::Value { line, column, field, source }
    })
}

/// Line and column, from 1, of where a span begins.
fn place(text: &str, span: Option<Range<usize>>) -> (usize, usize) {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    (line, column)
}
