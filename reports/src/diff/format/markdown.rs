//! A comparison as a comment on a change: GitHub's Markdown, which GitLab and others take as well.
//!
//! What came from the subject stands in code spans: in those nothing is markup, no name is linked and nobody is
//! mentioned. A span is fenced by more backticks than it holds in a row, and a line break or other invisible character is
//! escaped before (CommonMark 0.31, section 6.1). There are no tables, whose cells a `|` would end.

use std::fmt::Write as _;

use super::super::dto::{Change, Comparison, Diff, DiffWarning, Difference, Kind};
use super::super::words::{self, Part};
use super::{MAX_SHOWN, verdict};
use crate::text::printable;

/// The longest comment that hosts take has 65,536 characters; this leaves room for whoever adds to it.
const MAX_BYTES: usize = 60_000;

pub(super) fn render(diff: &Diff) -> String {
    let mut out = String::new();
    // Destructured, so that a new field is not forgotten here.
    let Diff { schema: _, findings: _, accepted: _, comparisons, services, warnings } = diff;
    let _ = writeln!(out, "## What the new release writes and needs\n\n**{}.**", verdict(diff));
    warn(&mut out, warnings);
    section(&mut out, "Services", services.iter().collect());
    for comparison in comparisons {
        one(&mut out, comparison);
    }
    out
}

/// Text in a code span.
fn code(text: &str) -> String {
    let text = printable(text);
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // One space at both ends is taken away again; without it a backtick at an end would join the fence.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Words of this program with names in code spans.
fn parts(parts: &[Part]) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) => code(name),
        })
        .collect()
}

fn warn(out: &mut String, warnings: &[DiffWarning]) {
    for warning in warnings {
        // The message quotes what came from profiles.
        let _ = writeln!(out, "\n> **Warning** ({}): {}", code(&warning.code), code(&warning.message));
    }
}

fn one(out: &mut String, comparison: &Comparison) {
    let Comparison { service, old, new, breaks, differences, warnings } = comparison;
    if let Some(service) = service {
        let _ = writeln!(out, "\n### Service {}", code(service));
    }
    let _ = writeln!(out, "\n{} compared with {}", code(&new.subject), code(&old.subject));
    warn(out, warnings);
    if !breaks.is_empty() {
        let _ = writeln!(out, "\n**The plan for the old release would break.** The new one also needs\n");
        for need in breaks.iter().take(MAX_SHOWN) {
            let why = if need.why.is_empty() { String::new() } else { format!(": {}", code(&need.why)) };
            item(out, &format!("{}{why}", code(&need.what)));
        }
        more(out, breaks.len());
    }
    let select = |wanted: &dyn Fn(&Difference) -> bool| -> Vec<&Difference> {
        differences.iter().filter(|difference| wanted(difference)).collect()
    };
    for kind in Kind::ALL {
        let open = select(&|difference| difference.kind == kind && difference.is_open());
        section(out, &format!("New: {}", words::heading(kind)), open);
    }
    let gone = select(&|difference| difference.change == Change::Gone);
    let noted = select(&|difference| !difference.finding && difference.change != Change::Gone);
    let accepted = select(&|difference| difference.accepted.is_some());
    for (summary, of) in
        [("Accepted by the baseline", accepted), ("Changed, but no finding", noted), ("Gone", gone)]
    {
        if !of.is_empty() {
            let _ = writeln!(out, "\n<details><summary>{summary} ({})</summary>", of.len());
            list(out, &of);
            let _ = writeln!(out, "\n</details>");
        }
    }
}

fn section(out: &mut String, heading: &str, differences: Vec<&Difference>) {
    if !differences.is_empty() {
        let _ = writeln!(out, "\n#### {heading}");
        list(out, &differences);
    }
}

fn list(out: &mut String, differences: &[&Difference]) {
    out.push('\n');
    let mut shown = 0;
    for difference in differences.iter().take(MAX_SHOWN) {
        if out.len() > MAX_BYTES {
            break;
        }
        shown += 1;
        let mut text = parts(&words::headline(difference));
        if difference.change == Change::Gone {
            item(out, &text);
            continue;
        }
        let who = words::who(difference);
        if !who.is_empty() {
            let _ = write!(text, " — {}", parts(&who));
        }
        if let Some(path) = words::example(difference) {
            let _ = write!(text, "; for instance {}", code(&path));
        }
        if let Some(why) = &difference.why {
            let _ = write!(text, "; {}", code(why));
        }
        if let Some(accepted) = &difference.accepted {
            let reason =
                accepted.reason.as_ref().map(|reason| format!(": {}", code(reason))).unwrap_or_default();
            let _ = write!(text, "; accepted in line {}{reason}", accepted.line);
        }
        item(out, &text);
    }
    if let Some(more @ 1..) = differences.len().checked_sub(shown) {
        item(out, &format!("and {more} more"));
    }
}

fn item(out: &mut String, text: &str) {
    let _ = writeln!(out, "- {text}");
}

fn more(out: &mut String, all: usize) {
    if let Some(more @ 1..) = all.checked_sub(MAX_SHOWN) {
        item(out, &format!("and {more} more"));
    }
}
