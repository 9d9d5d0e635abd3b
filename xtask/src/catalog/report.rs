//! The catalogue as a page for people, and its totals with the targets they are held against.

use std::fmt::Write as _;

use super::entry::Entry;
use super::readings::Element;
use super::releases::Comparison;

/// Of all recommended elements, how many should prove necessary, in per cent.
const NECESSARY_PERCENT: usize = 95;

/// Kinds of elements in the order of the page, with what is written before them.
const KINDS: [(&str, &str); 6] = [
    ("tmpfs", "tmpfs"),
    ("exec", "exec"),
    ("volume", "volume"),
    ("writable-mount", "writable"),
    ("capability", ""),
    ("new-privileges", "new privileges"),
];

/// What was reached over all applications.
#[derive(Default)]
pub(super) struct Totals {
    applications: usize,
    held: usize,
    recommended: usize,
    /// Of those applications whose elements were taken away: how many elements there are, and how many are necessary.
    tried: usize,
    necessary: usize,
    naive: usize,
    seconds: u64,
}

impl Totals {
    /// Adds up.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut totals = Self::default();
        for entry in entries {
            totals.applications += 1;
            totals.held += usize::from(entry.holds == Some(true));
            totals.recommended += entry.recommended.len();
            if let Some(necessary) = &entry.necessary {
                totals.tried += necessary.len() + entry.unnecessary.len();
                totals.necessary += necessary.len();
            }
            totals.naive += entry.naive.directories.len() + entry.naive.capabilities.len();
            totals.seconds += entry.seconds;
        }
        totals
    }

    /// In words.
    pub(super) fn to_text(&self) -> String {
        let Self { applications, held, recommended, tried, necessary, naive, seconds } = self;
        let minutes = seconds.div_ceil(60);
        format!(
            "{applications} applications, {held} of whose plans held at the first try; {recommended} elements recommended, of \
             {tried} that were taken away one by one {necessary} are necessary; a naive reading has {naive}; {minutes} minutes"
        )
    }

    /// Targets that are missed, by whichever applications.
    pub(super) fn missed(&self) -> Vec<String> {
        let held = self.held;
        let missed = (held < self.applications)
            .then(|| format!("{held} of {} plans held at the first try", self.applications));
        missed.into_iter().collect()
    }

    /// Targets that are missed by all applications together.
    pub(super) fn missed_by_all(&self) -> Vec<String> {
        let mut missed = self.missed();
        if self.necessary * 100 < self.tried * NECESSARY_PERCENT {
            missed.push(format!(
                "{} of {} elements are necessary, less than {NECESSARY_PERCENT} %",
                self.necessary, self.tried
            ));
        }
        missed
    }
}

/// Elements that have become unnecessary since the applications were `recorded`.
pub(super) fn unnecessary_since(recorded: &[Entry], entries: &[Entry]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in entries {
        let before = recorded.iter().find(|older| older.name == entry.name);
        let known = |element: &&Element| before.is_some_and(|older| older.unnecessary.contains(element));
        let more: Vec<Element> = entry.unnecessary.iter().filter(|one| !known(one)).cloned().collect();
        if !more.is_empty() {
            found.push(format!("{}: recommended, and not necessary: {}", entry.name, summary(&more)));
        }
    }
    found
}

/// The page `docs/catalog.md`.
pub(super) fn page(entries: &[Entry], comparisons: &[Comparison]) -> String {
    let mut page = String::from(
        "# Catalogue\n\
         \n\
         <!-- Written by `cargo xtask catalog --update`; do not edit. -->\n\
         \n\
         Real applications from Debian's packages, with entrypoints as public images have them. Each is profiled under a real\n\
         load, then started with nothing but its plan under the same load (`writepath verify`), and then with one element of the plan\n\
         less at a time (`--minimize`). *Necessary* is what it does not work without. Beside it: what a naive reading of the same\n\
         profile has (every directory written to, every capability granted), and what `docker diff` shows after the same load (places,\n\
         and mounts of the plan that it shows nothing of). The profiles are in `reports/catalog`, all figures in `catalog.json`.\n\
         \n\
         | application | plan | first try | recommended | necessary | naive | `docker diff` | seconds |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for entry in entries {
        let _ = writeln!(page, "| {} |", row(entry).join(" | "));
    }
    let _ = write!(page, "\n{}.\n\n", Totals::of(entries).to_text());
    page.push_str("What each is:\n\n");
    for entry in entries {
        let _ = writeln!(page, "- **{}**: {}", entry.name, entry.about);
    }
    let unnecessary: Vec<&Entry> = entries.iter().filter(|entry| !entry.unnecessary.is_empty()).collect();
    if !unnecessary.is_empty() {
        page.push_str("\nRecommended, and not necessary:\n\n");
        for entry in unnecessary {
            let _ = writeln!(page, "- **{}**: {}", entry.name, summary(&entry.unnecessary));
        }
    }
    if !comparisons.is_empty() {
        between_releases(&mut page, comparisons);
    }
    page
}

/// What newer releases of the applications do that the older ones did not.
fn between_releases(page: &mut String, comparisons: &[Comparison]) {
    page.push_str(
        "\n\
         ## Between releases\n\
         \n\
         The same applications from the packages of another Debian release (`cargo xtask catalog --release NAME`), under the same load,\n\
         compared with the profiles above by `writepath diff`. Their profiles are in `reports/releases`.\n\
         \n\
         | application | package | old | new | new writes, mounts or capabilities |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for Comparison { name, package, old, new, differences } in comparisons {
        let told = if differences.is_some() { "see below" } else { "none" };
        let [old, new] = [old, new].map(|one| format!("{} ({})", one.version, one.release));
        let _ = writeln!(page, "| {name} | `{package}` | {old} | {new} | {told} |");
    }
    for Comparison { name, differences, .. } in comparisons {
        if let Some(differences) = differences {
            // Indented, so that nothing in it can end the block.
            let block: Vec<String> = differences.lines().map(|line| format!("    {line}")).collect();
            let _ = write!(page, "\n### {name}\n\n{}\n", block.join("\n"));
        }
    }
}

fn row(entry: &Entry) -> [String; 8] {
    let first_try = outcome(entry.holds);
    let missed = match entry.docker_diff.missed.len() {
        0 => String::new(),
        count => format!(", misses {count}"),
    };
    let mut plan = summary(&entry.recommended);
    for alternative in &entry.alternatives {
        let _ = write!(plan, "; {} {}", alternative.kind, outcome(alternative.holds));
    }
    [
        entry.name.clone(),
        plan,
        first_try.to_owned(),
        entry.recommended.len().to_string(),
        entry.necessary.as_ref().map_or_else(|| "?".to_owned(), |necessary| necessary.len().to_string()),
        format!("{} + {}", entry.naive.directories.len(), entry.naive.capabilities.len()),
        format!("{}{missed}", entry.docker_diff.places.len()),
        entry.seconds.to_string(),
    ]
}

/// Whether something holds; a question mark where that could not be found out.
fn outcome(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "holds",
        Some(false) => "**fails**",
        None => "?",
    }
}

/// Elements by kind.
fn summary(elements: &[Element]) -> String {
    let mut parts = Vec::new();
    for (kind, title) in KINDS {
        let mut named = elements.iter().filter(|element| element.kind == kind).peekable();
        if named.peek().is_some() {
            let named: Vec<&str> = named.map(|element| element.what.as_str()).collect();
            parts.push(format!("{title} {}", named.join(" ")).trim().to_owned());
        }
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}

/// One line for the terminal.
pub(super) fn line(entry: &Entry) -> String {
    let [name, plan, first_try, recommended, necessary, naive, diff, seconds] = row(entry);
    format!(
        "{name}: {plan}\n  first try: {first_try}; recommended {recommended}, necessary {necessary}; naive {naive}, docker diff {diff}; \
         {seconds} s"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(kind: &str, what: &str) -> Element {
        Element { kind: kind.to_owned(), what: what.to_owned() }
    }

    fn entry(necessary: usize, unnecessary: usize, holds: bool) -> Entry {
        let elements = |count| (0..count).map(|number| element("tmpfs", &format!("/{number}"))).collect();
        Entry {
            name: "app".to_owned(),
            about: "an application".to_owned(),
            seconds: 61,
            complete: true,
            recommended: elements(necessary + unnecessary),
            holds: Some(holds),
            necessary: Some(elements(necessary)),
            unnecessary: elements(unnecessary),
            alternatives: Vec::new(),
            naive: Default::default(),
            docker_diff: Default::default(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn targets_are_all_plans_and_95_of_100_elements() {
        assert!(Totals::of(&[entry(19, 1, true)]).missed_by_all().is_empty());
        assert_eq!(Totals::of(&[entry(18, 1, true)]).missed_by_all().len(), 1);
        assert!(Totals::of(&[entry(18, 1, true)]).missed().is_empty());
        assert_eq!(Totals::of(&[entry(1, 0, false)]).missed().len(), 1);
    }

    #[test]
    fn no_element_may_become_unnecessary() {
        assert!(unnecessary_since(&[entry(5, 1, true)], &[entry(4, 1, true)]).is_empty());
        assert_eq!(unnecessary_since(&[entry(5, 1, true)], &[entry(4, 2, true)]).len(), 1);
        assert_eq!(unnecessary_since(&[], &[entry(4, 1, true)]).len(), 1);
    }

    #[test]
    fn a_plan_is_one_cell() {
        let elements = [
            element("tmpfs", "/tmp"),
            element("tmpfs", "/run"),
            element("exec", "/tmp"),
            element("capability", "CHOWN"),
            element("capability", "KILL"),
            element("new-privileges", ""),
        ];
        assert_eq!(summary(&elements), "tmpfs /tmp /run; exec /tmp; CHOWN KILL; new privileges");
        assert_eq!(summary(&[]), "nothing");
        assert!(
            page(&[entry(2, 0, true)], &[])
                .contains("| app | tmpfs /0 /1 | holds | 2 | 2 | 0 + 0 | 0 | 61 |")
        );
    }
}
