//! A command line for a shell: one option a line, with the reason for each in comments above the command, because a
//! shell has no place for comments inside one.
//!
//! Owns quoting (POSIX words, by `shlex`) and the layout. What the options are is for the formats.

use super::FormatError;
use super::comment;
use crate::text::printable;

/// One option with its value, and the reason for it; none where it is the subject's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flag {
    pub(super) words: Vec<String>,
    pub(super) why: Option<String>,
}

impl Flag {
    /// An option with a reason.
    pub(super) fn new(words: &[&str], why: impl Into<String>) -> Self {
        Self { words: words.iter().map(|word| (*word).to_owned()).collect(), why: Some(why.into()) }
    }

    /// One of the subject's own.
    pub(super) fn own(words: Vec<String>) -> Self {
        Self { words, why: None }
    }
}

/// A comment: what it is about on a line, and what is said of it on the next.
pub(super) fn remark(about: &str, why: &str) -> String {
    format!("# {}\n#   {}\n", printable(about), comment::line(why))
}

/// The reasons, then the command with its options and, on the last line, image and arguments.
pub(super) fn write(command: &str, flags: &[Flag], last: Vec<String>) -> Result<String, FormatError> {
    let mut text = String::new();
    for Flag { words, why } in flags {
        if let Some(why) = why {
            text.push_str(&remark(&words.join(" "), why));
        }
    }
    text.push_str(command);
    for words in flags.iter().map(|flag| &flag.words).chain([&last]) {
        text.push_str(" \\\n  ");
        text.push_str(&quoted(words)?);
    }
    text.push('\n');
    Ok(text)
}

/// Words for a POSIX shell, on one line unless a word itself holds a newline.
pub(super) fn quoted(words: &[String]) -> Result<String, FormatError> {
    shlex::try_join(words.iter().map(String::as_str))
        .map_err(|_| FormatError::Nul { what: printable(&words.join(" ")) })
}
