//! What may be in a file of JSON before anything is made of it: the bounds, and errors that name the place.
//!
//! Owns the bounds: how long the lists and texts are, how much there is in all, and that no object names a member twice
//! (of which another reader might take the other one). Depth is serde_json's own limit, 128. `bounded` reads within them
//! what is as it should be, fast; `scan` is one pass over anything that keeps nothing and says what is wrong where. What
//! the values mean is for the types that are read, whose memory is bounded by what passed here.

mod bounded;
mod scan;

use std::fmt;

use serde::de::DeserializeOwned;

pub(crate) use self::scan::scan;
use crate::text::printable;

/// The longest text, in bytes. Nothing that is recorded is longer than a command line, and Linux takes 6 MiB of that at
/// most (fs/exec.c `bprm_stack_limits`).
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// How many members an object may have.
pub const MAX_MEMBERS: usize = 1024;

/// How many values there may be in all: enough for the largest profile's lists, each element as large as any is.
pub const MAX_VALUES: usize = 48_000_000;

/// How many elements a list may have that nothing else is said of.
pub const MAX_LIST: usize = 65_536;

/// Why some bytes are no JSON, or none that is read: with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct JsonError {
    /// The line, from 1; 0 where there is none.
    pub line: usize,
    /// The column, from 1; 0 at the beginning of a line.
    pub column: usize,
    /// The field, for instance `writes[3].path`; empty where it is the whole.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)?;
        if !self.field.is_empty() {
            write!(f, ", field `{}`", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl JsonError {
    fn new(error: &serde_json::Error, field: &str) -> Self {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&place).unwrap_or(&message);
        Self {
            line: error.line(),
            column: error.column(),
            field: printable(field),
            message: printable(message),
        }
    }
}

/// Names of members whose lists may be of another length than [`MAX_LIST`], with that.
type Lists<'l> = &'l [(&'l str, usize)];

/// How many elements a list may have that is the member of this name, or stands in its list.
fn most(lists: Lists<'_>, name: &str) -> usize {
    lists.iter().find(|(list, _)| *list == name).map_or(MAX_LIST, |(_, most)| *most)
}

/// Reads `bytes` in one go where they are within the bounds and of the shape of `T`, without anything that it does not
/// know. `None` says nothing: [`scan()`] tells what is wrong, if anything is.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], lists: Lists<'_>) -> Option<T> {
    bounded::read(std::str::from_utf8(bytes).ok()?, lists)
}
