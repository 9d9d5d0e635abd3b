//! The page around it all: head, policy, navigation; and the templates.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::changes::{Changes, changes};
use super::subject::{SubjectView, subject};
use super::tree::Row;
use super::{HtmlError, Source};

/// The page's style.
const STYLE: &str = include_str!("../../templates/report.css");
/// The page's script.
const SCRIPT: &str = include_str!("../../templates/report.js");

#[derive(Template)]
#[template(path = "report.html", whitespace = "minimize")]
struct Page {
    title: String,
    policy: String,
    style: &'static str,
    script: &'static str,
    version: &'static str,
    subjects: Vec<SubjectView>,
    changes: Option<Changes>,
    /// The level of the headings of a subject's sections.
    level: u8,
}

pub(super) fn render(sources: &[Source<'_>]) -> Result<String, HtmlError> {
    let subjects: Vec<SubjectView> =
        (1..).zip(sources).map(|(number, source)| subject(number, source)).collect();
    let title = match subjects.as_slice() {
        [only] => only.name.clone(),
        several => format!("{} profiles", several.len()),
    };
    let level = if subjects.len() > 1 { 3 } else { 2 };
    let page = Page {
        level,
        title,
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        version: env!("CARGO_PKG_VERSION"),
        subjects,
        changes: changes(sources),
    };
    Ok(page.render()?)
}

/// Nothing may be loaded, sent or run but the page's own style and script.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}
