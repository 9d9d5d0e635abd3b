//! What changed between two profiles of one subject, in both directions of the comparison.
//!
//! Owns what counts as one subject: the same command, or the same image in any version.

use super::Source;
use super::words;
use crate::diff::{Change as How, Kind};
use crate::diff::{Comparison, DiffWarning, Difference, Input, Need, SIZE_FACTOR, described, diff};
use crate::model::Profile;

/// How many places are shown at most.
const ROWS: usize = 500;

/// What changed.
pub(super) struct Changes {
    pub(super) old: String,
    pub(super) new: String,
    /// What the second needs and the plan for the first does not give.
    pub(super) breaks: Vec<Broken>,
    pub(super) directions: Vec<Direction>,
    /// What may be missing or misleading.
    pub(super) warnings: Vec<String>,
    pub(super) none: bool,
}

/// Something that a plan lacks.
pub(super) struct Broken {
    pub(super) what: String,
    pub(super) why: String,
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
    let [before, after] = [old, new].map(|source| Input::Profile(Box::new(source.profile.clone())));
    // Two files make one comparison.
    let comparison = diff(&before, &after, SIZE_FACTOR).comparisons.pop()?;
    let Comparison { service: _, old: _, new: _, breaks, differences, warnings } = comparison;
    let directions = [("New in", "+", false), ("No longer in", "−", true)].map(|(title, sign, gone)| {
        direction(title, sign, differences.iter().filter(|one| (one.change == How::Gone) == gone))
    });
    Some(Changes {
        old: words::short(old.label),
        new: words::short(new.label),
        breaks: breaks.iter().map(broken).collect(),
        warnings: warnings.iter().map(warning).collect(),
        none: differences.is_empty(),
        directions: directions.into(),
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

fn direction<'a>(
    title: &'static str,
    sign: &'static str,
    differences: impl Iterator<Item = &'a Difference>,
) -> Direction {
    let mut rows: Vec<Change> = differences.map(change).collect();
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    Direction { title, sign, rows, more }
}

fn change(difference: &Difference) -> Change {
    let (what, who) = described(difference);
    let why = difference.why.as_deref().unwrap_or_default();
    let detail =
        [who.as_str(), why].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    Change { kind: kind(difference.kind), what: words::short(&what), detail: words::passage(&detail) }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Write => "write",
        Kind::Mount => "mount",
        Kind::Cap => "capability",
        Kind::Exec => "execution",
        Kind::Privileges => "privileges",
        Kind::Port => "port",
        Kind::Denied => "refused",
        Kind::Size => "size",
        Kind::Service => "service",
    }
}

fn broken(need: &Need) -> Broken {
    let Need { kind: _, what, why } = need;
    Broken { what: words::short(what), why: words::passage(why) }
}

fn warning(warning: &DiffWarning) -> String {
    let DiffWarning { code: _, message } = warning;
    words::passage(message)
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
