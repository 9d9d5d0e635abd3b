//! Accepted differences, in a file that people read and edit.
//!
//! ```toml
//! [[accept]]
//! kind = "write"
//! op = "create"
//! path = "/var/lib/app/reports/*"
//! reason = "the new report writer"
//! ```
//!
//! Owns the file's shape, what an entry matches, and how entries are added without touching what is there. An entry
//! matches where all that it says does; what it does not say matches anything. Keys that it does not know are errors: a
//! misspelt one would accept more than was meant. Never opens a file.

use std::ops::Range;

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use toml::Spanned;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::dto::{Accepted, Diff, DiffWarning, Difference, Kind};
use super::generalise::{PLACEHOLDERS, all_holes};
use super::words;
use crate::model::Op;
use crate::text::printable;

/// The largest file that is read, in bytes.
pub const MAX_BASELINE_BYTES: usize = 8 << 20;
/// How many entries there may be.
const MAX_ENTRIES: usize = 100_000;
/// The longest pattern, in bytes.
const MAX_GLOB_BYTES: usize = 16_384;
/// What any placeholder is while patterns are matched: no path holds a NUL byte.
pub(super) const ANY_HOLE: &str = "\0";

/// What a new file begins with.
const HEADER: &str = "\
# Differences that `writepath diff --baseline FILE` accepts: what is listed here does not count as a finding.
# `writepath diff OLD NEW --baseline FILE --accept` adds what is not listed yet, and changes nothing that is.
#
# An entry accepts what matches all that it says. kind is write, mount, cap, exec, privileges, port, denied, size,
# service or * for any; path and from take patterns (* within a directory, ** across them, {pid}, {n}, {uuid}, {time},
# {hex}, {rand} for what differs from run to run, [*] for a star that is meant); op, cap, port, service
# and after (what a plan says now) are compared as they are; reason is for people.
";

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Larger than [`MAX_BASELINE_BYTES`].
    #[error("it is larger than {} MiB", MAX_BASELINE_BYTES >> 20)]
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
    #[error("line {line}, column {column}: field `{field}`: {message}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// The field, for instance `accept[0].path`.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// More entries than are read.
    #[error("it has more than {MAX_ENTRIES} entries")]
    TooMany,
    /// `accept` is written in a way that entries cannot be added to.
    #[error("field `accept`: entries can be added where they are written as `[[accept]]`")]
    Inline,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accept: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    kind: Spanned<String>,
    op: Option<Spanned<String>>,
    path: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    cap: Option<String>,
    port: Option<u16>,
    service: Option<String>,
    after: Option<String>,
    reason: Option<String>,
}

/// A pattern for paths with placeholders.
#[derive(Debug)]
struct PathGlob {
    text: String,
    matcher: GlobMatcher,
}

#[derive(Debug)]
struct Entry {
    line: usize,
    /// Absent: any.
    kind: Option<Kind>,
    op: Option<String>,
    path: Option<PathGlob>,
    from: Option<PathGlob>,
    cap: Option<String>,
    port: Option<u16>,
    service: Option<String>,
    after: Option<String>,
    reason: Option<String>,
}

/// Accepted differences.
#[derive(Debug, Default)]
pub struct Baseline {
    text: String,
    entries: Vec<Entry>,
}

impl PathGlob {
    fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_GLOB_BYTES {
            return Err(format!("a pattern is at most {MAX_GLOB_BYTES} bytes long"));
        }
        if !(text.starts_with('/') || text.starts_with('*')) {
            return Err(format!("`{}` matches no path: a pattern starts with `/` or `*`", printable(text)));
        }
        let matcher = GlobBuilder::new(&canonical(text))
            .literal_separator(true)
            .backslash_escape(false)
            .build()
            .map_err(|error| printable(&error.to_string()))?
            .compile_matcher();
        Ok(Self { text: text.to_owned(), matcher })
    }

    /// Whether it matches a path of a difference: as it is shown, or as it was observed.
    fn matches(&self, shown: Option<&String>, observed: &[String]) -> bool {
        shown.is_some_and(|shown| self.matcher.is_match(canonical(shown)))
            || !observed.is_empty() && observed.iter().all(|path| self.matcher.is_match(path))
    }

    /// Whether it says nothing.
    fn is_everything(&self) -> bool {
        matches!(self.text.trim_start_matches('/'), "*" | "**" | "**/*")
    }
}

/// All placeholders as one.
fn canonical(pattern: &str) -> String {
    PLACEHOLDERS.iter().fold(pattern.to_owned(), |text, placeholder| text.replace(placeholder, ANY_HOLE))
}

impl Entry {
    fn matches(&self, difference: &Difference) -> bool {
        let observed = |other_name: bool| -> Vec<String> {
            let folded = difference.path.as_ref().is_some_and(|path| path.ends_with('*'));
            let of = |one: &super::Observed| if other_name { one.from.clone() } else { one.path.clone() };
            // A selection stands for the rest only where all are names of one place.
            if folded || difference.kind == Kind::Mount {
                return Vec::new();
            }
            difference.evidence.iter().filter_map(of).map(|path| all_holes(&path, ANY_HOLE)).collect()
        };
        self.kind.is_none_or(|kind| kind == difference.kind)
            && self.op.as_ref().is_none_or(|op| difference.op.is_some_and(|own| own.name() == op))
            && self.cap.as_ref().is_none_or(|cap| difference.cap.as_ref() == Some(cap))
            && self.port.is_none_or(|port| difference.port == Some(port))
            && self.service.as_ref().is_none_or(|service| difference.service.as_ref() == Some(service))
            && self.after.as_ref().is_none_or(|after| difference.after.as_ref() == Some(after))
            && self.path.as_ref().is_none_or(|path| path.matches(difference.path.as_ref(), &observed(false)))
            && self.from.as_ref().is_none_or(|from| from.matches(difference.from.as_ref(), &observed(true)))
    }

    /// Whether it accepts all there is of its kind.
    fn is_everything(&self) -> bool {
        let any = |glob: &Option<PathGlob>| glob.as_ref().is_none_or(PathGlob::is_everything);
        let unnamed = self.op.is_none()
            && self.cap.is_none()
            && self.port.is_none()
            && self.after.is_none()
            && any(&self.path)
            && any(&self.from);
        unnamed && (self.kind != Some(Kind::Service) || self.service.is_none())
    }
}

impl Baseline {
    /// Reads a file.
    ///
    /// # Errors
    /// [`BaselineError`] names line, column and field.
    pub fn from_toml(bytes: &[u8]) -> Result<Self, BaselineError> {
        if bytes.len() > MAX_BASELINE_BYTES {
            return Err(BaselineError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            BaselineError::Utf8 {
                line: before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1),
            }
        })?;
        let File { accept } = toml::from_str(text).map_err(|error| {
            let (line, column) = position(text, error.span());
            BaselineError::Toml { line, column, message: printable(error.message().trim_end()) }
        })?;
        if accept.len() > MAX_ENTRIES {
            return Err(BaselineError::TooMany);
        }
        let entries = accept.into_iter().enumerate().map(|(index, raw)| entry(text, index, raw));
        Ok(Self { text: text.to_owned(), entries: entries.collect::<Result<_, _>>()? })
    }

    /// Marks what is accepted in a comparison, and warns of entries that accept everything or match nothing.
    pub fn apply(&self, diff: &mut Diff) {
        let mut used = vec![false; self.entries.len()];
        let comparisons = diff.comparisons.iter_mut().flat_map(|comparison| &mut comparison.differences);
        for difference in comparisons.chain(&mut diff.services).filter(|difference| difference.finding) {
            for (entry, used) in self.entries.iter().zip(&mut used) {
                if entry.matches(difference) {
                    *used = true;
                    difference.accepted.get_or_insert_with(|| Accepted {
                        line: u64::try_from(entry.line).unwrap_or(u64::MAX),
                        reason: entry.reason.clone(),
                    });
                }
            }
        }
        let mut warn = |code: &str, message: String| {
            diff.warnings.push(DiffWarning { code: code.to_owned(), message });
        };
        for (entry, used) in self.entries.iter().zip(used) {
            if entry.is_everything() {
                let what = entry.kind.map_or("difference".to_owned(), |kind| {
                    format!("difference of the kind {}", kind.name())
                });
                let scope =
                    entry.service.as_ref().map(|service| format!(" of the service {}", printable(service)));
                warn(
                    "accepts-everything",
                    format!(
                        "the baseline's entry in line {} accepts every {what}{}: nothing of the sort is a finding any more",
                        entry.line,
                        scope.unwrap_or_default()
                    ),
                );
            }
            if !used {
                warn(
                    "stale-entry",
                    format!(
                        "the baseline's entry in line {} accepts nothing that is new: it can be removed",
                        entry.line
                    ),
                );
            }
        }
        diff.count();
    }

    /// The same for a comparison that another baseline was applied to: what that one said is forgotten.
    pub fn reapply(&self, diff: &mut Diff) {
        let comparisons = diff.comparisons.iter_mut().flat_map(|comparison| &mut comparison.differences);
        for difference in comparisons.chain(&mut diff.services) {
            difference.accepted = None;
        }
        diff.warnings.clear();
        self.apply(diff);
    }

    /// The file with an entry for each finding that is not accepted yet; what is there stays as it is, comments included.
    ///
    /// # Errors
    /// [`BaselineError::Inline`] where the file does not have its entries as `[[accept]]`.
    pub fn accepting(&self, diff: &Diff) -> Result<String, BaselineError> {
        let mut document: DocumentMut = self.text.parse().map_err(|error: toml_edit::TomlError| {
            BaselineError::Toml { line: 1, column: 1, message: printable(error.message()) }
        })?;
        let open: Vec<&Difference> = diff.differences().filter(|difference| difference.is_open()).collect();
        if open.is_empty() && !self.text.is_empty() {
            return Ok(self.text.clone());
        }
        let accept = document.entry("accept").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let entries = accept.as_array_of_tables_mut().ok_or(BaselineError::Inline)?;
        let subject = |difference: &Difference| {
            let mut comparisons = diff.comparisons.iter();
            comparisons
                .find(|comparison| comparison.service == difference.service)
                .map(|c| c.new.subject.as_str())
        };
        // Several differences may come down to one entry: of a link and of a rename without its other name, for instance.
        let mut written: Vec<String> = Vec::new();
        for difference in open {
            let mut table = table_of(difference);
            let key = table.to_string();
            if written.contains(&key) {
                continue;
            }
            written.push(key);
            table.decor_mut().set_prefix(comment(difference, subject(difference).unwrap_or_default()));
            entries.push(table);
        }
        let body = document.to_string();
        Ok(if self.text.is_empty() { format!("{HEADER}{body}") } else { body })
    }
}

fn table_of(difference: &Difference) -> Table {
    let mut table = Table::new();
    let mut set = |key: &str, text: Option<String>| {
        if let Some(text) = text {
            table.insert(key, value(text));
        }
    };
    set("kind", Some(difference.kind.name().to_owned()));
    set("service", difference.service.clone());
    set("op", difference.op.map(|op| op.name().to_owned()));
    set("path", difference.path.as_deref().map(glob_of));
    set("from", difference.from.as_deref().map(glob_of));
    set("cap", difference.cap.clone());
    // What has no other name: new privileges, a user.
    set("after", difference.after.clone().filter(|_| difference.path.is_none() && difference.cap.is_none()));
    if let Some(port) = difference.port {
        table.insert("port", value(i64::from(port)));
    }
    table
}

/// What was accepted, for people, as one line that cannot end early.
fn comment(difference: &Difference, subject: &str) -> String {
    const MAX_CHARS: usize = 200;
    let who = words::plain(&words::who(difference));
    let line = printable(&format!("{} {who} in {subject}", words::plain(&words::headline(difference))));
    let line: String =
        line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_CHARS).collect();
    format!("\n# {line}\n")
}

/// A pattern that matches what is shown, and nothing else: stars of names are meant, those behind a directory are not.
fn glob_of(shown: &str) -> String {
    let (body, tail) = match (shown.strip_suffix("/**"), shown.strip_suffix("/*")) {
        (Some(body), _) => (body, "/**"),
        (_, Some(body)) => (body, "/*"),
        _ => (shown, ""),
    };
    let mut glob = String::with_capacity(shown.len());
    let mut rest = body;
    while let Some(c) = rest.chars().next() {
        if let Some(placeholder) = PLACEHOLDERS.iter().find(|placeholder| rest.starts_with(**placeholder)) {
            glob.push_str(placeholder);
            rest = rest.get(placeholder.len()..).unwrap_or_default();
            continue;
        }
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}') {
            glob.extend(['[', c, ']']);
        } else {
            glob.push(c);
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    glob + tail
}

fn entry(text: &str, index: usize, raw: Spanned<RawEntry>) -> Result<Entry, BaselineError> {
    let line = position(text, Some(raw.span())).0;
    let RawEntry { kind, op, path, from, cap, port, service, after, reason } = raw.into_inner();
    let wrong = |field: &str, span: Range<usize>, message: String| {
        let (line, column) = position(text, Some(span));
        BaselineError::Value { line, column, field: format!("accept[{index}].{field}"), message }
    };
    let known = Kind::ALL.into_iter().find(|known| known.name() == kind.get_ref());
    if known.is_none() && kind.get_ref() != "*" {
        let message = format!("`{}` is none of {}, *", printable(kind.get_ref()), super::fail_on::names());
        return Err(wrong("kind", kind.span(), message));
    }
    if let Some(op) = &op
        && !is_op(op.get_ref())
    {
        return Err(wrong("op", op.span(), format!("`{}` is no operation", printable(op.get_ref()))));
    }
    let glob = |field: &str, pattern: Option<Spanned<String>>| {
        pattern
            .map(|pattern| {
                PathGlob::new(pattern.get_ref()).map_err(|message| wrong(field, pattern.span(), message))
            })
            .transpose()
    };
    Ok(Entry {
        line,
        kind: known,
        op: op.map(Spanned::into_inner),
        path: glob("path", path)?,
        from: glob("from", from)?,
        cap: cap.map(|cap| cap.trim_start_matches("CAP_").to_owned()),
        port,
        service,
        after,
        reason,
    })
}

fn is_op(name: &str) -> bool {
    serde_json::from_value::<Op>(serde_json::Value::String(name.to_owned())).is_ok()
}

/// Line and column, from 1, of where a span begins.
fn position(text: &str, span: Option<Range<usize>>) -> (usize, usize) {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    (line, column)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_accepted_is_matched(name in "[a-z*?\\[\\]{}!,\\\\\"' \u{0}-\u{1f}é-]{1,12}", hole in 0..PLACEHOLDERS.len()) {
            // As a pattern shows it.
            let escaped = name.replace('\0', "").replace('\\', "\\\\").replace('{', "\\x7b");
            let shown = format!("/d/{escaped}{}", PLACEHOLDERS[hole]);
            let glob = PathGlob::new(&glob_of(&shown)).unwrap();
            prop_assert!(glob.matches(Some(&shown), &[]), "{shown} {}", glob.text);
            let longer = format!("{shown}x");
            prop_assert!(!glob.matches(Some(&longer), &[]));
            prop_assert!(!glob.matches(Some(&"/d/other".to_owned()), &[]));
        }
    }

    #[test]
    fn patterns_of_people() {
        for (pattern, shown, want) in [
            ("/tmp/app-{pid}.sock", "/tmp/app-{pid}.sock", true),
            ("/tmp/app-{n}.sock", "/tmp/app-{pid}.sock", true),
            ("/tmp/app-*.sock", "/tmp/app-{pid}.sock", true),
            ("/tmp/*", "/tmp/app-{pid}.sock", true),
            ("/tmp/*", "/tmp/a/b", false),
            ("/tmp/**", "/tmp/a/b", true),
            ("/tmp/**", "/tmpx/a", false),
            ("**", "/a", true),
            ("/tmp/*", "/tmp/*", true),
            ("/a/{b,c}", "/a/c", true),
        ] {
            let glob = PathGlob::new(pattern).unwrap();
            assert_eq!(glob.matches(Some(&shown.to_owned()), &[]), want, "{pattern} {shown}");
        }
    }
}
