//! What two plans make writable, and what they allow: the mounts, options, sizes and privileges that differ.
//!
//! Owns what the plan for OLD lacks that NEW needs ([`breaks`]). Never looks at single operations but for renames and
//! links, which fail across mounts (EXDEV).

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;

use super::dto::{Change, Difference, Kind, Need, Observed};
use super::generalise::{Names, Place, ROOT};
use super::input::Input;
use super::places::{self, MAX_EVIDENCE, Writes};
use crate::format::size_text;
use crate::model::{Profile, SubjectPath};
use crate::plan::{ElementKind, Plan, WriteEvidence, is_needed};

/// Below this no size is told, in bytes: the least that a plan gives a tmpfs.
const LEAST_BYTES: u64 = 16 << 20;
/// The same for a volume, which has no limit that it could outgrow. Sizes are looked at a few times a second: whether a
/// file is seen that a database makes and removes while it starts is chance, and such files are tens of MiB large.
const LEAST_BYTES_OF_VOLUME: u64 = 256 << 20;

/// A plan, and the places of its mounts.
pub(super) struct Mounts<'a> {
    plan: &'a Plan,
    profile: Option<&'a Profile>,
    elements: Vec<Element<'a>>,
    by_place: HashMap<Place, usize>,
}

/// What the plan makes writable at one place.
struct Element<'a> {
    place: Place,
    target: &'a SubjectPath,
    /// Absent: a volume.
    tmpfs: Option<Options>,
    why: &'a str,
    evidence: &'a [WriteEvidence],
}

#[derive(Clone, Copy)]
struct Options {
    size: u64,
    exec: bool,
    suid: bool,
    dev: bool,
}

/// The mount targets of a plan, in order.
pub(super) fn targets(plan: &Plan) -> impl Iterator<Item = &SubjectPath> {
    plan.tmpfs.iter().map(|mount| &mount.target).chain(plan.volumes.iter().map(|mount| &mount.target))
}

impl<'a> Mounts<'a> {
    /// Takes the places of all targets in the order in which they went into the tree (see [`targets`]).
    pub(super) fn of(plan: &'a Plan, input: &'a Input, places: &mut impl Iterator<Item = Place>) -> Self {
        let mut next = || places.next().unwrap_or(ROOT);
        let mut elements = Vec::new();
        for mount in &plan.tmpfs {
            let options = Options { size: mount.size, exec: mount.exec, suid: mount.suid, dev: mount.dev };
            elements.push(Element {
                place: next(),
                target: &mount.target,
                tmpfs: Some(options),
                why: &mount.why,
                evidence: &mount.evidence,
            });
        }
        for mount in &plan.volumes {
            elements.push(Element {
                place: next(),
                target: &mount.target,
                tmpfs: None,
                why: &mount.why,
                evidence: &mount.evidence,
            });
        }
        let profile = match input {
            Input::Profile(profile) => Some(&**profile),
            Input::Plan(_) => None,
        };
        let by_place = elements.iter().enumerate().map(|(index, element)| (element.place, index)).collect();
        Self { plan, profile, elements, by_place }
    }

    /// The innermost mount that a place lies on.
    fn covering(&self, names: &Names<'_>, place: Place) -> Option<&Element<'a>> {
        let index = names.lineage(place).find_map(|above| self.by_place.get(&above))?;
        self.elements.get(*index)
    }

    /// Whether the subject was proven to live without a mount there.
    fn is_optional(&self, target: &SubjectPath) -> bool {
        self.plan.optional.iter().any(|element| {
            matches!(element.kind, ElementKind::Tmpfs | ElementKind::Volume)
                && element.target.as_ref() == Some(target)
        })
    }

    /// The largest size seen below a target, in bytes; absent: not known.
    fn peak_bytes(&self, target: &SubjectPath) -> Option<u64> {
        let sizes = &self.profile?.run.sizes;
        let exact = sizes.iter().find(|size| size.path == *target).map(|size| size.peak_bytes);
        exact.or_else(|| {
            sizes.iter().filter(|size| size.path.is_within(target)).map(|size| size.peak_bytes).max()
        })
    }
}

fn kind_of(element: &Element<'_>) -> &'static str {
    if element.tmpfs.is_some() { "tmpfs" } else { "volume" }
}

/// What both plans say of the same, where it differs.
pub(super) fn differences(
    names: &Names<'_>,
    old: &Mounts<'_>,
    new: &Mounts<'_>,
    size_factor: f64,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for element in &new.elements {
        match old.covering(names, element.place) {
            // A mount of OLD's that was only read is told apart below.
            None if old.plan.mounts_read_only.contains(element.target) => {}
            None => differences.push(mount(names, element, Change::New, !old.is_optional(element.target))),
            Some(covering) => {
                differences.extend(options(names, covering, element));
                differences.extend(size(names, (old, covering), (new, element), size_factor));
            }
        }
    }
    for element in old.elements.iter().filter(|element| new.covering(names, element.place).is_none()) {
        differences.push(mount(names, element, Change::Gone, false));
    }
    differences.extend(read_only(old, new));
    differences.extend(root(old.plan, new.plan));
    differences.extend(user(old.plan, new.plan));
    differences
}

fn mount(names: &Names<'_>, element: &Element<'_>, change: Change, finding: bool) -> Difference {
    let word = Some(kind_of(element).to_owned());
    let (before, after) = if change == Change::Gone { (word, None) } else { (None, word) };
    let processes: BTreeSet<&String> = element.evidence.iter().map(|evidence| &evidence.process).collect();
    Difference {
        finding,
        path: Some(names.pattern(element.place)),
        before,
        after,
        why: Some(element.why.to_owned()),
        processes: processes.into_iter().filter(|process| !process.is_empty()).cloned().collect(),
        evidence: element
            .evidence
            .iter()
            .take(MAX_EVIDENCE)
            .map(|evidence| Observed {
                path: Some(evidence.path.clone()),
                from: evidence.from.clone(),
                process: Some(evidence.process.clone()).filter(|process| !process.is_empty()),
                count: evidence.count,
                ..Observed::none()
            })
            .collect(),
        ..Difference::of(Kind::Mount, change)
    }
}

/// Options of a mount that NEW needs otherwise.
fn options(names: &Names<'_>, old: &Element<'_>, new: &Element<'_>) -> Option<Difference> {
    let words = |element: &Element<'_>| {
        let mut words = vec![kind_of(element)];
        if let Some(options) = element.tmpfs {
            let flags = [(options.exec, "exec"), (options.suid, "suid"), (options.dev, "dev")];
            words.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag));
        }
        words.join(",")
    };
    let finding = match (old.tmpfs, new.tmpfs) {
        (Some(old), Some(new)) => new.exec && !old.exec || new.suid && !old.suid || new.dev && !old.dev,
        // What is in memory does not last.
        (Some(_), None) => true,
        (None, _) => false,
    };
    let same_place = old.place == new.place;
    let (before, after) = (words(old), words(new));
    // A mount inside a wider one is served by it, whatever that is called.
    (before != after && (finding || same_place)).then(|| Difference {
        finding,
        path: Some(names.pattern(new.place)),
        before: Some(before),
        after: Some(after),
        why: Some(new.why.to_owned()),
        ..Difference::of(Kind::Mount, Change::Changed)
    })
}

/// The size of what was written, where it has grown or shrunk by more than the factor, or outgrows the plan for OLD.
fn size(
    names: &Names<'_>,
    (old, covering): (&Mounts<'_>, &Element<'_>),
    (new, element): (&Mounts<'_>, &Element<'_>),
    factor: f64,
) -> Option<Difference> {
    let limit = covering.tmpfs.map(|options| options.size);
    let (before, after) = match (old.peak_bytes(covering.target), new.peak_bytes(element.target)) {
        (before, Some(after)) => (before, after),
        // Two plans: what they give.
        (_, None) if new.profile.is_none() => (limit, element.tmpfs?.size),
        _ => return None,
    };
    let outgrows = limit.is_some_and(|limit| after > limit);
    let least = if limit.is_some() { LEAST_BYTES } else { LEAST_BYTES_OF_VOLUME };
    #[expect(clippy::cast_precision_loss, reason = "a factor needs no more than 52 bits")]
    let beyond = |large: u64, small: u64| large > least && large as f64 > small as f64 * factor;
    let grows = before.is_some_and(|before| beyond(after, before));
    let shrinks = before.is_some_and(|before| beyond(before, after));
    (outgrows || grows || shrinks).then(|| Difference {
        finding: outgrows || grows,
        path: Some(names.pattern(element.place)),
        before: before.map(|bytes| bytes.to_string()),
        after: Some(after.to_string()),
        why: limit.filter(|_| outgrows).map(|limit| format!("the plan for OLD gives {}", size_text(limit))),
        ..Difference::of(Kind::Size, Change::Changed)
    })
}

/// Mounts of the subject's own that only one side writes.
fn read_only(old: &Mounts<'_>, new: &Mounts<'_>) -> Vec<Difference> {
    let has = |side: &Mounts<'_>, target: &SubjectPath| {
        side.profile.is_none_or(|profile| profile.subject.mounts.iter().any(|mount| mount.target == *target))
    };
    let only = |these: &Mounts<'_>, those: &Mounts<'_>| -> Vec<SubjectPath> {
        let targets = these.plan.mounts_read_only.iter();
        targets.filter(|t| has(those, t) && !those.plan.mounts_read_only.contains(t)).cloned().collect()
    };
    let told = |target: SubjectPath, finding: bool| {
        let (before, after) =
            if finding { ("read-only", "existing mount") } else { ("existing mount", "read-only") };
        let why =
            new.plan.volumes.iter().find(|volume| volume.target == target).map(|volume| volume.why.clone());
        Difference {
            finding,
            path: Some(target.escaped().replace('{', "\\x7b")),
            before: Some(before.to_owned()),
            after: Some(after.to_owned()),
            why: Some(if finding {
                why.unwrap_or_else(|| "OLD only read this mount, NEW writes it".to_owned())
            } else {
                "OLD wrote this mount, NEW only reads it".to_owned()
            }),
            ..Difference::of(Kind::Mount, Change::Changed)
        }
    };
    let written = only(old, new).into_iter().map(|target| told(target, true));
    // A plan does not say which mounts there are.
    let spared =
        only(new, old).into_iter().filter(|_| old.profile.is_some()).map(|target| told(target, false));
    written.chain(spared).collect()
}

fn root(old: &Plan, new: &Plan) -> Option<Difference> {
    if old.read_only == new.read_only {
        return None;
    }
    let word = |plan: &Plan| if plan.read_only { "read-only" } else { "root file system" };
    let warning = new.warnings.iter().find(|warning| warning.code == "writes-in-root");
    Some(Difference {
        finding: old.read_only,
        path: Some("/".to_owned()),
        before: Some(word(old).to_owned()),
        after: Some(word(new).to_owned()),
        why: old.read_only.then(|| {
            warning.map_or_else(
                || "the root file system can no longer be read-only".to_owned(),
                |warning| warning.message.clone(),
            )
        }),
        ..Difference::of(Kind::Mount, Change::Changed)
    })
}

/// The user of a plan that was edited, or taken from an alternative, and new privileges without a program that says why.
fn user(old: &Plan, new: &Plan) -> Vec<Difference> {
    let mut differences = Vec::new();
    if old.user != new.user {
        let word = |plan: &Plan| Some(plan.user.clone().unwrap_or_else(|| "as configured".to_owned()));
        differences.push(Difference {
            finding: old.user.is_some(),
            before: word(old),
            after: word(new),
            why: Some("the user that the plan runs as".to_owned()),
            ..Difference::of(Kind::Privileges, Change::Changed)
        });
    }
    if old.no_new_privileges != new.no_new_privileges {
        let word = |plan: &Plan| {
            Some(if plan.no_new_privileges { "no-new-privileges" } else { "may gain privileges" }.to_owned())
        };
        let kept = new.no_new_privileges_grounds.as_ref();
        differences.push(Difference {
            finding: old.no_new_privileges,
            before: word(old),
            after: word(new),
            why: kept.map(|kept| kept.why.clone()),
            ..Difference::of(Kind::Privileges, Change::Changed)
        });
    }
    differences
}

/// What NEW needs and the plan for OLD does not give.
pub(super) fn breaks(
    names: &Names<'_>,
    old: &Mounts<'_>,
    writes: Option<(&Writes<'_>, &Writes<'_>)>,
    differences: &[Difference],
) -> Vec<Need> {
    let mut needs: Vec<Need> = differences.iter().filter_map(need).collect();
    if let Some((before, after)) = writes {
        // What no mounts can serve, OLD's plan has warned of.
        let known = across_mounts(names, old, before);
        let crossing = across_mounts(names, old, after).into_iter();
        needs.extend(crossing.filter(|(pair, _)| !known.contains_key(pair)).map(|(_, need)| need));
    }
    needs.sort();
    needs.dedup();
    needs
}

fn need(difference: &Difference) -> Option<Need> {
    if !difference.finding {
        return None;
    }
    let path = || difference.path.clone().unwrap_or_default();
    let after = difference.after.as_deref().unwrap_or_default();
    let why = difference.why.clone().unwrap_or_default();
    let who = difference.processes.join(", ");
    let (what, why) = match difference.kind {
        Kind::Mount if path() == "/" => ("a writable root file system".to_owned(), why),
        Kind::Mount if after == "existing mount" => (format!("the mount {} writable", path()), why),
        Kind::Mount => (format!("{after} {}", path()), why),
        Kind::Cap => {
            let syscalls: BTreeSet<&str> =
                difference.evidence.iter().filter_map(|check| check.syscall.as_deref()).collect();
            let syscalls = syscalls.into_iter().collect::<Vec<_>>().join(", ");
            (format!("capability {}", difference.cap.as_deref()?), format!("{who} for {syscalls}"))
        }
        // The programs themselves are told as differences.
        Kind::Privileges if difference.path.is_none() && after == "may gain privileges" => {
            ("no-new-privileges unset".to_owned(), why)
        }
        Kind::Privileges if difference.path.is_none() => (format!("the user {after}"), why),
        Kind::Size if difference.why.is_some() => {
            let bytes = after.parse().unwrap_or(0);
            (format!("{} at {}", size_text(bytes), path()), why)
        }
        _ => return None,
    };
    Some(Need { kind: difference.kind, what, why })
}

/// Renames and links that would cross two mounts of the plan for OLD, once for each pair.
fn across_mounts<'a>(
    names: &Names<'_>,
    old: &Mounts<'a>,
    writes: &Writes<'_>,
) -> BTreeMap<(&'a SubjectPath, &'a SubjectPath), Need> {
    let mut crossing = BTreeMap::new();
    for located in writes.all.iter().filter(|located| is_needed(located.write)) {
        let Some((to, from)) = places::pair(names, located) else { continue };
        let (Some(to), Some(from)) = (old.covering(names, to), old.covering(names, from)) else { continue };
        if to.place == from.place {
            continue;
        }
        crossing.entry((to.target.min(from.target), to.target.max(from.target))).or_insert_with(|| Need {
            kind: Kind::Mount,
            what: format!("one mount for {} and {}", from.target.escaped(), to.target.escaped()),
            why: format!(
                "{} {} → {} would cross mounts (EXDEV)",
                located.write.op.name(),
                names.pattern(located.from),
                names.pattern(located.path)
            ),
        });
    }
    crossing
}
