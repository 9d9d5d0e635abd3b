//! Unit files of systemd, and of what reads the same syntax: sections of settings with the reason above each.
//!
//! Owns quoting (systemd.syntax(7), systemd.service(5) "Command lines"): `%` starts a specifier everywhere, `$` a
//! variable in command lines only, and a backslash an escape in quoted words. Settings that take their value as it is
//! cannot carry a control character or a blank at an end: those are refused. Comments stand on lines of their own,
//! because a `#` behind a value belongs to the value.

use super::FormatError;
use super::comment;
use crate::text::printable;

/// One setting, with the reason behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) value: String,
    pub(super) why: String,
}

impl Setting {
    pub(super) fn new(key: &'static str, value: impl Into<String>, why: impl Into<String>) -> Self {
        Self { key, value: value.into(), why: why.into() }
    }
}

/// A section and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) settings: Vec<Setting>,
}

/// The file: comments, then the sections. A reason that is the same as that of the line before is not repeated.
pub(super) fn write(head: &[String], sections: &[Section]) -> String {
    let mut text = String::new();
    for line in head {
        text.push_str(&format!("# {}\n", printable(line)));
    }
    for Section { name, settings } in sections {
        text.push_str(&format!("\n[{name}]\n"));
        let mut last = "";
        for Setting { key, value, why } in settings {
            if why != last {
                text.push_str(&format!("# {}\n", comment::line(why)));
            }
            text.push_str(&format!("{key}={value}\n"));
            last = why;
        }
    }
    text
}

/// Text as one word of a setting that takes words.
pub(super) fn word(text: &str) -> Result<String, FormatError> {
    Ok(quoted(&specifiers(&escaped(text)?)))
}

/// Text as one word of a command line, or of a setting that ends up in one.
pub(super) fn command_word(text: &str) -> Result<String, FormatError> {
    Ok(quoted(&specifiers(&escaped(text)?).replace('$', "$$")))
}

/// Text as the whole value of a setting that takes it as it is and hands it to a command line.
pub(super) fn command_plain(key: &str, text: &str) -> Result<String, FormatError> {
    Ok(plain(key, text)?.replace('$', "$$"))
}

/// Text as the whole value of a setting that takes it as it is.
pub(super) fn plain(key: &str, text: &str) -> Result<String, FormatError> {
    let refused = |reason| FormatError::Unit { key: key.to_owned(), value: printable(text), reason };
    if text.chars().any(char::is_control) {
        return Err(refused("it holds control characters, and such a value cannot be quoted"));
    }
    if text.trim() != text || text.is_empty() {
        return Err(refused("it is empty or has blanks at an end, and such a value cannot be quoted"));
    }
    if text.ends_with('\\') {
        return Err(refused("it ends in a backslash, which would join the next line to it"));
    }
    Ok(specifiers(text))
}

fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

fn quoted(escaped: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '=' | ',' | '@' | '+')
    };
    if !escaped.is_empty() && escaped.chars().all(plain) {
        return escaped.to_owned();
    }
    format!("\"{escaped}\"")
}

/// With backslashes, quotes and control characters as C escapes.
fn escaped(text: &str) -> Result<String, FormatError> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => return Err(FormatError::Nul { what: printable(text) }),
            '\\' | '"' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_must_be() {
        for (text, want) in [
            ("/run", "/run"),
            ("", "\"\""),
            ("/a b", "\"/a b\""),
            ("50%\\ \"$x\"\n\u{1b}\u{85}", "\"50%%\\\\ \\\"$x\\\"\\n\\x1b\\u0085\""),
        ] {
            assert_eq!(word(text).unwrap(), want);
        }
        assert_eq!(command_word("$x").unwrap(), "\"$$x\"");
        assert_eq!(plain("User", "/a $b 5%").unwrap(), "/a $b 5%%");
        assert_eq!(command_plain("Tmpfs", "/a $b 5%").unwrap(), "/a $$b 5%%");
        for bad in ["", " a", "a ", "a\nb", "a\\"] {
            assert!(matches!(plain("Tmpfs", bad), Err(FormatError::Unit { .. })), "{bad:?}");
        }
        assert!(matches!(word("a\0"), Err(FormatError::Nul { .. })));
    }

    #[test]
    fn reasons_stand_above_and_once() {
        let settings = ["a", "b"].map(|value| Setting::new("K", value, "because\nof it")).to_vec();
        let text = write(&["head".to_owned()], &[Section { name: "S", settings }]);
        assert_eq!(text, "# head\n\n[S]\n# because\\nof it\nK=a\nK=b\n");
    }
}
