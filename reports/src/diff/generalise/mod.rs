//! Names that differ from run to run, by what two profiles show together.
//!
//! The paths of both profiles form one tree. In every directory, names are put into groups that are alike but for
//! their holes (see `form`), and a hole becomes a placeholder only where the profiles show that it varies: process
//! ids as `{pid}`, other numbers as `{n}`, `{uuid}`, `{time}`, `{hex}`, and `{rand}`. A name is replaced part by part
//! between boundaries, never as a whole where it has a word of its own, and never across a `/`: a new word is a new
//! name, and a new directory a new directory. Names that an image holds stand for themselves.
//!
//! What happens to look natural (a mkstemp(3) suffix may come out as `config`) joins a group only where the other
//! profile has a name of that group which this one lacks. Never panics, and takes time and memory in proportion to
//! the length of all paths.

mod form;
mod group;

use std::sync::{Arc, Mutex, PoisonError};

use foldhash::{HashMap, HashMapExt as _};
use rayon::Scope;

use self::group::{Component, Groups, Name};
use crate::model::SubjectPath;

/// What stands for generated parts of names.
pub(super) const PLACEHOLDERS: [&str; 6] = ["{uuid}", "{time}", "{pid}", "{n}", "{hex}", "{rand}"];

/// A path, as text, with `placeholder` for everything in it that has the form of something generated.
pub(super) fn all_holes(path: &SubjectPath, placeholder: &str) -> String {
    let mut text = String::new();
    for name in path.as_bytes().split(|byte| *byte == b'/').skip(1) {
        text.push('/');
        let mut at = 0;
        for hole in form::holes(name) {
            group::push_literal(&mut text, name.get(at..hole.start).unwrap_or_default());
            text.push_str(placeholder);
            at = hole.end;
        }
        group::push_literal(&mut text, name.get(at..).unwrap_or_default());
    }
    text
}

/// Which profile a path is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Old,
    New,
}

impl Side {
    fn bit(self) -> u8 {
        match self {
            Self::Old => 1,
            Self::New => 2,
        }
    }
}

/// A path of both trees with its placeholders; the same number is the same pattern.
pub(super) type Place = u32;

/// Paths of two profiles with what is generated in them replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generalised {
    /// The patterns of the first list, in its order.
    pub old: Vec<String>,
    /// The patterns of the second list, in its order.
    pub new: Vec<String>,
}

/// Replaces what differs from run to run in two lists of paths, by what they show together. Equal patterns mean: the
/// same, but for generated parts. In a pattern, a backslash is `\\`, a byte that is no UTF-8 `\xHH` (as in
/// [`SubjectPath::escaped`]), and a brace that belongs to a name `\x7b`.
#[must_use]
pub fn generalise(old: &[SubjectPath], new: &[SubjectPath]) -> Generalised {
    let sides = old.iter().map(|path| (path, Side::Old)).chain(new.iter().map(|path| (path, Side::New)));
    let (names, places) = Names::of(sides, std::iter::empty());
    let mut patterns = places.into_iter().map(|place| names.pattern(place));
    let old = patterns.by_ref().take(old.len()).collect();
    Generalised { old, new: patterns.collect() }
}

/// A name of a directory, as a path has it: many may be the same.
struct Raw<'a> {
    name: &'a [u8],
    /// [`Side::bit`] of the profiles that have it; 0 where only an image does.
    sides: u8,
    /// Whether an image holds it.
    fixed: bool,
    /// The last added name below it, and the one added before this one; 0: none.
    last_child: u32,
    previous: u32,
}

/// A node of the generalised tree.
struct Node<'a> {
    parent: Place,
    component: Component<'a>,
    /// Whether an image holds it.
    fixed: bool,
    /// Whether it has a placeholder, or a part that has the form of something generated.
    generated: bool,
}

/// The generalised tree.
pub(super) struct Names<'a> {
    nodes: Vec<Node<'a>>,
}

/// The root's place.
pub(super) const ROOT: Place = 0;

/// Directories whose content does not outlive the subject, by convention.
const VOLATILE: [&[&[u8]]; 6] =
    [&[b"tmp"], &[b"run"], &[b"proc"], &[b"var", b"tmp"], &[b"var", b"run"], &[b"dev", b"shm"]];

impl<'a> Names<'a> {
    /// The tree of these paths, and the place of each, in order. `fixed` is what the images hold.
    pub(super) fn of(
        paths: impl Iterator<Item = (&'a SubjectPath, Side)>,
        fixed: impl Iterator<Item = &'a SubjectPath>,
    ) -> (Self, Vec<Place>) {
        let mut tree = Tree::new();
        let ends: Vec<u32> = paths.map(|(path, side)| tree.add(path, side)).collect();
        for path in fixed {
            tree.fix(path);
        }
        let Placed { names, of_raws } = tree.generalised();
        let places = ends.into_iter().map(|end| of_raws.get(end as usize).copied().unwrap_or(ROOT));
        (names, places.collect())
    }

    fn node(&self, place: Place) -> Option<&Node<'a>> {
        self.nodes.get(place as usize)
    }

    /// The directory of a place; the root's is the root.
    pub(super) fn parent(&self, place: Place) -> Place {
        self.node(place).map_or(ROOT, |node| node.parent)
    }

    /// Whether an image holds it.
    pub(super) fn is_fixed(&self, place: Place) -> bool {
        self.node(place).is_none_or(|node| node.fixed)
    }

    /// Whether its last name has a placeholder, or a part that has the form of something generated.
    pub(super) fn is_generated(&self, place: Place) -> bool {
        self.node(place).is_some_and(|node| node.generated)
    }

    /// A place, its directory, and so on up to and without the root; then the root.
    pub(super) fn lineage(&self, place: Place) -> impl Iterator<Item = Place> {
        std::iter::successors(Some(place), |place| (*place != ROOT).then(|| self.parent(*place)))
    }

    /// The place as text with placeholders.
    pub(super) fn pattern(&self, place: Place) -> String {
        let mut lineage: Vec<Place> = self.lineage(place).filter(|place| *place != ROOT).collect();
        lineage.reverse();
        if lineage.is_empty() {
            return "/".to_owned();
        }
        let mut text = String::new();
        for node in lineage.into_iter().filter_map(|place| self.node(place)) {
            text.push('/');
            match &node.component {
                Component::Literal(name) => group::push_literal(&mut text, name),
                Component::Pattern(pattern) => text.push_str(pattern),
            }
        }
        text
    }
}

/// The names as they stand in the profiles. A directory is there once, what is named in it once a path.
struct Tree<'a> {
    raws: Vec<Raw<'a>>,
    directories: HashMap<(u32, &'a [u8]), u32>,
    /// The directory of the path that was added last, and its node: neighbours in a profile mostly share it.
    recent: (&'a [u8], u32, Option<Side>),
}

impl<'a> Tree<'a> {
    fn new() -> Self {
        let root = Raw { name: b"", sides: 0, fixed: true, last_child: 0, previous: 0 };
        Self { raws: vec![root], directories: HashMap::new(), recent: (b"", 0, None) }
    }

    fn add(&mut self, path: &'a SubjectPath, side: Side) -> u32 {
        let bytes = path.as_bytes();
        let slash = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (directory, name) = bytes.split_at_checked(slash).unwrap_or_default();
        let name = name.get(1..).unwrap_or_default();
        if name.is_empty() {
            return 0;
        }
        // Directories on the way count as of the profile that has something in them.
        if directory != self.recent.0 || self.recent.2 != Some(side) {
            let mut node = 0;
            for part in directory.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
                node = self.directory(node, part);
                if let Some(raw) = self.raws.get_mut(node as usize) {
                    raw.sides |= side.bit();
                }
            }
            self.recent = (directory, node, Some(side));
        }
        self.push(self.recent.1, name, side.bit())
    }

    fn directory(&mut self, parent: u32, name: &'a [u8]) -> u32 {
        if let Some(known) = self.directories.get(&(parent, name)) {
            return *known;
        }
        let new = self.push(parent, name, 0);
        self.directories.insert((parent, name), new);
        new
    }

    fn push(&mut self, parent: u32, name: &'a [u8], sides: u8) -> u32 {
        let next = u32::try_from(self.raws.len()).unwrap_or(0);
        let slot = self.raws.get_mut(parent as usize);
        let previous = slot.map_or(0, |raw| std::mem::replace(&mut raw.last_child, next));
        self.raws.push(Raw { name, sides, fixed: false, last_child: 0, previous });
        next
    }

    /// Marks what an image holds, where a profile may name it.
    fn fix(&mut self, path: &'a SubjectPath) {
        let mut node = 0;
        for part in path.as_bytes().split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            let known = self.directories.get(&(node, part)).copied();
            let next = known.unwrap_or_else(|| self.push(node, part, 0));
            // An image that holds a path holds its directories.
            if let Some(raw) = self.raws.get_mut(next as usize) {
                raw.fixed = true;
            }
            // Nothing below is in a profile.
            if known.is_none() {
                return;
            }
            node = next;
        }
    }

    fn children(&self, raw: u32) -> impl Iterator<Item = u32> {
        let some = |child: u32| (child != 0).then_some(child);
        let first = self.raws.get(raw as usize).and_then(|raw| some(raw.last_child));
        std::iter::successors(first, move |child| {
            self.raws.get(*child as usize).and_then(|raw| some(raw.previous))
        })
    }

    /// From the top down: the names of directories that have become one are looked at together, and those of others at
    /// the same time.
    fn generalised(&self) -> Placed<'a> {
        let component = Component::Literal(b"");
        let root = Node { parent: ROOT, component, fixed: true, generated: false };
        let placed = Placed { names: Names { nodes: vec![root] }, of_raws: vec![ROOT; self.raws.len()] };
        let placed = Mutex::new(placed);
        let top = Directory { place: ROOT, raws: vec![0], volatile: false, way: Way::Root };
        rayon::scope(|scope| self.generalise(top, &placed, scope));
        placed.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds what the names of a directory become, puts them in their places, and goes on with the directories among them.
    fn generalise<'s>(&'s self, directory: Directory<'a>, placed: &'s Mutex<Placed<'a>>, scope: &Scope<'s>)
    where
        'a: 's,
    {
        let children = self.in_order(directory.raws.iter().flat_map(|raw| self.children(*raw)));
        let distinct = self.distinct(&children);
        let groups = Groups::of(&distinct, directory.volatile);
        let mut nodes: Vec<Node<'a>> = Vec::new();
        let mut patterns: HashMap<Arc<str>, usize> = HashMap::new();
        let mut of_names = Vec::with_capacity(distinct.len());
        for (index, name) in distinct.iter().enumerate() {
            let component = groups.component(index, name);
            let node = match &component {
                Component::Literal(_) => nodes.len(),
                Component::Pattern(pattern) => *patterns.entry(Arc::clone(pattern)).or_insert(nodes.len()),
            };
            if node == nodes.len() {
                let generated =
                    matches!(component, Component::Pattern(_)) || groups.has_generated(index, name);
                nodes.push(Node { parent: directory.place, component, fixed: name.fixed, generated });
            }
            of_names.push(node);
        }

        let mut below: HashMap<usize, Directory<'a>> = HashMap::new();
        let mut all = placed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = all.names.nodes.len();
        for (name, node) in distinct.iter().zip(of_names) {
            let place = Place::try_from(first + node).unwrap_or(ROOT);
            for (_, child) in children.get(name.raws.clone()).unwrap_or_default() {
                if let Some(slot) = all.of_raws.get_mut(*child as usize) {
                    *slot = place;
                }
                if self.raws.get(*child as usize).is_some_and(|raw| raw.last_child != 0)
                    && let Some(Node { component, .. }) = nodes.get(node)
                {
                    below.entry(node).or_insert_with(|| directory.below(place, component)).raws.push(*child);
                }
            }
        }
        all.names.nodes.extend(nodes);
        drop(all);
        for (_, directory) in below {
            scope.spawn(|scope| self.generalise(directory, placed, scope));
        }
    }

    /// By their names: what the order of the profiles is makes no difference. With the beginning of each.
    fn in_order(&self, raws: impl Iterator<Item = u32>) -> Vec<(Head, u32)> {
        let mut keyed: Vec<(Head, u32)> = raws.map(|raw| (head(self.name(raw)), raw)).collect();
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.name(a.1).cmp(self.name(b.1))));
        keyed
    }

    /// Each name of a directory once that a profile has.
    fn distinct(&self, children: &[(Head, u32)]) -> Vec<Name<'a>> {
        let mut distinct = Vec::new();
        let mut end = 0;
        for same in children.chunk_by(|a, b| a.0 == b.0 && self.name(a.1) == self.name(b.1)) {
            let start = end;
            end += same.len();
            let mut name = Name { text: b"", sides: 0, fixed: false, has_children: false, raws: start..end };
            for raw in same.iter().filter_map(|(_, raw)| self.raws.get(*raw as usize)) {
                name.text = raw.name;
                name.sides |= raw.sides;
                name.fixed |= raw.fixed;
                name.has_children |= raw.last_child != 0;
            }
            if name.sides != 0 {
                distinct.push(name);
            }
        }
        distinct
    }

    fn name(&self, raw: u32) -> &'a [u8] {
        self.raws.get(raw as usize).map_or(b"", |raw| raw.name)
    }
}

/// How a name begins, in the order of names: most are told apart by it. No name holds a NUL byte.
type Head = u128;

fn head(name: &[u8]) -> Head {
    let mut head = [0; size_of::<Head>()];
    for (to, from) in head.iter_mut().zip(name) {
        *to = *from;
    }
    Head::from_be_bytes(head)
}

/// A directory of the generalised tree, all of whose names are looked at together.
struct Directory<'a> {
    place: Place,
    /// Where it stands among the names as the profiles have them.
    raws: Vec<u32>,
    /// Whether what lies here is temporary by convention.
    volatile: bool,
    way: Way<'a>,
}

/// What of the way to a directory conventions ask for.
enum Way<'a> {
    /// There is none.
    Root,
    /// It is in the root directory, and has this name.
    Top(&'a [u8]),
    Other,
}

impl<'a> Directory<'a> {
    /// A directory in this one, without anything in it so far.
    fn below(&self, place: Place, component: &Component<'a>) -> Self {
        let by_convention = |path: &[&[u8]]| VOLATILE.contains(&path);
        let (volatile, way) = match (&self.way, component) {
            (Way::Root, Component::Literal(name)) => (by_convention(&[name]), Way::Top(name)),
            (Way::Top(top), Component::Literal(name)) => (by_convention(&[top, name]), Way::Other),
            _ => (false, Way::Other),
        };
        Self { place, raws: Vec::new(), volatile: self.volatile || volatile, way }
    }
}

/// The generalised tree, and the place of each name as the profiles have them.
struct Placed<'a> {
    names: Names<'a>,
    of_raws: Vec<Place>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(texts: &[&str]) -> Vec<SubjectPath> {
        texts.iter().map(|text| SubjectPath::from_bytes(text.as_bytes()).unwrap()).collect()
    }

    fn shown(old: &[&str], new: &[&str]) -> (Vec<String>, Vec<String>) {
        let generalised = generalise(&paths(old), &paths(new));
        (generalised.old, generalised.new)
    }

    #[test]
    fn what_varies_becomes_a_placeholder() {
        for (old, new, want) in [
            ("/tmp/app-4242.sock", "/tmp/app-977.sock", "/tmp/app-{pid}.sock"),
            ("/data/000001.txt", "/data/000002.txt", "/data/{n}.txt"),
            ("/var/lib/app/log.1", "/var/lib/app/log.2", "/var/lib/app/log.{n}"),
            ("/data/sess_u2k9dj3l1", "/data/sess_a8f7q6z5k", "/data/sess_{rand}"),
            ("/tmp/phpJe9XBZ", "/tmp/phpXk2LmQ", "/tmp/php{rand}"),
            ("/tmp/upload-COl9a5/body", "/tmp/upload-NmrEdS/body", "/tmp/upload-{rand}/body"),
            ("/tmp/upload-COl9a5", "/tmp/upload-config", "/tmp/upload-{rand}"),
            ("/tmp/tmp.PQk2xZ9s1B", "/tmp/tmp.abcdXZ9s1B", "/tmp/tmp.{rand}"),
            ("/tmp/tmpa_k3j2h1", "/tmp/tmpqwertyui", "/tmp/tmp{rand}"),
            ("/tmp/w-_mc2m9oh", "/tmp/w-mymywuf6", "/tmp/w-{rand}"),
            ("/tmp/w-_mckmxoh", "/tmp/w-4ymy3uf6", "/tmp/w-{rand}"),
            ("/tmp/_mc2m9oh", "/tmp/qlkqdbqx", "/tmp/{rand}"),
            ("/tmp/upload_6wdbjblt", "/tmp/upload_3gz7opw_", "/tmp/upload_{rand}"),
            ("/tmp/upload_az6dwa__.png", "/tmp/upload_44ngkn09.png", "/tmp/upload_{rand}.png"),
            ("/x/_.Stat.7f3a89f58379c3f2", "/x/_.Stat.0123456789012345", "/x/_.Stat.{hex}"),
            ("/x/a.7f3a89f5", "/x/a.12345678", "/x/a.{hex}"),
            ("/x/a.7f3a89f5", "/x/a.abcdabcd", "/x/a.{hex}"),
            ("/x/pgsql_tmp123.0", "/x/pgsql_tmp4567.0", "/x/pgsql_tmp{pid}.0"),
            ("/x/boot.1795479304", "/x/boot.1795479999", "/x/boot.{time}"),
            ("/x/d-2026-01-02", "/x/d-2026-01-03", "/x/d-{time}"),
            (
                "/c/550e8400-e29b-41d4-a716-446655440000/x",
                "/c/650e8400-e29b-41d4-a716-446655440001/x",
                "/c/{uuid}/x",
            ),
            ("/a.1.2345/b.7", "/a.1.3456/b.8", "/a.1.{n}/b.{n}"),
        ] {
            assert_eq!(shown(&[old], &[new]), (vec![want.to_owned()], vec![want.to_owned()]), "{old} {new}");
            assert_eq!(shown(&[new], &[old]), (vec![want.to_owned()], vec![want.to_owned()]), "{new} {old}");
        }
    }

    #[test]
    fn what_is_another_name_stays_one() {
        for (old, new) in [
            ("/etc/passwd", "/etc/shadow"),
            ("/var/lib/app", "/var/lib/application"),
            ("/opt/v1/x", "/opt/v2/x"),
            ("/opt/app-1.2/x", "/opt/app-1.3/x"),
            ("/var/lib/postgresql/15/main", "/var/lib/postgresql/16/main"),
            ("/data/1", "/data/one"),
            ("/data/7f3a89f5", "/data/backup01"),
            ("/data/x-17", "/data/x-seventeen"),
            ("/tmp/sess-COl9a5", "/tmp/upload-NmrEdS"),
            ("/tmp/phpJe9XBZ", "/tmp/sshJe9XBQ"),
            ("/data/a/1", "/data/b/2"),
            ("/data/1/x", "/data/2"),
            ("/x/shadow1", "/x/shadow2"),
        ] {
            let (old_patterns, new_patterns) = shown(&[old], &[new]);
            assert_ne!(old_patterns, new_patterns, "{old} {new}");
        }
        // A word among random names, when no random one is missing.
        let (old, new) = shown(
            &["/tmp/upload-COl9a5"],
            &["/tmp/upload-NmrEdS", "/tmp/upload-config", "/tmp/upload-COl9a5/x"],
        );
        assert_eq!(old, ["/tmp/upload-{rand}"]);
        assert_eq!(new, ["/tmp/upload-{rand}", "/tmp/upload-config", "/tmp/upload-{rand}/x"]);
    }

    /// `many` names with random endings, none of which reads like a word.
    fn uploads(side: &str, many: usize) -> Vec<String> {
        (0..many).map(|n| format!("/tmp/upload-{side}{:03}Q", n * 7)).collect()
    }

    #[test]
    fn what_chance_makes_a_word_is_no_difference() {
        // Both have one, and as many in all.
        for (many, old_word, new_word) in [(8, "config", "banana"), (64, "config", "banana")] {
            let (mut old, mut new) = (uploads("Xk", many), uploads("qZ", many));
            old.push(format!("/tmp/upload-{old_word}"));
            new.push(format!("/tmp/upload-{new_word}"));
            let found = shown(
                &old.iter().map(String::as_str).collect::<Vec<_>>(),
                &new.iter().map(String::as_str).collect::<Vec<_>>(),
            );
            for pattern in found.0.iter().chain(&found.1) {
                assert_eq!(pattern, "/tmp/upload-{rand}", "{many}");
            }
        }
        // One among many, although the other profile has fewer: but no directory that holds something.
        let (old, mut new) = (uploads("Xk", 30), uploads("qZ", 64));
        new.push("/tmp/upload-config".to_owned());
        let old: Vec<&str> = old.iter().map(String::as_str).collect();
        let patterns = shown(&old, &new.iter().map(String::as_str).collect::<Vec<_>>()).1;
        assert_eq!(patterns.last().unwrap(), "/tmp/upload-{rand}");
        new.push("/tmp/upload-config/x".to_owned());
        let patterns = shown(&old, &new.iter().map(String::as_str).collect::<Vec<_>>()).1;
        assert_eq!(patterns.last().unwrap(), "/tmp/upload-config/x");
    }

    #[test]
    fn temporary_names_that_nobody_would_think_of_are_one() {
        for (old, new, want) in [
            ("/tmp/qlkqdbq9", "/tmp/tbuulqst", "/tmp/{rand}"),
            ("/tmp/tmpqxtrwhgf", "/tmp/tmpzzkvbnmp", "/tmp/tmp{rand}"),
            ("/tmp/x-qlkqdb", "/tmp/x-tbuulq", "/tmp/x-{rand}"),
            // Capitals may as well be an acronym.
            ("/tmp/.ZendSem.MFqwla", "/tmp/.ZendSem.JYUTCO", "/tmp/.ZendSem.{rand}"),
        ] {
            assert_eq!(shown(&[old], &[new]), (vec![want.to_owned()], vec![want.to_owned()]), "{old} {new}");
        }
        for (old, new) in [
            // Where files last, of another length, readable, or a directory that holds something.
            ("/data/qlkqdbq9", "/data/tbuulqst"),
            ("/tmp/qlkqdbq9", "/tmp/tbuulq"),
            ("/tmp/database", "/tmp/settings"),
            ("/tmp/tbuulqst", "/tmp/settings"),
            ("/tmp/app-banana", "/tmp/app-config"),
            ("/tmp/app_db_lock1", "/tmp/app_db_sync2"),
            ("/tmp/qlkqdbq9/x", "/tmp/tbuulqst/x"),
        ] {
            let (old_patterns, new_patterns) = shown(&[old], &[new]);
            assert_ne!(old_patterns, new_patterns, "{old} {new}");
        }
    }

    #[test]
    fn what_does_not_vary_stands_for_itself() {
        let constant =
            ["/x/cache.1", "/x/6ba7b810-9dad-11d1-80b4-00c04fd430c8", "/x/libfoo.so.1", "/x/ZendSem.aBcDeF"];
        let (old, new) = shown(&constant, &constant);
        assert_eq!(old, constant);
        assert_eq!(new, constant);
    }

    #[test]
    fn counters_of_one_run_vary() {
        let (old, new) = shown(&["/x/worker1", "/x/worker2"], &["/x/worker1", "/x/worker9"]);
        assert_eq!((old[0].as_str(), new[1].as_str()), ("/x/worker{n}", "/x/worker{n}"));
    }

    #[test]
    fn what_only_one_has_is_replaced_where_the_form_is_certain() {
        let (_, new) = shown(
            &[],
            &[
                "/c/550e8400-e29b-41d4-a716-446655440000",
                "/tmp/app-4242.sock",
                "/tmp/upload-COl9a5",
                "/etc/app.2",
            ],
        );
        assert_eq!(new, ["/c/{uuid}", "/tmp/app-{pid}.sock", "/tmp/upload-{rand}", "/etc/app.2"]);
    }

    #[test]
    fn braces_and_bytes_of_names_are_told_from_placeholders() {
        let odd = SubjectPath::from_bytes(b"/t/{pid}\xff\\").unwrap();
        let found = generalise(std::slice::from_ref(&odd), &[]);
        assert_eq!(found.old, ["/t/\\x7bpid}\\xff\\\\"]);
        assert_eq!(SubjectPath::from_escaped(&found.old[0]).unwrap(), odd);
        let (old, new) =
            (SubjectPath::from_bytes(b"/t/\xfe").unwrap(), SubjectPath::from_bytes(b"/t/\xff").unwrap());
        let found = generalise(&[old], &[new]);
        assert_ne!(found.old, found.new);
    }
}
