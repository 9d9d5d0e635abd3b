//! The tree of written paths: what was done to each, how often, how large, by whom and when; and for each directory all
//! that was done in it.
//!
//! Owns the shape: directories before names, a chain of directories with nothing else in them as one row, deep paths cut at
//! [`MAX_DEPTH`] (what lies deeper is a row with the rest of its path), and at most about [`MAX_ROWS`] rows, for which the
//! fullest directories show fewer names and say how many they leave out. The tree is handed out as a list of rows, so
//! that laying it out takes no recursion over what a subject chose.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{Mounted, Mounts};
use super::words;
use crate::errno;
use crate::model::{Op, Phase, Profile, SubjectPath, Write};
use crate::plan::{Plan, listed};

/// The deepest level of directories.
const MAX_DEPTH: usize = 24;
/// How many rows there are at most, roughly.
const MAX_ROWS: usize = 20_000;
/// How many rows are to be seen before anything is opened.
const ROWS_AT_FIRST: usize = 32;
/// How many names stand in a row.
const NAMES: usize = 3;

/// The tree.
pub(super) struct Tree {
    /// Its rows, directories with their content between [`Row::Open`] and [`Row::Close`].
    pub(super) rows: Vec<Row>,
    /// How many different paths were seen.
    pub(super) paths: String,
    /// Whether some are left out.
    pub(super) is_cut: bool,
}

/// A row.
pub(super) enum Row {
    /// A directory begins.
    Open(Folder),
    /// A path.
    Path(Leaf),
    /// Names of this directory that are left out.
    More(String),
    /// The directory ends.
    Close,
}

/// A directory that something was done in.
pub(super) struct Folder {
    /// Its name, or several of a chain.
    pub(super) name: String,
    /// Whether its content is to be seen at first.
    pub(super) open: bool,
    pub(super) mounted: Option<Mounted>,
    /// How many paths in it.
    pub(super) paths: String,
    /// The largest size seen.
    pub(super) size: String,
    pub(super) detail: Detail,
}

/// A path that something was done to.
pub(super) struct Leaf {
    pub(super) name: String,
    pub(super) mounted: Option<Mounted>,
    /// What was done.
    pub(super) ops: String,
    /// What was tried in vain.
    pub(super) failed: String,
    pub(super) detail: Detail,
}

/// How often, by whom, when.
pub(super) struct Detail {
    pub(super) count: String,
    pub(super) who: String,
    /// The same with whole paths.
    pub(super) who_exactly: String,
    pub(super) when: String,
}

/// What was done to a path or below it.
#[derive(Default, Clone)]
struct Sum<'a> {
    count: u64,
    paths: u64,
    processes: BTreeSet<&'a str>,
    phases: BTreeSet<Phase>,
    span: Option<(u64, u64)>,
}

impl<'a> Sum<'a> {
    fn add(&mut self, write: &'a Write) {
        self.count = self.count.saturating_add(write.count);
        self.processes.extend(write.processes.iter().map(String::as_str));
        self.phases.extend(write.phases.iter());
        self.reach(Some((write.first_ms, write.last_ms)));
    }

    fn include(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.paths = self.paths.saturating_add(other.paths);
        self.processes.extend(&other.processes);
        self.phases.extend(&other.phases);
        self.reach(other.span);
    }

    fn reach(&mut self, span: Option<(u64, u64)>) {
        self.span = match (self.span, span) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (one, other) => one.or(other),
        };
    }

    fn detail(&self) -> Detail {
        let programs: BTreeSet<String> = self.processes.iter().map(|path| words::program(path)).collect();
        let exact: Vec<String> =
            self.processes.iter().take(2 * NAMES).map(|path| words::short(path)).collect();
        let phases = words::phases(self.phases.iter().copied());
        let span = self.span.map(|(first, last)| words::span(first, last)).unwrap_or_default();
        Detail {
            count: format!("{}×", words::number(self.count)),
            who: listed(programs.iter().map(String::as_str), NAMES),
            who_exactly: exact.join(", "),
            when: [phases, span].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", "),
        }
    }
}

/// A name in the tree, with what was done to exactly it.
#[derive(Default)]
struct Node<'a> {
    name: Vec<u8>,
    /// The path up to and including it.
    path: Vec<u8>,
    parent: usize,
    children: Vec<usize>,
    own: Vec<&'a Write>,
    /// Operations on names in it that were not kept.
    unnamed: Vec<&'a Write>,
    sum: Sum<'a>,
    /// Rows of this node with all below it.
    rows: usize,
}

impl Node<'_> {
    fn is_folder(&self) -> bool {
        !self.children.is_empty() || !self.unnamed.is_empty()
    }
}

/// Makes the tree.
pub(super) fn tree(profile: &Profile, plan: &Plan) -> Tree {
    let mounts = Mounts::of(profile, plan);
    let mut nodes = grown(profile);
    summed(&mut nodes);
    let most = most_children(&mut nodes);
    let open = opened(&nodes, most);
    let sizes: BTreeMap<&[u8], u64> =
        profile.run.sizes.iter().map(|size| (size.path.as_bytes(), size.peak_bytes)).collect();
    let mut planter = Planter { nodes: &nodes, mounts, sizes, open, most, rows: Vec::new() };
    // Recursion goes as deep as MAX_DEPTH lets it.
    planter.content(0);
    let paths = nodes.first().map_or(0, |root| root.sum.paths);
    let is_cut = planter.rows.iter().any(|row| matches!(row, Row::More(_)));
    Tree { paths: words::number(paths), is_cut, rows: planter.rows }
}

/// Every path at its place.
fn grown(profile: &Profile) -> Vec<Node<'_>> {
    let mut by_path: BTreeMap<Vec<&[u8]>, Vec<&Write>> = BTreeMap::new();
    for write in &profile.writes {
        by_path.entry(components(&write.path)).or_default().push(write);
    }
    let mut nodes = vec![Node { path: b"/".to_vec(), ..Node::default() }];
    // The nodes from the root to the path before; sorted as they are, what they share is never met again.
    let mut trail: Vec<usize> = vec![0];
    for (path, writes) in by_path {
        let shared = trail
            .iter()
            .skip(1)
            .zip(&path)
            .take_while(|(node, part)| nodes.get(**node).is_some_and(|node| node.name == **part))
            .count();
        trail.truncate(shared + 1);
        for (depth, part) in path.iter().enumerate().skip(shared) {
            let parent = trail.last().copied().unwrap_or(0);
            let is_last = depth >= MAX_DEPTH;
            let name =
                if is_last { path.get(depth..).unwrap_or_default().join(&b'/') } else { part.to_vec() };
            let index = nodes.len();
            if let Some(above) = nodes.get_mut(parent) {
                above.children.push(index);
                let slash: &[u8] = if above.path.ends_with(b"/") { b"" } else { b"/" };
                let path = [&above.path, slash, &name].concat();
                nodes.push(Node { name, path, parent, ..Node::default() });
            }
            trail.push(index);
            if is_last {
                break;
            }
        }
        if let Some(node) = trail.last().and_then(|node| nodes.get_mut(*node)) {
            let (unnamed, own): (Vec<_>, Vec<_>) = writes.into_iter().partition(|write| write.collapsed);
            node.own = own;
            node.unnamed = unnamed;
        }
    }
    nodes
}

fn components(path: &SubjectPath) -> Vec<&[u8]> {
    path.as_bytes().split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect()
}

/// What was done below each node; children always stand behind their parents.
fn summed(nodes: &mut [Node<'_>]) {
    for index in (0..nodes.len()).rev() {
        let Some(node) = nodes.get_mut(index) else { continue };
        for write in node.own.iter().chain(&node.unnamed) {
            node.sum.add(write);
        }
        node.sum.paths =
            node.sum.paths.saturating_add(u64::from(!node.own.is_empty() || !node.unnamed.is_empty()));
        let (sum, parent) = (node.sum.clone(), node.parent);
        if index > 0
            && let Some(above) = nodes.get_mut(parent)
        {
            above.sum.include(&sum);
        }
    }
    // Names are shown before what they hold is sorted: directories first, each kind by name.
    for index in 0..nodes.len() {
        let mut children =
            nodes.get_mut(index).map(|node| std::mem::take(&mut node.children)).unwrap_or_default();
        children.sort_by_key(|child| !nodes.get(*child).is_some_and(Node::is_folder));
        if let Some(node) = nodes.get_mut(index) {
            node.children = children;
        }
    }
}

/// How many names of a directory can be shown, so that there are not too many rows.
fn most_children(nodes: &mut [Node<'_>]) -> usize {
    let (mut few, mut many) = (1, nodes.iter().map(|node| node.children.len()).max().unwrap_or(0).max(1));
    if rows_with(nodes, many) <= MAX_ROWS {
        return many;
    }
    while few + 1 < many {
        let middle = few.midpoint(many);
        if rows_with(nodes, middle) <= MAX_ROWS {
            few = middle;
        } else {
            many = middle;
        }
    }
    few
}

fn rows_with(nodes: &mut [Node<'_>], most: usize) -> usize {
    for index in (0..nodes.len()).rev() {
        let Some(node) = nodes.get(index) else { continue };
        let below = node.children.iter().take(most).filter_map(|child| nodes.get(*child));
        let rows = below.fold(1usize, |sum, child| sum.saturating_add(child.rows));
        if let Some(node) = nodes.get_mut(index) {
            node.rows = rows;
        }
    }
    nodes.first().map_or(0, |root| root.rows)
}

/// The directories that are open at first: level by level, as long as few rows are to be seen.
fn opened(nodes: &[Node<'_>], most: usize) -> BTreeSet<usize> {
    let mut open = BTreeSet::new();
    let mut level = vec![0];
    let mut seen = 0usize;
    while !level.is_empty() {
        let mut next = Vec::new();
        for index in level {
            let Some(node) = nodes.get(index) else { continue };
            let children = node.children.len().min(most);
            if index != 0 && seen.saturating_add(children) > ROWS_AT_FIRST {
                continue;
            }
            seen = seen.saturating_add(children);
            open.insert(index);
            next.extend(node.children.iter().take(most).copied());
        }
        level = next;
    }
    open
}

struct Planter<'n, 'a> {
    nodes: &'n [Node<'a>],
    mounts: Mounts<'a>,
    sizes: BTreeMap<&'a [u8], u64>,
    open: BTreeSet<usize>,
    most: usize,
    rows: Vec<Row>,
}

impl<'n, 'a> Planter<'n, 'a> {
    fn folder(&mut self, index: usize) {
        let Some(mut node) = self.nodes.get(index) else { return };
        let mut name = shown_name(&node.name);
        let mut last = index;
        // A chain of directories is one row, unless something is to be said of one of them.
        while let ([only], true, true, None) = (
            node.children.as_slice(),
            node.own.is_empty(),
            node.unnamed.is_empty(),
            self.mounts.at(&node.path),
        ) {
            let Some(child) = self.nodes.get(*only).filter(|child| child.is_folder()) else { break };
            name.push('/');
            name.push_str(&shown_name(&child.name));
            (node, last) = (child, *only);
        }
        name.push('/');
        let size = self.sizes.get(node.path.as_slice()).map(|bytes| words::size(*bytes)).unwrap_or_default();
        self.rows.push(Row::Open(Folder {
            name,
            open: self.open.contains(&last),
            mounted: self.mounts.at(&node.path),
            paths: words::counted(node.sum.paths, "path", "paths"),
            size,
            detail: node.sum.detail(),
        }));
        self.content(last);
        self.rows.push(Row::Close);
    }

    fn content(&mut self, index: usize) {
        let Some(node) = self.nodes.get(index) else { return };
        if !node.own.is_empty() {
            let name = if index == 0 { "/" } else { "./" };
            self.leaf(name.to_owned(), None, &node.own);
        }
        if !node.unnamed.is_empty() {
            self.leaf("(many names, which were not kept)".to_owned(), None, &node.unnamed);
        }
        for child in node.children.iter().take(self.most) {
            let Some(below) = self.nodes.get(*child) else { continue };
            if below.is_folder() {
                self.folder(*child);
            } else {
                self.leaf(shown_name(&below.name), self.mounts.at(&below.path), &below.own);
            }
        }
        let more = node.children.len().saturating_sub(self.most);
        if more > 0 {
            self.rows.push(Row::More(words::number(words::count(more))));
        }
    }

    fn leaf(&mut self, name: String, mounted: Option<Mounted>, writes: &[&'n Write]) {
        let mut sum = Sum::default();
        let mut done: BTreeMap<Op, u64> = BTreeMap::new();
        let mut failed: BTreeMap<(Op, i32), u64> = BTreeMap::new();
        for write in writes {
            sum.add(write);
            let count = match write.succeeded() {
                true => done.entry(write.op).or_default(),
                false => failed.entry((write.op, write.errno)).or_default(),
            };
            *count = count.saturating_add(write.count);
        }
        let from: BTreeSet<String> =
            writes.iter().filter_map(|write| write.from.as_ref()).map(ToString::to_string).collect();
        let mut ops: Vec<String> = done.into_iter().map(|(op, count)| repeated(op.name(), count)).collect();
        if !from.is_empty() {
            ops.push(format!("from {}", words::short(&listed(from.iter().map(String::as_str), 1))));
        }
        let failed = failed.into_iter().map(|((op, errno), count)| {
            let name = errno::name(errno).map_or_else(|| format!("error {errno}"), str::to_owned);
            format!("{}: {name}", repeated(op.name(), count))
        });
        self.rows.push(Row::Path(Leaf {
            name,
            mounted,
            ops: ops.join(", "),
            failed: failed.collect::<Vec<_>>().join(", "),
            detail: sum.detail(),
        }));
    }
}

fn repeated(what: &str, count: u64) -> String {
    if count == 1 { what.to_owned() } else { format!("{what} ×{}", words::number(count)) }
}

/// Bytes of a path as text, as [`SubjectPath`] shows them.
fn shown_name(name: &[u8]) -> String {
    SubjectPath::from_bytes(&[b"/", name].concat())
        .map(|path| words::short(path.to_string().trim_start_matches('/')))
        .unwrap_or_else(|_| words::short(&String::from_utf8_lossy(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::recommend;

    /// A tree of succeeded creations, each path with how often.
    fn of(paths: &[(&str, u64)]) -> Tree {
        let mut profile = Profile::from_json(
            br#"{"schema":"writepath.profile/v1","tool":{"name":"writepath","version":"0"},
            "host":{"kernel":"","arch":""},"subject":{"name":""},"run":{"started":"","duration_ms":1},
            "coverage":{"complete":true},"writes":[],"capabilities":[]}"#,
        )
        .unwrap();
        // The tree asks the plan for its mounts only; planning takes its own time.
        let plan = recommend(&profile);
        profile.writes = paths
            .iter()
            .map(|(path, count)| Write {
                path: SubjectPath::from_escaped(path).unwrap(),
                from: None,
                op: Op::Create,
                errno: 0,
                count: *count,
                mount: SubjectPath::root(),
                object: Default::default(),
                collapsed: false,
                first_ms: *count,
                last_ms: *count,
                phases: [Phase::Steady].into_iter().collect(),
                processes: [format!("/bin/{count}")].into(),
            })
            .collect();
        tree(&profile, &plan)
    }

    fn text(tree: &Tree) -> String {
        let mut depth = 0;
        let mut text = String::new();
        for row in &tree.rows {
            let indent = "  ".repeat(depth);
            match row {
                Row::Open(folder) => {
                    let Folder { name, open, mounted: _, paths, size: _, detail } = folder;
                    let open = if *open { "" } else { " closed" };
                    text.push_str(&format!(
                        "{indent}{name} {paths}, {} by {}{open}\n",
                        detail.count, detail.who
                    ));
                    depth += 1;
                }
                Row::Path(leaf) => text.push_str(&format!("{indent}{} {}\n", leaf.name, leaf.ops)),
                Row::More(more) => text.push_str(&format!("{indent}and {more} more\n")),
                Row::Close => depth -= 1,
            }
        }
        assert_eq!(depth, 0, "a directory does not end");
        text
    }

    #[test]
    fn directories_sum_up_what_is_in_them() {
        let tree =
            of(&[("/z", 1), ("/a/b/c/y", 2), ("/a/b/c/x", 3), ("/a/b/d", 4), ("/a/b/c", 5), ("/a-b", 6)]);
        assert_eq!(tree.paths, "6");
        assert_eq!(
            text(&tree),
            "a/b/ 4 paths, 14× by 2, 3, 4 and 1 more\n  c/ 3 paths, 10× by 2, 3, 5\n    ./ create ×5\n    x create ×3\n    \
             y create ×2\n  d create ×4\na-b create ×6\nz create\n"
        );
        assert_eq!(text(&of(&[])), "");
        assert_eq!(text(&of(&[("/", 1)])), "/ create\n");
    }

    #[test]
    fn no_subject_makes_it_too_deep_or_too_long() {
        let deep = "/d".repeat(6000);
        let names: Vec<String> = (0..400).map(|n| format!("{}/{n}", &deep[..2 * n * 15])).collect();
        let paths: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let tree = of(&paths);
        let level = |(depth, most): (usize, usize), row: &Row| match row {
            Row::Open(_) => (depth + 1, most.max(depth + 1)),
            Row::Close => (depth - 1, most),
            _ => (depth, most),
        };
        assert!(tree.rows.iter().fold((0, 0), level).1 <= MAX_DEPTH);
        assert_eq!(tree.paths, "400");

        let names: Vec<String> = (0..60_000).map(|n| format!("/{}/{n}", n % 3 * (n % 2000))).collect();
        let paths: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let tree = of(&paths);
        assert_eq!(tree.paths, "60,000");
        let shown = tree.rows.iter().filter(|row| matches!(row, Row::Open(_) | Row::Path(_))).count();
        assert!(tree.is_cut && shown <= MAX_ROWS && shown > MAX_ROWS / 4, "{shown}");
        let opened = tree.rows.iter().filter(|row| matches!(row, Row::Open(folder) if folder.open)).count();
        assert!(opened <= 1, "{opened}");
    }
}
