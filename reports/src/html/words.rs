//! How values are said on the page: numbers, sizes, times, phases, lists of names. The only place that does.

use crate::model::Phase;
use crate::text::printable;

/// The longest name that is shown whole where many stand in a row, in characters.
const MAX_NAME_CHARS: usize = 160;
/// The longest passage, in characters.
const MAX_PASSAGE_CHARS: usize = 1200;

/// A number with commas between thousands.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length as a number of things.
pub(super) fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}

/// `1 volume`, `2 volumes`.
pub(super) fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// How often.
pub(super) fn times(value: u64) -> String {
    if value == 1 { "once".to_owned() } else { format!("{} times", number(value)) }
}

/// A size in bytes, rounded to a tenth of its unit.
pub(super) fn size(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >> shift > 0 {
            let tenths = (bytes >> (shift - 10)).saturating_mul(10) >> 10;
            return match tenths % 10 {
                0 => format!("{} {unit}", number(tenths / 10)),
                rest => format!("{}.{rest} {unit}", number(tenths / 10)),
            };
        }
    }
    counted(bytes, "byte", "bytes")
}

/// A moment or length of time, in milliseconds: `4 ms`, `1.2 s`, `3 min 20 s`.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", number(ms / 60_000), ms % 60_000 / 1000),
    }
}

/// From when to when, in one unit: `4–900 ms`, `0.1–3.4 s`.
pub(super) fn span(first_ms: u64, last_ms: u64) -> String {
    let tenths = |ms: u64| format!("{}.{}", ms / 1000, ms % 1000 / 100);
    let (first, last) = match last_ms {
        0..1000 => (first_ms.to_string(), format!("{last_ms} ms")),
        1000..60_000 => (tenths(first_ms), format!("{} s", tenths(last_ms))),
        _ => (format!("{} ", duration(first_ms)), format!(" {}", duration(last_ms))),
    };
    if first_ms >= last_ms || last.trim().split(' ').next() == Some(&first) || first.trim() == last.trim() {
        return duration(last_ms);
    }
    format!("{first}–{last}")
}

/// A phase.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Startup => "start-up",
        Phase::Steady => "steady",
        Phase::Shutdown => "shutdown",
    }
}

/// Phases in their order, each once; `throughout` for all of them.
pub(super) fn phases(seen: impl IntoIterator<Item = Phase>) -> String {
    let mut seen: Vec<Phase> = seen.into_iter().collect();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() == 3 {
        return "throughout".to_owned();
    }
    seen.into_iter().map(phase).collect::<Vec<_>>().join(", ")
}

/// Text from a profile, printable, and cut where it is longer than any sensible name.
pub(super) fn short(text: &str) -> String {
    cut(text, MAX_NAME_CHARS)
}

/// A sentence or two from a profile, printable, and cut where a name in it is longer than any sensible one.
pub(super) fn passage(text: &str) -> String {
    cut(text, MAX_PASSAGE_CHARS)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return printable(text);
    }
    let head: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", printable(&head))
}

/// The last part of an executable's path, which is how people call it.
pub(super) fn program(path: &str) -> String {
    short(path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_shortly() {
        for (value, want) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), want);
        }
        for (bytes, want) in [
            (1, "1 byte"),
            (1023, "1,023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1 << 20, "1 MiB"),
            (u64::MAX, "16,777,215.9 TiB"),
        ] {
            assert_eq!(size(bytes), want);
        }
        for (first, last, want) in [
            (4, 4, "4 ms"),
            (4, 900, "4–900 ms"),
            (4, 1200, "0.0–1.2 s"),
            (1200, 1234, "1.2 s"),
            (900, 4, "4 ms"),
            (1200, 3400, "1.2–3.4 s"),
            (1200, 61_000, "1.2 s – 1 min 1 s"),
            (61_000, 61_400, "1 min 1 s"),
        ] {
            assert_eq!(span(first, last), want);
        }
        assert_eq!(program("/usr/sbin/nginx"), "nginx");
        assert_eq!(short(&"x".repeat(1000)).chars().count(), MAX_NAME_CHARS);
    }
}
