//! What of one name may differ from run to run, by form alone: *holes*.
//!
//! Owns the forms (UUIDs, times, numbers, hexadecimal and random text) and where they may begin and end. Whether a
//! hole is really one is for the two profiles to show together (see the module above). Never looks at more than one
//! name, and takes time in proportion to its length.

use std::ops::Range;

/// The form of a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// 8-4-4-4-12 hexadecimal digits.
    Uuid,
    /// A date, perhaps with a time, with separators.
    Time,
    /// Decimal digits.
    Number,
    /// Hexadecimal digits of both kinds, or many decimal ones.
    Hex,
    /// Letters and digits mixed as nobody would.
    Random,
}

/// A part of a name that may differ from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) form: Form,
    /// Whether it takes more than two values to believe it: digits that touch a letter (`v2`), or that look like a
    /// version (`1.2`).
    pub(super) weak: bool,
}

impl Hole {
    pub(super) fn value<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        name.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether it is random text of a length that generators of temporary names give.
    pub(super) fn is_ending(&self) -> bool {
        self.form == Form::Random && ENDINGS.contains(&(self.end - self.start))
    }
}

/// The shortest text that can look random: the six letters of mkstemp(3).
const MIN_RANDOM: usize = 6;
/// Random endings that programs put behind a word without anything between: of mkstemp(3), Python's tempfile,
/// mktemp(1).
const ENDINGS: [usize; 3] = [6, 8, 10];
/// How many letters Python's tempfile puts behind a prefix.
const PYTHON: usize = 8;
/// The longest hexadecimal counter that is taken for one.
const MAX_SHORT_HEX: usize = 4;
/// Digits that are hardly a counter.
const MANY_DIGITS: usize = 16;
/// Runs of letters and digits in one name that are looked at more than once.
const MAX_RUNS: usize = 16;

/// The holes of a name, in order.
pub(super) fn holes(name: &[u8]) -> Vec<Hole> {
    let mut holes = Vec::new();
    add_holes(name, &mut holes);
    holes
}

/// The same behind those of other names.
pub(super) fn add_holes(name: &[u8], holes: &mut Vec<Hole>) {
    let first = holes.len();
    let mut at = 0;
    while let Some(rest) = name.get(at..).filter(|rest| !rest.is_empty()) {
        let length = [(uuid(rest), Form::Uuid), (date(rest), Form::Time)]
            .into_iter()
            .find_map(|(length, form)| Some((length?, form)));
        if let Some((length, form)) = length {
            holes.push(Hole { start: at, end: at + length, form, weak: false });
            at += length;
            continue;
        }
        if python_temporary(rest) {
            holes.push(Hole { start: at + 3, end: at + 11, form: Form::Random, weak: false });
            at += 11;
            continue;
        }
        if is_segment(name, at) && mixed_with_underscores(rest) {
            holes.push(Hole { start: at, end: at + PYTHON, form: Form::Random, weak: false });
            at += PYTHON;
            continue;
        }
        let run = run_length(rest);
        if run == 0 {
            at += 1;
            continue;
        }
        in_run(rest.get(..run).unwrap_or_default(), at, holes);
        at += run;
    }
    mark_versions(name, holes.get_mut(first..).unwrap_or_default());
}

/// Other ways to see a name, each with one run of letters and digits taken as random text, or hexadecimal: for names
/// that happen to look natural.
pub(super) fn alternatives(name: &[u8], holes: &[Hole]) -> Vec<(Vec<Hole>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut runs = 0;
    while let Some(rest) = name.get(at..).filter(|rest| !rest.is_empty()) {
        let run = run_length(rest);
        let underscored = is_segment(name, at) && with_underscores(rest).is_some();
        if run == 0 && !underscored {
            at += 1;
            continue;
        }
        runs += 1;
        if runs > MAX_RUNS {
            break;
        }
        let text = rest.get(..run).unwrap_or_default();
        let mut offer = |start: usize, end: usize, form: Form| {
            let hole = Hole { start, end, form, weak: form == Form::Number };
            found.push(with_hole(holes, hole, at..end.max(at + run)));
        };
        if (1..=MAX_SHORT_HEX).contains(&run) && text.iter().all(u8::is_ascii_hexdigit) {
            offer(at, at + run, Form::Number);
        }
        if underscored {
            offer(at, at + PYTHON, Form::Random);
        }
        if run >= MIN_RANDOM {
            let end = at + run;
            offer(at, end, Form::Random);
            if text.iter().all(u8::is_ascii_hexdigit) {
                offer(at, end, Form::Hex);
            }
            for ending in ENDINGS.into_iter().filter(|ending| *ending < run) {
                offer(end - ending, end, Form::Random);
            }
        }
        at += run.max(1);
    }
    found.extend(python_ending(name, holes));
    found
}

/// What Python's tempfile puts behind whatever prefix: eight of `a-z0-9_`, the last ones before the extension.
fn python_ending(name: &[u8], holes: &[Hole]) -> Option<(Vec<Hole>, usize)> {
    let end = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0).unwrap_or(name.len());
    let start = end.checked_sub(PYTHON).filter(|start| *start > 0)?;
    if !name.get(start..end)?.iter().all(is_of_python) {
        return None;
    }
    Some(with_hole(holes, Hole { start, end, form: Form::Random, weak: false }, start..end))
}

/// The holes of a name with one more in the stead of those in `within`, and where it stands.
fn with_hole(holes: &[Hole], hole: Hole, within: Range<usize>) -> (Vec<Hole>, usize) {
    let outside = |known: &&Hole| known.end <= within.start || known.start >= within.end;
    let mut other: Vec<Hole> = holes.iter().filter(outside).copied().collect();
    let index = other.iter().take_while(|known| known.start < hole.start).count();
    other.insert(index, hole);
    (other, index)
}

/// Whether a text reads as a person would write it: letters of one case (or capitalised words), pronounceable, perhaps
/// with a number behind.
pub(super) fn reads_like_words(text: &[u8]) -> bool {
    if text.contains(&b'_') {
        // One word is enough: `db_lock1`.
        return text.split(|byte| *byte == b'_').any(|part| part.len() >= 4 && reads_like_words(part));
    }
    let letters = text.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last + 1);
    let letters = text.get(..letters).unwrap_or_default();
    if letters.is_empty() || !letters.iter().all(u8::is_ascii_alphabetic) {
        return false;
    }
    words(letters).into_iter().all(is_word)
}

/// `PostgreSQL` as `Postgre`, `SQL`.
fn words(letters: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let mut begin = 0;
    for (index, pair) in letters.windows(2).enumerate() {
        if let [before, after] = pair
            && before.is_ascii_lowercase()
            && after.is_ascii_uppercase()
        {
            words.push(letters.get(begin..=index).unwrap_or_default());
            begin = index + 1;
        }
    }
    words.push(letters.get(begin..).unwrap_or_default());
    words
}

/// Two consonants that words begin with, in English.
const BEGINNINGS: &[u8] = b"bl br ch cl cr dr dw fl fr gh gl gn gr kl kn kr ph pl pr ps pt rh sc sh sk sl sm sn sp sq st sv sw th tr ts tw wh wr";

fn is_word(word: &[u8]) -> bool {
    let most = match word.len() {
        0..5 => 2,
        5..7 => 3,
        _ => 4,
    };
    let rest = word.get(1..).unwrap_or_default();
    let capitals = word.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    if capitals == word.len() {
        // An acronym, or all in capitals.
        return word.len() >= 2;
    }
    if word.len() < 3 || rest.iter().any(u8::is_ascii_uppercase) {
        return false;
    }
    let mut lower = word.to_ascii_lowercase();
    if let Some(first @ b'y') = lower.first_mut() {
        // A consonant there.
        *first = b'j';
    }
    let vowels = lower.iter().filter(|byte| is_vowel(byte)).count();
    let longest = lower.split(is_vowel).map(<[u8]>::len).max().unwrap_or(0);
    let begins_well = match lower.get(..2) {
        Some(two) if !two.iter().any(is_vowel) => {
            BEGINNINGS.split(|byte| *byte == b' ').any(|known| known == two)
        }
        _ => true,
    };
    vowels * 4 >= word.len() && longest <= most && begins_well
}

fn is_vowel(byte: &u8) -> bool {
    matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// The holes of one run of letters and digits that begins at `at`.
fn in_run(run: &[u8], at: usize, holes: &mut Vec<Hole>) {
    let hole = |start: usize, end: usize, form: Form, weak: bool| Hole {
        start: at + start,
        end: at + end,
        form,
        weak,
    };
    let length = run.len();
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == length {
        let form = if length >= MANY_DIGITS { Form::Hex } else { Form::Number };
        holes.push(hole(0, length, form, false));
        return;
    }
    let leading = run.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let trailing = run.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let word_and_number = trailing == digits && reads_like_words(run);
    if is_hex(run) && !(word_and_number && length < 12) {
        holes.push(hole(0, length, Form::Hex, false));
        return;
    }
    if !word_and_number && looks_random(run) {
        let start = word_before(run).unwrap_or(0);
        holes.push(hole(start, length, Form::Random, false));
        return;
    }
    // A hexadecimal counter, `1c` behind `1b`; `c1` may as well be a letter and a number.
    let mixed = leading > 0 || trailing < digits;
    if mixed && length <= MAX_SHORT_HEX && run.iter().all(u8::is_ascii_hexdigit) {
        holes.push(hole(0, length, Form::Number, true));
        return;
    }
    // Digits on the edge of letters: `worker3`, `5mb`.
    if leading > 0 {
        holes.push(hole(0, leading, Form::Number, true));
    }
    if trailing > 0 {
        holes.push(hole(length - trailing, length, Form::Number, true));
    }
}

/// Hexadecimal digits of one case, with letters and decimal digits among them.
fn is_hex(run: &[u8]) -> bool {
    let lower = run.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let upper = run.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    run.len() >= MIN_RANDOM
        && (lower || upper)
        && run.iter().any(u8::is_ascii_digit)
        && run.iter().any(u8::is_ascii_alphabetic)
}

/// Letters and digits mixed as nobody would: digits between letters, or capitals where no word begins.
fn looks_random(run: &[u8]) -> bool {
    if run.len() < MIN_RANDOM {
        return false;
    }
    let changes = |class: fn(&u8) -> bool| {
        run.windows(2).filter(|pair| matches!(pair, [a, b] if class(a) != class(b))).count()
    };
    if changes(u8::is_ascii_digit) >= 2 {
        return true;
    }
    let letters: Vec<u8> = run.iter().copied().filter(u8::is_ascii_alphabetic).collect();
    // Behind digits one change will do.
    let enough = if run.first().is_some_and(u8::is_ascii_digit) { 1 } else { 2 };
    letters
        .windows(2)
        .filter(|p| matches!(p, [a, b] if a.is_ascii_uppercase() != b.is_ascii_uppercase()))
        .count()
        >= enough
        && !words(&letters).into_iter().all(is_word)
}

/// Where the random part begins in a run that starts with a word: `php` in `phpJe9XBZ`.
fn word_before(run: &[u8]) -> Option<usize> {
    const MIN_WORD: usize = 3;
    let ending = MIN_RANDOM;
    let start = run.len().checked_sub(ending).filter(|start| *start >= MIN_WORD)?;
    let (word, random) = run.split_at_checked(start)?;
    let plain = word.iter().all(u8::is_ascii_lowercase);
    // Ten letters and digits may as well be of mktemp(1): then the word has to be one.
    let sure = run.len() != 10 || is_word(word) && !has_cluster(word);
    (plain && sure && looks_random(random)).then_some(start)
}

fn has_cluster(word: &[u8]) -> bool {
    word.split(is_vowel).any(|run| run.len() > 2)
}

/// What Python's tempfile takes its letters from.
fn is_of_python(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')
}

/// `tmp` and eight of `a-z0-9_`, as Python's tempfile makes them, where a digit or `_` is among them.
fn python_temporary(rest: &[u8]) -> bool {
    let Some(random) = rest.strip_prefix(b"tmp").and_then(|rest| rest.get(..PYTHON)) else { return false };
    random.iter().all(is_of_python)
        && random.iter().any(|byte| !byte.is_ascii_lowercase())
        && !random.iter().all(u8::is_ascii_digit)
        && rest.get(11).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

/// Whether a part between `-` or `.` begins here.
fn is_segment(name: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| matches!(name.get(before), Some(b'-' | b'.')))
}

/// Eight of `a-z0-9_` up to the next `.` or the end, `_` among them: what Python's tempfile puts behind a prefix.
fn with_underscores(rest: &[u8]) -> Option<&[u8]> {
    let text = rest.get(..PYTHON)?;
    let ends = rest.get(PYTHON).is_none_or(|byte| *byte == b'.');
    let of_them = text.iter().all(is_of_python);
    (ends && of_them && text.contains(&b'_')).then_some(text)
}

/// The same with digits among the letters, so that it is no `temp_123`.
fn mixed_with_underscores(rest: &[u8]) -> bool {
    let Some(text) = with_underscores(rest) else { return false };
    let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'_').collect();
    let changes =
        text.windows(2).filter(|p| matches!(p, [a, b] if a.is_ascii_digit() != b.is_ascii_digit())).count();
    changes >= 2
}

/// `1.2` is more likely a version than two counters.
fn mark_versions(name: &[u8], holes: &mut [Hole]) {
    let is_short = |hole: &Hole| hole.form == Form::Number && hole.end - hole.start <= 2;
    for index in 1..holes.len() {
        let (Some(before), Some(after)) = (holes.get(index - 1).copied(), holes.get(index).copied()) else {
            break;
        };
        let joined = after.start == before.end + 1 && name.get(before.end) == Some(&b'.');
        if joined && is_short(&before) && is_short(&after) {
            for hole in holes.iter_mut().skip(index - 1).take(2) {
                hole.weak = true;
            }
        }
    }
}

fn run_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()
}

/// The length of a UUID at the beginning of `text`.
fn uuid(text: &[u8]) -> Option<usize> {
    const LENGTH: usize = 36;
    let uuid = text.get(..LENGTH)?;
    let well_formed = uuid.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let ends = text.get(LENGTH).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    (well_formed && ends).then_some(LENGTH)
}

/// The length of a date at the beginning of `text`, with the time behind it: `2026-01-02`, `2026-01-02T03:04:05Z`,
/// `2026_01_02-03_04`, `20260102-030405`.
fn date(text: &[u8]) -> Option<usize> {
    let number = |at: usize, length: usize| -> Option<u32> {
        std::str::from_utf8(text.get(at..at + length)?).ok()?.parse().ok()
    };
    // Most names are no dates, and this is asked at every part of one.
    if !matches!(text.first(), Some(b'1' | b'2')) {
        return None;
    }
    number(0, 4).filter(|year| (1970..2100).contains(year))?;
    let separator = *text.get(4)?;
    let (month_at, day_at, mut end) = match separator {
        b'-' | b'_' | b'.' => (5, 8, 10),
        b'0' | b'1' => (4, 6, 8),
        _ => return None,
    };
    if end == 10 && text.get(7) != Some(&separator) {
        return None;
    }
    number(month_at, 2).filter(|month| (1..=12).contains(month))?;
    number(day_at, 2).filter(|day| (1..=31).contains(day))?;
    let compact = end == 8;
    // A time behind it.
    if let Some(b'T' | b't' | b'_' | b'-' | b'.' | b' ') = text.get(end) {
        let begin = end + 1;
        let colon = text.get(begin + 2).copied().filter(|byte| matches!(byte, b':' | b'-' | b'_' | b'.'));
        let step = if colon.is_some() { 3 } else { 2 };
        let hour = number(begin, 2).filter(|hour| *hour < 24);
        let minute = number(begin + step, 2).filter(|minute| *minute < 60);
        if hour.is_some() && minute.is_some() {
            end = begin + step + 2;
            let second = number(begin + 2 * step, 2).filter(|second| *second <= 60);
            if second.is_some() && (colon.is_none() || text.get(begin + step + 2) == colon.as_ref()) {
                end = begin + 2 * step + 2;
                if text.get(end) == Some(&b'.') {
                    let fraction = text
                        .get(end + 1..)
                        .unwrap_or_default()
                        .iter()
                        .take_while(|b| b.is_ascii_digit())
                        .count();
                    end += if fraction > 0 { fraction + 1 } else { 0 };
                }
            }
            if text.get(end) == Some(&b'Z') {
                end += 1;
            }
        } else if compact {
            return None;
        }
    } else if compact {
        // Eight digits are a number, and so are fourteen.
        return None;
    }
    text.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> String {
        let mut text = String::new();
        let mut at = 0;
        for hole in holes(name.as_bytes()) {
            text.push_str(&name[at..hole.start]);
            text.push_str(match (hole.form, hole.weak) {
                (Form::Uuid, _) => "<uuid>",
                (Form::Time, _) => "<time>",
                (Form::Number, false) => "<n>",
                (Form::Number, true) => "<n?>",
                (Form::Hex, _) => "<hex>",
                (Form::Random, _) => "<rand>",
            });
            at = hole.end;
        }
        text + &name[at..]
    }

    #[test]
    fn holes_of_names() {
        for (name, want) in [
            ("", ""),
            ("foo.12345", "foo.<n>"),
            ("app-17.sock", "app-<n>.sock"),
            ("16384_vm", "<n>_vm"),
            ("000001.txt.gz", "<n>.txt.gz"),
            ("00000001000000000000000A", "<hex>"),
            ("000000010000000000000001", "<hex>"),
            ("_.Stat.7f3a89f58379c3f2", "_.Stat.<hex>"),
            ("sess_0123456789abcdef0123456789", "sess_<hex>"),
            ("sess_u2k9dj3l1", "sess_<rand>"),
            ("pgsql_tmp12345.0", "pgsql_tmp<n?>.<n>"),
            ("tmp.PQk2xZ9s1B", "tmp.<rand>"),
            ("tmpa_k3j2h1", "tmp<rand>"),
            ("tmpa_k3j2h1.txt", "tmp<rand>.txt"),
            ("tmpdownload", "tmpdownload"),
            ("phpJe9XBZ", "php<rand>"),
            ("keptoVCl6C", "kept<rand>"),
            ("upload-COl9a5", "upload-<rand>"),
            ("upload-config", "upload-config"),
            (".ZendSem.wYDUjs", ".ZendSem.<rand>"),
            ("PostgreSQL.104784163", "PostgreSQL.<n>"),
            ("550e8400-e29b-41d4-a716-446655440000.log", "<uuid>.log"),
            ("app-2026-01-02T03:04:05.log", "app-<time>.log"),
            ("app_2026-01-02", "app_<time>"),
            ("2026-01-02 03:04:05.123456Z", "<time>"),
            ("dump-20260102-030405.sql", "dump-<time>.sql"),
            ("dump-20260102.sql", "dump-<n>.sql"),
            ("2026-13-02", "<n>-<n>-<n>"),
            ("vcl_boot.1795479304.508782", "vcl_boot.<n>.<n>"),
            ("python3.11", "python<n?>.<n?>"),
            ("app-1.2", "app-<n?>.<n?>"),
            ("shadow2", "shadow<n?>"),
            ("v1", "v<n?>"),
            ("5mb", "<n?>mb"),
            ("backup01", "backup<n?>"),
            ("facade12", "facade<n?>"),
            ("wgunicorn-v8683g_1", "wgunicorn-<rand>"),
            ("wgunicorn-temp_123", "wgunicorn-temp_<n>"),
            ("#sql-temptable-24-1-1c.MAD", "#sql-temptable-<n>-<n>-<n?>.MAD"),
            (".davfs.tmp0006d9", ".davfs.tmp<rand>"),
            ("passwd", "passwd"),
            ("Makefile", "Makefile"),
            ("README", "README"),
            ("PG_VERSION", "PG_VERSION"),
            ("deface", "deface"),
            ("hsperfdata_root", "hsperfdata_root"),
            ("client_body_temp", "client_body_temp"),
        ] {
            assert_eq!(shown(name), want, "{name}");
        }
    }

    #[test]
    fn what_reads_like_words() {
        for (text, want) in [
            ("config", true),
            ("secret", true),
            ("Makefile", true),
            ("PostgreSQL", true),
            ("shadow2", true),
            ("kcqwzx", false),
            ("KcePQ9", false),
            ("hkecBC", false),
            ("wYDUjs", false),
            ("aBcDeF", false),
            ("12abcd", false),
            ("123456", false),
        ] {
            assert_eq!(reads_like_words(text.as_bytes()), want, "{text}");
        }
    }
}
