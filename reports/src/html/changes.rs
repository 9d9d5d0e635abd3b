//! What changed between two profiles of one subject, in both directions of the comparison.
//!
//! Owns what counts as one subject: the same command, or the same image in any version.

use super::Source;
use super::words;
use crate::diff::{Diff, NewCapability, NewMount, NewMountKind, NewWrite, diff};
use crate::model::{Profile, Verdict};
use crate::plan::listed;

/// How many places are shown at most.
const ROWS: usize = 500;

/// What changed.
pub(super) struct Changes {
    pub(super) old: String,
    pub(super) new: String,
    pub(super) directions: Vec<Direction>,
    /// Whether one of the two did not see everything.
    pub(super) doubtful: bool,
    pub(super) none: bool,
}

/// What one of the two does and the other does not.
pub(super) struct Direction {
    /// What stands before the name of the second.
    pub(super) title: &'static str,
    pub(super) sign: &'static str,
    pub(super) rows: Vec<Change>,
    pub(super) more: usize,
}

/// One difference.
pub(super) struct Change {
    pub(super) kind: &'static str,
    pub(super) what: String,
    pub(super) detail: String,
}

/// What changed from the first of two sources to the second; absent where they are of different subjects, or not two.
pub(super) fn changes(sources: &[Source<'_>]) -> Option<Changes> {
    let [old, new] = sources else { return None };
    if repository(old.profile) != repository(new.profile) {
        return None;
    }
    let directions: Vec<Direction> = [
        ("New in", "+", diff(old.profile, new.profile)),
        ("No longer in", "−", diff(new.profile, old.profile)),
    ]
    .into_iter()
    .map(|(title, sign, diff)| direction(title, sign, &diff))
    .collect();
    Some(Changes {
        old: words::short(old.label),
        new: words::short(new.label),
        doubtful: !(old.profile.coverage.complete && new.profile.coverage.complete),
        none: directions.iter().all(|direction| direction.rows.is_empty()),
        directions,
    })
}

/// An image reference without tag and digest, or a command.
fn repository(profile: &Profile) -> &str {
    let name = profile.subject.name.as_str();
    if profile.subject.config.is_none() {
        return name;
    }
    let name = name.split('@').next().unwrap_or(name);
    // A colon before the last slash is a registry's port.
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

fn direction(title: &'static str, sign: &'static str, diff: &Diff) -> Direction {
    let mounts = diff.mounts.iter().map(mount);
    let capabilities = diff.capabilities.iter().map(capability);
    let writes = diff.writes.iter().map(write);
    let rows: Vec<Change> = mounts.chain(capabilities).chain(writes).take(ROWS).collect();
    let all = diff.mounts.len() + diff.capabilities.len() + diff.writes.len();
    Direction { title, sign, more: all.saturating_sub(rows.len()), rows }
}

fn mount(mount: &NewMount) -> Change {
    let NewMount { target, kind, why } = mount;
    let kind = match kind {
        NewMountKind::Tmpfs => "tmpfs",
        NewMountKind::Volume => "volume",
        NewMountKind::Existing => "writable mount",
        NewMountKind::Root => "writable root",
    };
    Change { kind, what: words::short(&target.to_string()), detail: words::passage(why) }
}

fn capability(capability: &NewCapability) -> Change {
    let NewCapability { cap, verdict, before, processes, syscalls } = capability;
    let verdict = match verdict {
        Verdict::Required => "needed",
        Verdict::Opportunistic => "asked for, makes no difference",
        Verdict::Attempted => "asked for in vain",
    };
    let before = match before {
        None => "",
        Some(Verdict::Attempted) => " (asked for in vain in the other)",
        Some(Verdict::Opportunistic) => " (makes no difference in the other)",
        Some(Verdict::Required) => " (needed in the other)",
    };
    let who = words::short(&listed(processes.iter().map(String::as_str), 3));
    let calls = words::short(&listed(syscalls.iter().map(String::as_str), 4));
    Change {
        kind: "capability",
        what: words::short(cap),
        detail: format!("{verdict}{before}: {who} for {calls}"),
    }
}

fn write(write: &NewWrite) -> Change {
    let NewWrite { path, from, op, mount: _, objects, count, processes, phases } = write;
    let from =
        from.as_ref().map(|from| format!(", from {}", words::short(&from.to_string()))).unwrap_or_default();
    let more = match objects.saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {} more like it", words::number(more)),
    };
    let who = words::short(&listed(processes.iter().map(String::as_str), 3));
    let phases = words::phases(phases.iter().copied());
    Change {
        kind: op.name(),
        what: words::short(&path.to_string()),
        detail: format!("{}{from}{more}, by {who}, {phases}", words::times(*count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_same_in_every_version() {
        let with = |name: &str, is_container: bool| {
            let mut profile = Profile::from_json(
                br#"{"schema":"writepath.profile/v1","tool":{"name":"writepath","version":"0"},
                "host":{"kernel":"","arch":""},"subject":{"name":""},"run":{"started":"","duration_ms":1},
                "coverage":{"complete":true},"writes":[],"capabilities":[]}"#,
            )
            .unwrap();
            profile.subject.name = name.to_owned();
            profile.subject.config = is_container.then(Default::default);
            profile
        };
        for (name, is_container, want) in [
            ("app", true, "app"),
            ("app:1", true, "app"),
            ("registry.example:5000/app", true, "registry.example:5000/app"),
            ("registry.example:5000/app:1@sha256:00", true, "registry.example:5000/app"),
            ("tool --at a:b", false, "tool --at a:b"),
        ] {
            assert_eq!(repository(&with(name, is_container)), want);
        }
    }
}
