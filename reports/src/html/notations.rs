//! The plan in every format that there is, as it is pasted.
//!
//! Owns the two forms of a text: the one that is shown, in which what cannot be seen is written out, and, where that makes a
//! difference, the one that is copied. A format that refuses the plan is shown with its reason.

use crate::format::{FORMATS, Format, Options, render};
use crate::model::Profile;
use crate::plan::Plan;
use crate::text::printable;

/// The plan in one format.
pub(super) struct Notation {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// What is shown; the reason where it was refused.
    pub(super) shown: String,
    /// What is copied, where it is not what is shown: the pieces between its carriage returns, of which a reader of HTML
    /// would make newlines.
    pub(super) exact: Vec<String>,
    pub(super) refused: bool,
    /// Whether it is the one to be seen first.
    pub(super) first: bool,
}

/// The plan in all formats.
pub(super) fn notations(profile: &Profile, plan: &Plan) -> Vec<Notation> {
    let mut all: Vec<Notation> = FORMATS
        .iter()
        .map(|info| match render(info.format, profile, plan, &Options::default()) {
            Ok(text) => {
                let shown = seen(&text);
                let exact = match shown == text {
                    true => Vec::new(),
                    false => text.split('\r').map(str::to_owned).collect(),
                };
                Notation { name: info.name, about: info.about, shown, exact, refused: false, first: false }
            }
            Err(error) => Notation {
                name: info.name,
                about: info.about,
                shown: printable(&error.to_string()),
                exact: Vec::new(),
                refused: true,
                first: false,
            },
        })
        .collect();
    // What is pasted comes before what is read.
    let is_for_pasting =
        |notation: &Notation| ![Format::Text.info().name, Format::Json.info().name].contains(&notation.name);
    let first = all.iter().position(|notation| is_for_pasting(notation) && !notation.refused).unwrap_or(0);
    if let Some(first) = all.get_mut(first) {
        first.first = true;
    }
    all
}

/// Text with everything written out that cannot be seen, but for the ends of its lines.
fn seen(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}
