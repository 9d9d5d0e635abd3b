//! One page for people: profiles and their plans as a single HTML file that needs nothing else.
//!
//! Owns what is on the page and how it is said. The data are copied into view types of their own first (`subject` and the
//! modules beside it), every name made printable; the templates in `reports/templates/` lay them out, and askama escapes
//! whatever they print. Decides nothing about a plan. Never refers to another file or the network: a strict
//! content security policy lets the page's own style and script run, by their hashes, and nothing else, so that a name that
//! got past the escaping would still be inert. Without scripts everything is there, but for copying and filtering.

mod capabilities;
mod changes;
mod coverage;
mod notations;
mod page;
mod place;
mod places;
mod run;
mod subject;
mod timeline;
mod tree;
mod verdict;
mod words;

use crate::model::Profile;
use crate::plan::Plan;

/// A profile to report on.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What tells it from the others, for instance the name of its file.
    pub label: &'a str,
    /// The profile.
    pub profile: &'a Profile,
    /// The plan that was made of it.
    pub plan: &'a Plan,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// The template failed; none of the page's is known to.
    #[error("writing HTML: {0}")]
    Template(#[from] askama::Error),
}

/// Makes the page. Several sources stand side by side, in their order; of exactly two of one subject it also says what
/// changed from the first to the second.
///
/// # Errors
/// [`HtmlError`], of which none is known to happen.
pub fn render(sources: &[Source<'_>]) -> Result<String, HtmlError> {
    page::render(sources)
}
