//! Output formats of a comparison, one per file.
//!
//! Owns the list of formats ([`DIFF_FORMATS`]); a new one is a file with a `render` function and a line there. A format
//! decides nothing. Names from the subject are hostile: every format escapes by the rules of its own notation.

mod json;
mod markdown;
mod sarif;
mod text;

use std::str::FromStr;

use super::dto::Diff;

/// A format that a comparison can be printed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DiffFormat {
    /// For people.
    #[default]
    Text,
    /// For a comment on a change.
    Markdown,
    /// The comparison itself, schema `writepath.diff/v1`.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// What a format may be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiffOptions {
    /// Whether ANSI colours may be used (by the text format).
    pub color: bool,
    /// What was read as NEW, as given: findings are located in it (by SARIF).
    pub new_name: String,
}

/// One format's entry.
#[derive(Debug, Clone, Copy)]
pub struct DiffFormatInfo {
    /// Which.
    pub format: DiffFormat,
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, for a help text.
    pub about: &'static str,
    render: fn(&Diff, &DiffOptions) -> Result<String, serde_json::Error>,
}

/// Every format.
pub const DIFF_FORMATS: &[DiffFormatInfo] = &[
    DiffFormatInfo {
        format: DiffFormat::Text,
        name: "text",
        about: "For people",
        render: |diff, options| Ok(text::render(diff, options.color)),
    },
    DiffFormatInfo {
        format: DiffFormat::Markdown,
        name: "markdown",
        about: "For a comment on a change",
        render: |diff, _| Ok(markdown::render(diff)),
    },
    DiffFormatInfo {
        format: DiffFormat::Json,
        name: "json",
        about: "For programs; the schema is writepath.diff/v1",
        render: |diff, _| json::render(diff),
    },
    DiffFormatInfo {
        format: DiffFormat::Sarif,
        name: "sarif",
        about: "SARIF 2.1.0, for code scanning",
        render: sarif::render,
    },
];

/// No format has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format of that name; there are {}", DIFF_FORMATS.iter().map(|info| info.name).collect::<Vec<_>>().join(", "))]
pub struct UnknownDiffFormat;

impl FromStr for DiffFormat {
    type Err = UnknownDiffFormat;

    fn from_str(name: &str) -> Result<Self, UnknownDiffFormat> {
        DIFF_FORMATS.iter().find(|info| info.name == name).map(|info| info.format).ok_or(UnknownDiffFormat)
    }
}

impl std::fmt::Display for DiffFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let info = DIFF_FORMATS.iter().find(|info| info.format == *self);
        f.write_str(info.map_or("", |info| info.name))
    }
}

/// Prints a comparison. It ends with a newline.
///
/// # Errors
/// Those of the JSON writer; none is known for these types.
pub fn render(format: DiffFormat, diff: &Diff, options: &DiffOptions) -> Result<String, serde_json::Error> {
    match DIFF_FORMATS.iter().find(|info| info.format == format) {
        Some(info) => (info.render)(diff, options),
        None => json::render(diff),
    }
}

/// How many differences of one kind people are shown.
const MAX_SHOWN: usize = 50;

/// The result in one line; names are not escaped.
fn verdict(diff: &Diff) -> String {
    let accepted = match diff.accepted {
        0 => String::new(),
        accepted => format!(", {accepted} accepted"),
    };
    match diff.findings {
        0 if diff.accepted > 0 => format!("Nothing new that is not accepted{accepted}"),
        0 => "Nothing new".to_owned(),
        1 => format!("1 finding{accepted}"),
        findings => format!("{findings} findings{accepted}"),
    }
}
