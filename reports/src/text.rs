//! Text that came from outside, made safe to print: control and other invisible characters are escaped.

use std::fmt;

/// Writes `text` with every control, bidirectional-override and line-separating character as `\u{…}`, and with
/// newline, carriage return and tab as `\n`, `\r`, `\t`.
///
/// # Errors
/// Those of the formatter.
pub fn write_printable(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => write!(out, "{}", c.escape_default())?,
            // C0 and C1 controls, and the format characters that reorder or hide text (Unicode TR 36, TR 9).
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}') =>
            {
                write!(out, "{}", c.escape_unicode())?;
            }
            c => out.write_char(c)?,
        }
    }
    Ok(())
}

/// [`write_printable`] into a new string.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Writing into a `String` does not fail.
    let _ = write_printable(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escape_sequences_are_disarmed() {
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}"), "a\\u{1b}[2Jb\\n\\u{202e}");
    }
}
