//! A page of text for people: headings, rows of cells, wrapped paragraphs, colour where asked for.
//!
//! Owns the width: rows and paragraphs fit [`WIDTH`] columns as a terminal counts them (Unicode Standard Annex 11), and a
//! word that is longer is broken. Meaning never hangs on colour or on a drawn line, so that a page reads the same aloud.
//! Paragraphs are made printable here; whoever writes a row or a line escapes what is in it.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::model::Phase;
use crate::text::printable;

/// How wide text is, in columns.
pub(super) const WIDTH: usize = 80;

/// Columns between two cells.
const GAP: usize = 2;

/// A cell of a row: printable text, its style, and the width of its column.
pub(super) struct Cell<'a> {
    pub(super) text: &'a str,
    pub(super) style: &'static str,
    pub(super) width: usize,
}

/// ANSI styles, empty where colour is off.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) bold: &'static str,
    pub(super) dim: &'static str,
    pub(super) good: &'static str,
    pub(super) bad: &'static str,
    pub(super) off: &'static str,
}

impl Style {
    fn new(color: bool) -> Self {
        if color {
            Self { bold: "\x1b[1m", dim: "\x1b[2m", good: "\x1b[32m", bad: "\x1b[33m", off: "\x1b[0m" }
        } else {
            Self { bold: "", dim: "", good: "", bad: "", off: "" }
        }
    }
}

/// A page in the making.
pub(super) struct Page {
    pub(super) text: String,
    pub(super) style: Style,
}

impl Page {
    pub(super) fn new(color: bool) -> Self {
        Self { text: String::new(), style: Style::new(color) }
    }

    /// Writes a line; writing to a string does not fail.
    pub(super) fn line(&mut self, args: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(args);
        self.text.push('\n');
    }

    pub(super) fn heading(&mut self, title: &str) {
        let Style { bold, off, .. } = self.style;
        self.line(format_args!("\n{bold}{title}{off}"));
    }

    /// Text wrapped at [`WIDTH`], every line behind `indent` columns.
    pub(super) fn paragraph(&mut self, indent: usize, text: &str) {
        self.aside(indent, "", text);
    }

    /// The same in a style.
    pub(super) fn aside(&mut self, indent: usize, style: &'static str, text: &str) {
        let end = if style.is_empty() { "" } else { self.style.off };
        for line in wrapped(&printable(text), WIDTH.saturating_sub(indent)) {
            self.line(format_args!("{:indent$}{style}{line}{end}", ""));
        }
    }

    /// Printable text that is a name or has one in it: as it is, broken where it is longer than a line.
    pub(super) fn name(&mut self, indent: usize, style: &'static str, text: &str) {
        self.row(indent, &[Cell { text, style, width: WIDTH }], "");
    }

    /// Cells side by side behind `indent` columns, and printable text behind them, wrapped in a column of its own. A cell
    /// that is too wide for its column ends its line.
    pub(super) fn row(&mut self, indent: usize, cells: &[Cell<'_>], text: &str) {
        let off = self.style.off;
        let mut column = indent;
        let mut line = " ".repeat(indent);
        for Cell { text, style, width } in cells {
            let pieces = broken(text, WIDTH.saturating_sub(column));
            for (number, piece) in pieces.iter().enumerate() {
                if number > 0 {
                    self.line(format_args!("{}", line.trim_end()));
                    line = " ".repeat(column);
                }
                let end = if style.is_empty() { "" } else { off };
                line.push_str(&format!("{style}{piece}{end}"));
            }
            let used = pieces.last().map_or(0, |piece| piece.width());
            column = column.saturating_add(width.saturating_add(GAP));
            if used > *width {
                self.line(format_args!("{line}"));
                line = " ".repeat(column);
            } else {
                line.push_str(&" ".repeat(width.saturating_sub(used).saturating_add(GAP)));
            }
        }
        for piece in wrapped(text, WIDTH.saturating_sub(column)) {
            line.push_str(&piece);
            self.line(format_args!("{line}"));
            line = " ".repeat(column);
        }
        if text.is_empty() && !line.trim().is_empty() {
            self.line(format_args!("{}", line.trim_end()));
        }
    }
}

/// How wide the column of these texts is: as the widest, but for those beyond `most`.
pub(super) fn column<'a>(texts: impl Iterator<Item = &'a str>, most: usize) -> usize {
    texts.map(|text| text.width()).filter(|width| *width <= most).max().unwrap_or(0)
}

/// Text in lines of at most `room` columns, broken at blanks, and within words that are longer than a line.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    // What is left of a narrow page still takes a wide character.
    let room = room.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0usize;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let width = word.width();
        let gap = usize::from(used > 0);
        if used.saturating_add(gap).saturating_add(width) <= room {
            line.push_str(if gap > 0 { " " } else { "" });
            line.push_str(word);
            used = used.saturating_add(gap).saturating_add(width);
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut line));
        }
        let mut pieces = broken(word, room);
        line = pieces.pop().unwrap_or_default();
        used = line.width();
        lines.append(&mut pieces);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Text in pieces of at most `room` columns, with every blank that is in it.
fn broken(text: &str, room: usize) -> Vec<String> {
    let room = room.max(2);
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut used = 0usize;
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used.saturating_add(width) > room {
            pieces.push(std::mem::take(&mut piece));
            used = 0;
        }
        piece.push(c);
        used = used.saturating_add(width);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// A phase on screen.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Startup => "startup",
        Phase::Steady => "steady",
        Phase::Shutdown => "shutdown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_as_a_terminal_counts() {
        for (text, room, want) in [
            ("", 10, vec![]),
            ("one two three", 7, vec!["one two", "three"]),
            ("  blanks   between ", 20, vec!["blanks between"]),
            ("abcdefgh ij", 4, vec!["abcd", "efgh", "ij"]),
            ("漢字漢字", 5, vec!["漢字", "漢字"]),
            ("漢字", 0, vec!["漢", "字"]),
        ] {
            assert_eq!(wrapped(text, room), want, "{text:?}");
        }
    }

    #[test]
    fn a_wide_cell_ends_its_line() {
        let mut page = Page::new(false);
        let cell = |text| Cell { text, style: "", width: 5 };
        page.row(2, &[cell("a"), cell("wide cell")], "text");
        page.row(2, &[cell("a")], "");
        page.name(0, "", "/a  name");
        assert_eq!(page.text, "  a      wide cell\n                text\n  a\n/a  name\n");
    }
}
