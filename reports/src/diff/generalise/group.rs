//! Names of one directory that are alike but for their holes, and what the values of each hole show.
//!
//! Owns when a hole becomes a placeholder, and which. Never looks beyond one directory.

use std::collections::HashMap;

use super::form::{Form, Hole, alternatives, holes, reads_like_words};

/// What a name of a path becomes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Component<'a> {
    /// Itself.
    Literal(&'a [u8]),
    /// Text with placeholders, its literal parts escaped.
    Pattern(String),
}

/// Both profiles, as [`super::Side::bit`] has them.
const BOTH: u8 = 3;
/// The largest process id that Linux gives (`PID_MAX_LIMIT`, include/linux/threads.h).
const MAX_PID: u64 = 4_194_304;
/// Seconds since 1970 that are taken for a time: 2001 to 2039.
const EPOCH_SECONDS: std::ops::Range<u64> = 1_000_000_000..2_200_000_000;
/// Words that say that a number beside them is a process id.
const PID_WORDS: [&[u8]; 5] = [b"pid", b"tmp", b"temp", b"sock", b"lock"];

/// The literal parts of a name and the forms of its holes; random text also by its length, which generators keep.
type Skeleton = Vec<u8>;

fn skeleton(name: &[u8], holes: &[Hole]) -> Skeleton {
    let mut skeleton = Vec::with_capacity(name.len() + holes.len() * 2);
    let mut at = 0;
    for hole in holes {
        skeleton.extend_from_slice(name.get(at..hole.start).unwrap_or_default());
        // No name holds a NUL byte.
        skeleton.push(0);
        match hole.form {
            Form::Uuid => skeleton.push(b'u'),
            Form::Time => skeleton.push(b't'),
            Form::Number => skeleton.push(b'n'),
            Form::Hex => skeleton.push(b'h'),
            Form::Random => {
                skeleton.push(b'r');
                skeleton.extend_from_slice(&(hole.end - hole.start).to_le_bytes());
            }
        }
        at = hole.end;
    }
    skeleton.extend_from_slice(name.get(at..).unwrap_or_default());
    skeleton
}

/// What the values of one hole show.
#[derive(Debug)]
struct Values<'a> {
    form: Form,
    weak: bool,
    /// The first value of each profile.
    first: [Option<&'a [u8]>; 2],
    /// Whether each profile alone has several.
    varies_in: [bool; 2],
    shortest: usize,
    longest: usize,
    leading_zero: bool,
    all_times: bool,
    all_pids: bool,
    all_hex: bool,
    /// Whether one is a short hexadecimal number.
    any_hex: bool,
    /// How many bytes all values begin with.
    common: usize,
}

impl<'a> Values<'a> {
    fn new(hole: &Hole) -> Self {
        Self {
            form: hole.form,
            weak: false,
            first: [None, None],
            varies_in: [false, false],
            shortest: usize::MAX,
            longest: 0,
            leading_zero: false,
            all_times: true,
            all_pids: true,
            all_hex: true,
            any_hex: false,
            common: usize::MAX,
        }
    }

    fn any(&self) -> Option<&'a [u8]> {
        let [old, new] = self.first;
        old.or(new)
    }

    fn add(&mut self, hole: &Hole, value: &'a [u8], sides: u8) {
        self.weak |= hole.weak;
        let first = self.any().unwrap_or(value);
        let common = first.iter().zip(value).take_while(|(a, b)| a == b).count();
        self.common = self.common.min(common);
        self.shortest = self.shortest.min(value.len());
        self.longest = self.longest.max(value.len());
        self.leading_zero |= value.len() > 1 && value.starts_with(b"0");
        self.all_times &= is_time(value);
        self.all_pids &= number(value).is_some_and(|number| (1..=MAX_PID).contains(&number));
        self.any_hex |= value.iter().any(u8::is_ascii_alphabetic);
        self.all_hex &= value.iter().all(u8::is_ascii_hexdigit);
        for (bit, (first, varies)) in self.first.iter_mut().zip(&mut self.varies_in).enumerate() {
            if sides & (1 << bit) != 0 {
                *varies |= first.replace(first.unwrap_or(value)).is_some_and(|first| first != value);
            }
        }
    }

    fn varies(&self) -> bool {
        let [old, new] = self.first;
        self.varies_in.contains(&true) || old.is_some() && new.is_some() && old != new
    }

    /// Whether the profiles, or the form, show that other runs have other values.
    fn is_generated(&self, whole_directory: bool, temporary: bool, volatile: bool) -> bool {
        if self.varies() {
            // `v1` and `v2` may be two things, `worker1`, `worker2` and `worker3` are not; nor are 4242 and 977, or
            // numbers of what is temporary.
            let short_directory = whole_directory && self.longest <= 2;
            let weak = self.form == Form::Number && !temporary && (self.weak || short_directory);
            return !weak || self.varies_in.contains(&true) || self.shortest >= 3;
        }
        if self.first.iter().all(Option::is_some) {
            return false;
        }
        match self.form {
            Form::Uuid | Form::Time | Form::Random => true,
            Form::Hex => self.shortest >= 8,
            Form::Number => {
                self.all_times
                    || volatile && self.all_pids && !self.weak && !self.leading_zero && !whole_directory
            }
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Seconds or milliseconds since 1970, `YYYYMMDD` or `YYYYMMDDhhmmss`.
fn is_time(value: &[u8]) -> bool {
    let part = |range: std::ops::Range<usize>| value.get(range).and_then(number);
    match value.len() {
        10 => number(value).is_some_and(|seconds| EPOCH_SECONDS.contains(&seconds)),
        13 => number(value).is_some_and(|milliseconds| EPOCH_SECONDS.contains(&(milliseconds / 1000))),
        8 | 14 => {
            number(value).is_some()
                && part(0..4).is_some_and(|year| (1990..2100).contains(&year))
                && part(4..6).is_some_and(|month| (1..=12).contains(&month))
                && part(6..8).is_some_and(|day| (1..=31).contains(&day))
        }
        _ => false,
    }
}

#[derive(Debug)]
struct Group<'a> {
    /// How many names each profile has.
    counts: [usize; 2],
    /// Whether the only hole is the whole name, and a directory's.
    whole_directory: bool,
    values: Vec<Values<'a>>,
}

impl<'a> Group<'a> {
    fn new(holes: &[Hole]) -> Self {
        Self { counts: [0, 0], whole_directory: false, values: holes.iter().map(Values::new).collect() }
    }

    fn add(&mut self, name: &'a [u8], holes: &[Hole], sides: u8) {
        for (bit, count) in self.counts.iter_mut().enumerate() {
            *count += usize::from(sides & (1 << bit) != 0);
        }
        for (values, hole) in self.values.iter_mut().zip(holes) {
            values.add(hole, hole.value(name), sides);
        }
    }

    fn is_of_both(&self) -> bool {
        !self.counts.contains(&0)
    }
}

/// The groups of one directory.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    /// Whether what lies here is temporary by convention.
    volatile: bool,
    groups: HashMap<Skeleton, Group<'a>>,
    /// Names that joined a group that is not their own.
    adopted: HashMap<&'a [u8], Vec<Hole>>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(volatile: bool) -> Self {
        Self { volatile, groups: HashMap::new(), adopted: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// A name, and the profiles that have it.
    pub(super) fn add(&mut self, name: &'a [u8], sides: u8, has_children: bool) {
        let holes = holes(name);
        if holes.is_empty() {
            return;
        }
        let whole = matches!(holes.as_slice(), [hole] if hole.start == 0 && hole.end == name.len());
        let group = self.groups.entry(skeleton(name, &holes)).or_insert_with(|| Group::new(&holes));
        group.whole_directory |= whole && has_children;
        group.add(name, &holes, sides);
    }

    /// Lets names that one profile alone has, and that only happen to look otherwise, join groups of the other. The
    /// names come in their order.
    pub(super) fn adopt(&mut self, names: impl Iterator<Item = (&'a [u8], u8)>) {
        let takes = |values: &Values<'_>| matches!(values.form, Form::Random | Form::Hex | Form::Number);
        if !self.groups.values().any(|group| group.values.iter().any(takes)) {
            return;
        }
        let mut natural = Vec::new();
        for (name, sides) in names.filter(|(_, sides)| *sides != BOTH) {
            let own = holes(name);
            if self.groups.get(&skeleton(name, &own)).is_some_and(Group::is_of_both) {
                continue;
            }
            let other = usize::from(sides == 1);
            let found = alternatives(name, &own).into_iter().find(|(holes, index)| {
                self.groups.get(&skeleton(name, holes)).is_some_and(|group| {
                    group.counts.get(other) > Some(&0) && group.values.get(*index).is_some_and(takes)
                })
            });
            let Some((holes, index)) = found else { continue };
            let is_word = holes.get(index).is_some_and(|hole| match hole.form {
                // A letter or two may be a hexadecimal number where others are.
                Form::Number => {
                    let group = self.groups.get(&skeleton(name, &holes));
                    !group.is_some_and(|group| group.values.iter().any(|values| values.any_hex))
                }
                _ => reads_like_words(hole.value(name)),
            });
            if is_word {
                natural.push((name, sides, holes));
            } else {
                self.join(name, sides, holes);
            }
        }
        for (name, sides, holes) in natural {
            let (own, other) = if sides == 1 { (0, 1) } else { (1, 0) };
            let group = self.groups.get(&skeleton(name, &holes));
            if group.is_some_and(|group| group.counts.get(own) < group.counts.get(other)) {
                self.join(name, sides, holes);
            }
        }
    }

    fn join(&mut self, name: &'a [u8], sides: u8, holes: Vec<Hole>) {
        if let Some(group) = self.groups.get_mut(&skeleton(name, &holes)) {
            group.add(name, &holes, sides);
            self.adopted.insert(name, holes);
        }
    }

    /// What a name becomes.
    pub(super) fn component(&self, name: &'a [u8]) -> Component<'a> {
        let own = match self.adopted.get(name) {
            Some(adopted) => adopted.clone(),
            None => holes(name),
        };
        let Some(group) = self.groups.get(&skeleton(name, &own)).filter(|_| !own.is_empty()) else {
            return Component::Literal(name);
        };
        let mut text = String::new();
        let mut at = 0;
        let mut replaced = false;
        let mut numbers = 0;
        let temporary = self.volatile || is_named_temporary(name, &own);
        for (hole, values) in own.iter().zip(&group.values) {
            push_literal(&mut text, name.get(at..hole.start).unwrap_or_default());
            numbers += usize::from(values.form == Form::Number);
            if values.is_generated(group.whole_directory, temporary, self.volatile) {
                replaced = true;
                let word = common_word(values);
                push_literal(&mut text, word);
                let is_pid = || {
                    let first = numbers == 1 && !group.whole_directory && has_word(name, &own);
                    first && temporary && values.all_pids && !values.leading_zero
                };
                text.push_str(match values.form {
                    Form::Uuid => "{uuid}",
                    Form::Time => "{time}",
                    Form::Number if values.all_times => "{time}",
                    Form::Number if values.any_hex => "{hex}",
                    Form::Number if is_pid() => "{pid}",
                    Form::Number => "{n}",
                    Form::Hex => "{hex}",
                    Form::Random if values.all_hex => "{hex}",
                    Form::Random => "{rand}",
                });
            } else {
                push_literal(&mut text, hole.value(name));
            }
            at = hole.end;
        }
        push_literal(&mut text, name.get(at..).unwrap_or_default());
        if replaced { Component::Pattern(text) } else { Component::Literal(name) }
    }
}

/// What stands between the holes, in lower case.
fn beside(name: &[u8], holes: &[Hole]) -> Vec<u8> {
    let mut at = 0;
    let mut beside = Vec::new();
    for hole in holes {
        beside.extend_from_slice(name.get(at..hole.start).unwrap_or_default());
        at = hole.end;
    }
    beside.extend_from_slice(name.get(at..).unwrap_or_default());
    beside.make_ascii_lowercase();
    beside
}

fn has_word(name: &[u8], holes: &[Hole]) -> bool {
    beside(name, holes).iter().any(u8::is_ascii_alphabetic)
}

/// Whether a name says that it is temporary, or of one process.
fn is_named_temporary(name: &[u8], holes: &[Hole]) -> bool {
    let beside = beside(name, holes);
    PID_WORDS.iter().any(|word| beside.windows(word.len()).any(|window| window == *word))
}

/// The word that all values of random text begin with.
fn common_word<'a>(values: &Values<'a>) -> &'a [u8] {
    const MIN_WORD: usize = 3;
    let first = values.any().unwrap_or_default();
    let common = first.get(..values.common.min(first.len())).unwrap_or_default();
    let letters = common.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let is_word =
        values.form == Form::Random && values.varies() && letters >= MIN_WORD && letters < first.len();
    if is_word { common.get(..letters).unwrap_or_default() } else { b"" }
}

/// Bytes of a name as text that is no placeholder: as [`crate::model::SubjectPath::escaped`] has them, and braces as
/// `\x7b`.
pub(super) fn push_literal(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '{' => text.push_str("\\x7b"),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            text.push_str("\\x");
            for digit in [byte >> 4, byte & 15] {
                text.push(DIGITS.get(usize::from(digit)).map_or('?', |digit| char::from(*digit)));
            }
        }
    }
}
