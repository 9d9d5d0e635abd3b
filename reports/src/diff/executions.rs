//! Executions that differ: of what the subject itself wrote, and of what gains privileges. And ports.

use std::collections::{BTreeMap, BTreeSet};

use super::dto::{Change, Difference, Kind, Observed};
use super::generalise::{Names, Place, ROOT};
use super::places::{MAX_EVIDENCE, MAX_PROCESSES, Writes};
use crate::model::{Execution, ImageEntry, ObjectKind, Profile};
use crate::plan::takes_write_access;

/// One profile's executions, with their places, and where it writes.
pub(super) struct Executions<'a> {
    pub(super) all: Vec<(&'a Execution, Place)>,
    written: BTreeSet<Place>,
}

impl<'a> Executions<'a> {
    pub(super) fn of(
        profile: &'a Profile,
        places: &mut impl Iterator<Item = Place>,
        writes: &Writes<'a>,
        names: &Names<'_>,
    ) -> Self {
        let all: Vec<_> = profile.run.executions.iter().zip(places).collect();
        let written = writes.all.iter().filter(|located| takes_write_access(located.write)).map(|located| {
            // A directory that stands for many names of it, and the directory of a name.
            if located.write.collapsed { located.path } else { names.parent(located.path) }
        });
        let written = written.collect();
        Self { all, written }
    }

    /// Those of files that lie where the profile writes, and that no image holds.
    fn of_written(&self, names: &Names<'_>, image: &[ImageEntry]) -> BTreeMap<Place, Vec<&'a Execution>> {
        let files: BTreeSet<_> = image
            .iter()
            .filter(|entry| entry.kind != ObjectKind::Directory)
            .map(|entry| &entry.path)
            .collect();
        // All lies below the root: of that, only what lies in it itself.
        let counts = |place: Place, above: Place| above != ROOT || names.parent(place) == ROOT;
        let written = |place: Place| {
            let mut above = names.lineage(place).skip(1).filter(|above| counts(place, *above));
            above.any(|above| self.written.contains(&above))
        };
        self.grouped(|execution, place| written(place) && !files.contains(&execution.path))
    }

    fn gaining(&self) -> BTreeMap<Place, Vec<&'a Execution>> {
        self.grouped(|execution, _| execution.gains_privileges)
    }

    fn grouped(&self, wanted: impl Fn(&Execution, Place) -> bool) -> BTreeMap<Place, Vec<&'a Execution>> {
        let mut found: BTreeMap<Place, Vec<&'a Execution>> = BTreeMap::new();
        for (execution, place) in self.all.iter().filter(|(execution, place)| wanted(execution, *place)) {
            found.entry(*place).or_default().push(execution);
        }
        found
    }
}

/// What either side executes and the other does not.
pub(super) fn differences(
    names: &Names<'_>,
    (old, old_image): (&Executions<'_>, &[ImageEntry]),
    (new, new_image): (&Executions<'_>, &[ImageEntry]),
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (kind, before, after) in [
        (Kind::Exec, old.of_written(names, old_image), new.of_written(names, new_image)),
        (Kind::Privileges, old.gaining(), new.gaining()),
    ] {
        for (change, these, those) in [(Change::New, &after, &before), (Change::Gone, &before, &after)] {
            let only = these.iter().filter(|(place, _)| !those.contains_key(place));
            differences
                .extend(only.map(|(place, executions)| difference(names, kind, change, *place, executions)));
        }
    }
    differences
}

fn difference(
    names: &Names<'_>,
    kind: Kind,
    change: Change,
    place: Place,
    executions: &[&Execution],
) -> Difference {
    let mapped = executions.iter().all(|execution| execution.mapped);
    let why = match kind {
        Kind::Privileges => "set-id bits or file capabilities, which no-new-privileges prevents",
        _ if mapped => "mapped to be executed, which a mount with noexec refuses",
        _ => "executed, which a mount with noexec refuses",
    };
    Difference {
        finding: change == Change::New,
        path: Some(names.pattern(place)),
        why: Some(why.to_owned()),
        objects: u64::try_from(executions.len()).unwrap_or(u64::MAX),
        count: executions.iter().fold(0, |sum, execution| sum.saturating_add(execution.count)),
        evidence: executions
            .iter()
            .take(MAX_EVIDENCE)
            .map(|execution| Observed {
                path: Some(execution.path.clone()),
                mount: Some(execution.mount.clone()),
                count: execution.count,
                ..Observed::none()
            })
            .collect(),
        ..Difference::of(kind, change)
    }
}

/// Ports below 1024 that one side binds and the other does not, by number.
pub(super) fn ports(old: &Profile, new: &Profile) -> Vec<Difference> {
    let by_port = |profile: &Profile| {
        let mut ports: BTreeMap<u16, (BTreeSet<String>, BTreeSet<_>)> = BTreeMap::new();
        for bound in &profile.run.ports {
            let (processes, phases) = ports.entry(bound.port).or_default();
            processes.insert(bound.executable.clone());
            phases.extend(bound.phases.iter().copied());
        }
        ports
    };
    let (before, after) = (by_port(old), by_port(new));
    let mut differences = Vec::new();
    for (change, these, those) in [(Change::New, &after, &before), (Change::Gone, &before, &after)] {
        for (port, (processes, phases)) in these.iter().filter(|(port, _)| !those.contains_key(port)) {
            differences.push(Difference {
                finding: change == Change::New,
                port: Some(*port),
                processes: processes.iter().take(MAX_PROCESSES).cloned().collect(),
                phases: phases.iter().copied().collect(),
                ..Difference::of(Kind::Port, change)
            });
        }
    }
    differences
}
