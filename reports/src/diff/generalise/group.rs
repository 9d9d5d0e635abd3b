//! Names of one directory that are alike but for their holes, and what the values of each hole show.
//!
//! Owns when a hole becomes a placeholder, and which. Never looks beyond one directory.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::form::{Form, Hole, add_holes, alternatives, holes, reads_like_words};

/// A name of a directory.
pub(super) struct Name<'a> {
    pub(super) text: &'a [u8],
    /// [`super::Side::bit`] of the profiles that have it.
    pub(super) sides: u8,
    /// Whether an image holds it: it stands for itself.
    pub(super) fixed: bool,
    pub(super) has_children: bool,
    /// Where it stands among the names as the profiles have them.
    pub(super) raws: Range<usize>,
}

/// What a name of a path becomes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Component<'a> {
    /// Itself.
    Literal(&'a [u8]),
    /// Text with placeholders, its literal parts escaped.
    Pattern(Arc<str>),
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

fn skeleton(name: &[u8], holes: &[Hole], skeleton: &mut Skeleton) {
    skeleton.clear();
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
    /// How many names each profile alone has that may be of this group, and read like words.
    natural: [usize; 2],
    /// Whether the only hole is the whole name, and a directory's.
    whole_directory: bool,
    values: Vec<Values<'a>>,
    /// What all its names become, where nothing of their own is left.
    pattern: OnceCell<Arc<str>>,
}

impl<'a> Group<'a> {
    fn new(holes: &[Hole]) -> Self {
        Self {
            counts: [0, 0],
            natural: [0, 0],
            whole_directory: false,
            values: holes.iter().map(Values::new).collect(),
            pattern: OnceCell::new(),
        }
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

    /// Whether chance explains that one more name of that profile reads like words: the other one has more of the
    /// group in all, or they are few among many.
    fn takes_natural(&self, own: usize, has_children: bool) -> bool {
        let of = |counts: [usize; 2], side: usize| counts.get(side).copied().unwrap_or(0);
        let other = 1 - own;
        let few = of(self.natural, own) * MIN_PER_NATURAL <= of(self.counts, own);
        of(self.counts, own) < of(self.counts, other) + of(self.natural, other) || few && !has_children
    }
}

/// How many random names there are at least for one that reads like words. Of mkstemp(3)'s and of tempfile's, one in
/// a hundred or less does.
const MIN_PER_NATURAL: usize = 32;

/// What of a name belongs to a group: its number, and where its holes begin and end among all.
#[derive(Debug, Clone)]
struct Member {
    group: usize,
    holes: Range<usize>,
}

/// Names that may be of one group, if both profiles have one.
#[derive(Debug, Default)]
struct Pair {
    /// [`super::Side::bit`] of the profiles that have one.
    sides: u8,
    /// Those that nobody would have thought of, each by its index, with its holes.
    members: Vec<(usize, Vec<Hole>)>,
    /// Those that read like words: they join as far as the other profile has more.
    natural: Vec<(usize, Vec<Hole>)>,
}

/// The groups of one directory.
#[derive(Debug, Default)]
pub(super) struct Groups<'a> {
    /// Whether what lies here is temporary by convention.
    volatile: bool,
    numbers: HashMap<Skeleton, usize>,
    groups: Vec<Group<'a>>,
    /// The holes of all names, one behind the other.
    holes: Vec<Hole>,
    /// The group of each name, in their order; `None` where it has no hole.
    members: Vec<Option<Member>>,
}

/// The number of the group of this skeleton, which is made where there is none.
fn group_of(
    numbers: &mut HashMap<Skeleton, usize>,
    groups: &mut Vec<Group<'_>>,
    skeleton: &Skeleton,
    holes: &[Hole],
) -> usize {
    if let Some(known) = numbers.get(skeleton) {
        return *known;
    }
    groups.push(Group::new(holes));
    numbers.insert(skeleton.clone(), groups.len() - 1);
    groups.len() - 1
}

impl<'a> Groups<'a> {
    /// The groups of these names, each of which is there once. They come in their order.
    pub(super) fn of(names: &[Name<'a>], volatile: bool) -> Self {
        let mut all = Self { volatile, ..Self::default() };
        let mut scratch = Skeleton::new();
        for name in names {
            let member = all.member(name, &mut scratch);
            all.members.push(member);
        }
        if !all.groups.is_empty() {
            all.adopt(names, &mut scratch);
        }
        if volatile {
            all.pair_up(names, &mut scratch);
        }
        all
    }

    fn member(&mut self, name: &Name<'a>, scratch: &mut Skeleton) -> Option<Member> {
        if name.fixed {
            return None;
        }
        let first = self.holes.len();
        add_holes(name.text, &mut self.holes);
        let holes = self.holes.get(first..).filter(|holes| !holes.is_empty())?;
        skeleton(name.text, holes, scratch);
        let number = group_of(&mut self.numbers, &mut self.groups, scratch, holes);
        let group = self.groups.get_mut(number)?;
        let whole = matches!(holes, [hole] if hole.start == 0 && hole.end == name.text.len());
        group.whole_directory |= whole && name.has_children;
        group.add(name.text, holes, name.sides);
        Some(Member { group: number, holes: first..self.holes.len() })
    }

    fn group(&self, number: usize) -> Option<&Group<'a>> {
        self.groups.get(number)
    }

    /// The group of the name that stands at this index, and the name's holes.
    fn own(&self, index: usize) -> Option<(&Group<'a>, &[Hole])> {
        let member = self.members.get(index)?.as_ref()?;
        Some((self.group(member.group)?, self.holes.get(member.holes.clone())?))
    }

    /// The holes of the name that stands at this index, where it is not in a group of both profiles already.
    fn left(&self, index: usize) -> Option<&[Hole]> {
        match self.own(index) {
            Some((group, _)) if group.is_of_both() => None,
            Some((_, holes)) => Some(holes),
            None => Some(&[]),
        }
    }

    /// Lets names that one profile alone has, and that only happen to look otherwise, join groups of the other.
    fn adopt(&mut self, names: &[Name<'a>], scratch: &mut Skeleton) {
        let takes = |values: &Values<'_>| matches!(values.form, Form::Random | Form::Hex | Form::Number);
        if !self.groups.iter().any(|group| group.values.iter().any(takes)) {
            return;
        }
        let mut natural = Vec::new();
        for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.fixed && name.sides != BOTH) {
            let Some(own) = self.left(index) else { continue };
            let other = usize::from(name.sides == 1);
            let found = alternatives(name.text, own).into_iter().find_map(|(holes, index)| {
                skeleton(name.text, &holes, scratch);
                let number = *self.numbers.get(scratch)?;
                let group = self.group(number)?;
                let is_other = group.counts.get(other) > Some(&0);
                (is_other && group.values.get(index).is_some_and(takes)).then_some((number, holes, index))
            });
            let Some((number, holes, hole)) = found else { continue };
            let is_word = holes.get(hole).is_some_and(|hole| match hole.form {
                // A letter or two may be a hexadecimal number where others are.
                Form::Number => {
                    !self.group(number).is_some_and(|group| group.values.iter().any(|values| values.any_hex))
                }
                _ => reads_like_words(hole.value(name.text)),
            });
            if is_word {
                if let Some(count) =
                    self.groups.get_mut(number).and_then(|group| group.natural.get_mut(1 - other))
                {
                    *count += 1;
                }
                natural.push((index, number, holes));
            } else {
                self.join(index, name, number, &holes);
            }
        }
        for (index, number, holes) in natural {
            let Some(name) = names.get(index) else { continue };
            let own = usize::from(name.sides != 1);
            if self.group(number).is_some_and(|group| group.takes_natural(own, name.has_children)) {
                self.join(index, name, number, &holes);
            }
        }
    }

    /// Lets names join that one profile alone has where files are temporary, that nobody would have thought of, and for
    /// which the other profile has another of the same length in the same place: tempfile's `qlkqdbq9` and `tbuulqst`.
    fn pair_up(&mut self, names: &[Name<'a>], scratch: &mut Skeleton) {
        let mut pairs: HashMap<Skeleton, Pair> = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            if name.fixed || name.sides == BOTH || name.has_children {
                continue;
            }
            let Some(own) = self.left(index) else { continue };
            for (holes, hole) in alternatives(name.text, own) {
                let Some(value) =
                    holes.get(hole).filter(|hole| hole.is_ending()).map(|hole| hole.value(name.text))
                else {
                    continue;
                };
                let is_word = reads_like_words(value);
                // A word of its own is a name.
                if is_word && value == name.text {
                    continue;
                }
                skeleton(name.text, &holes, scratch);
                let pair = match pairs.get_mut(scratch) {
                    Some(known) => known,
                    None => pairs.entry(scratch.clone()).or_default(),
                };
                pair.sides |= name.sides;
                let members = if is_word { &mut pair.natural } else { &mut pair.members };
                members.push((index, holes));
            }
        }
        let mut pairs: Vec<(Skeleton, Pair)> =
            pairs.into_iter().filter(|(_, pair)| pair.sides == BOTH && !pair.members.is_empty()).collect();
        // Of several ways to see a name the one comes first that has the most letters in common.
        pairs.sort_by(|(a, _), (b, _)| (b.len(), a).cmp(&(a.len(), b)));
        for (skeleton, pair) in pairs {
            let members = pair.members.into_iter().map(|member| (member, false));
            let natural = pair.natural.into_iter().map(|member| (member, true));
            for ((index, holes), is_word) in members.chain(natural) {
                let Some(name) = names.get(index).filter(|_| self.left(index).is_some()) else { continue };
                let (own, other) = if name.sides == 1 { (0, 1) } else { (1, 0) };
                let number = group_of(&mut self.numbers, &mut self.groups, &skeleton, &holes);
                let has_more = |group: &Group<'_>| group.counts.get(own) < group.counts.get(other);
                if !is_word || self.group(number).is_some_and(has_more) {
                    self.join(index, name, number, &holes);
                }
            }
        }
    }

    fn join(&mut self, index: usize, name: &Name<'a>, number: usize, holes: &[Hole]) {
        let first = self.holes.len();
        self.holes.extend_from_slice(holes);
        if let (Some(group), Some(member)) = (self.groups.get_mut(number), self.members.get_mut(index)) {
            group.add(name.text, holes, name.sides);
            *member = Some(Member { group: number, holes: first..self.holes.len() });
        }
    }

    /// Whether the name that stands at this index has a part that has the form of something generated.
    pub(super) fn has_generated(&self, index: usize, name: &Name<'a>) -> bool {
        let is_strong = |holes: &[Hole]| holes.iter().any(|hole| !hole.weak);
        match self.own(index) {
            Some((_, holes)) => is_strong(holes),
            None => name.fixed && is_strong(&holes(name.text)),
        }
    }

    /// What the name becomes that stands at this index.
    pub(super) fn component(&self, index: usize, name: &Name<'a>) -> Component<'a> {
        let Some((group, holes)) = self.own(index) else { return Component::Literal(name.text) };
        if let Some(pattern) = group.pattern.get() {
            return Component::Pattern(Arc::clone(pattern));
        }
        let (text, replaced) = self.text(name.text, group, holes);
        if replaced == 0 {
            return Component::Literal(name.text);
        }
        let pattern: Arc<str> = text.into();
        if replaced == holes.len() {
            // The literal parts are those of all the group's names.
            return Component::Pattern(Arc::clone(group.pattern.get_or_init(|| pattern)));
        }
        Component::Pattern(pattern)
    }

    /// A name with placeholders, and how many.
    fn text(&self, name: &[u8], group: &Group<'_>, holes: &[Hole]) -> (String, usize) {
        let mut text = String::new();
        let mut at = 0;
        let mut replaced = 0;
        let mut numbers = 0;
        let temporary = self.volatile || is_named_temporary(name, holes);
        for (hole, values) in holes.iter().zip(&group.values) {
            push_literal(&mut text, name.get(at..hole.start).unwrap_or_default());
            numbers += usize::from(values.form == Form::Number);
            if values.is_generated(group.whole_directory, temporary, self.volatile) {
                replaced += 1;
                let word = common_word(values);
                push_literal(&mut text, word);
                let is_pid = || {
                    let first = numbers == 1 && !group.whole_directory && has_word(name, holes);
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
        (text, replaced)
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
