//! The chain from an element of a plan back to system calls, for people; and for what is not in a plan, why not.
//!
//! Owns the question's forms (a path, a capability, `no-new-privileges`, an alternative's name) and the layout of the
//! answer: what it is, why, by which rules, how sure, and every observation, failed ones included, that bears on it.
//! The answers about paths are in `place`, those about privileges in `privilege`. Decides nothing: it reads what the plan
//! says and what the profile holds.

mod place;
mod privilege;

use std::fmt;

use super::Options;
use super::comment::size;
use super::page::Page;
use crate::capability;
use crate::model::{Profile, SubjectPath};
use crate::plan::{DOUBTS, Grounds, Overrides, Plan, TmpfsMount, VolumeMount, rule};
use crate::text::printable;

/// How many observations are shown at most.
const ROWS: usize = 60;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// Neither a path nor a name that is known.
    #[error(
        "`{0}` is neither an absolute path, nor a capability (for instance CHOWN), nor `no-new-privileges`, nor an \
         alternative of this plan"
    )]
    Unknown(String),
    /// Not a path.
    #[error("`{text}`: {source}")]
    Path {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: crate::model::PathError,
    },
}

/// Explains one thing of a plan that was made of the profile with these overrides: a path, a capability (with or without
/// `CAP_`), `no-new-privileges`, or an alternative by its kind. The text ends with a newline.
///
/// # Errors
/// [`ExplainError`] where `what` is none of these.
pub fn explain(
    profile: &Profile,
    plan: &Plan,
    overrides: &Overrides,
    what: &str,
    options: &Options,
) -> Result<String, ExplainError> {
    let mut page = Answer { page: Page::new(options.color), profile, plan, overrides };
    if what.starts_with('/') {
        let path = SubjectPath::from_escaped(what)
            .map_err(|source| ExplainError::Path { text: printable(what), source })?;
        page.path(&path);
    } else if what.eq_ignore_ascii_case("no-new-privileges") {
        page.no_new_privileges();
    } else if let Some(alternative) = plan.alternatives.iter().find(|alternative| alternative.kind == what) {
        page.alternative(alternative);
    } else if let Some(info) = capability::by_name(&what.to_ascii_uppercase()) {
        page.capability(info);
    } else {
        return Err(ExplainError::Unknown(printable(&what.chars().take(80).collect::<String>())));
    }
    Ok(page.page.text)
}

struct Answer<'a> {
    page: Page,
    profile: &'a Profile,
    plan: &'a Plan,
    overrides: &'a Overrides,
}

impl Answer<'_> {
    fn line(&mut self, args: fmt::Arguments<'_>) {
        self.page.line(args);
    }

    fn title(&mut self, name: &str, what: &str) {
        let (bold, off) = (self.page.style.bold, self.page.style.off);
        self.line(format_args!("{bold}{}{off}: {}", printable(name), printable(what)));
    }

    fn why(&mut self, why: &str) {
        self.page.heading("Why");
        self.page.paragraph(2, why);
    }

    fn grounds(&mut self, grounds: &Grounds) {
        self.page.heading("Rules");
        if grounds.rule.is_empty() {
            self.page.paragraph(2, "The plan does not say.");
        }
        for id in &grounds.rule {
            self.line(format_args!("  {}", printable(id)));
            self.page.paragraph(6, rule(id).map_or("not a rule of this version", |rule| rule.about));
        }
        self.page.heading("Confidence");
        self.line(format_args!("  {}", grounds.confidence.name()));
        for code in &grounds.doubts {
            let about = DOUBTS.iter().find(|doubt| doubt.code == code).map(|doubt| doubt.about);
            self.page.paragraph(6, &format!("{code}: {}", about.unwrap_or("not a doubt of this version")));
        }
    }

    fn more(&mut self, rows: usize) {
        if let Some(more) = rows.checked_sub(ROWS).filter(|more| *more > 0) {
            self.line(format_args!("  and {more} more"));
        }
    }
}

fn tmpfs(mount: &TmpfsMount) -> String {
    format!(
        "a tmpfs of {}, {} {}:{}, {},{},{}",
        size(mount.size),
        printable(&mount.mode),
        mount.uid,
        mount.gid,
        if mount.exec { "exec" } else { "noexec" },
        if mount.suid { "suid" } else { "nosuid" },
        if mount.dev { "dev" } else { "nodev" },
    )
}

fn named(volume: &VolumeMount) -> String {
    let seeded = if volume.seed_from_image { ", starts as in the image" } else { "" };
    let owner = volume.owner.as_ref().map(|owner| format!(", must belong to {owner}")).unwrap_or_default();
    format!("the volume {}{seeded}{owner}", volume.name)
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
