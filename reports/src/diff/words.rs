//! A difference in words, as all formats for people have them. Nothing here is escaped: that is for each format.

use super::dto::{Change, Difference, Kind};
use crate::errno;
use crate::format::size_text;
use crate::model::Phase;
use crate::plan::listed;

/// What is different, in parts: text, and what came from the subject.
pub(super) enum Part {
    /// Words of this program.
    Text(String),
    /// A name of the subject's.
    Name(String),
}

fn text(text: impl Into<String>) -> Part {
    Part::Text(text.into())
}

fn name(name: &Option<String>) -> Part {
    Part::Name(name.clone().unwrap_or_default())
}

/// One line about a difference.
pub(super) fn headline(difference: &Difference) -> Vec<Part> {
    let change = |from: &str, to: &str| format!("{from} → {to}");
    let before = difference.before.as_deref().unwrap_or("nothing");
    let after = difference.after.as_deref().unwrap_or("nothing");
    match difference.kind {
        Kind::Write | Kind::Denied => {
            let op = difference.op.map_or("", |op| op.name());
            let mut parts = vec![text(format!("{op} "))];
            if difference.from.is_some() {
                parts.extend([name(&difference.from), text(" → ")]);
            }
            parts.push(name(&difference.path));
            if let Some(errno) = difference.errno {
                let words = errno::name(errno).map_or_else(|| errno.to_string(), str::to_owned);
                parts.push(text(format!(" is refused with {words}")));
            }
            if difference.objects > 1 {
                parts.push(text(format!(", {} of them", difference.objects)));
            }
            parts
        }
        Kind::Mount => {
            let words = match difference.change {
                Change::New => after.to_owned(),
                Change::Gone => before.to_owned(),
                Change::Changed => change(before, after),
            };
            vec![name(&difference.path), text(format!("  {words}"))]
        }
        Kind::Cap => {
            let words = match difference.change {
                Change::New => after.to_owned(),
                Change::Gone => format!("was {before}"),
                Change::Changed => format!("{after}, was {before}"),
            };
            vec![name(&difference.cap), text(format!("  {words}"))]
        }
        Kind::Exec => vec![name(&difference.path), text("  executed, and lies where the subject writes")],
        Kind::Privileges if difference.path.is_none() => {
            vec![Part::Name(before.to_owned()), text(" → "), Part::Name(after.to_owned())]
        }
        Kind::Privileges => vec![name(&difference.path), text("  gains privileges")],
        Kind::Port => vec![text(format!("port {}", difference.port.unwrap_or_default()))],
        Kind::Size => {
            let size = |text: &str| text.parse().map_or_else(|_| text.to_owned(), approximate);
            let before = difference.before.as_deref().map_or("unknown".to_owned(), size);
            vec![name(&difference.path), text(format!("  {}", change(&before, &size(after))))]
        }
        Kind::Service => vec![text("service "), name(&difference.service)],
    }
}

/// A difference as plain text: what is different, and who did it, how often and when.
pub(crate) fn described(difference: &Difference) -> (String, String) {
    (plain(&headline(difference)), plain(&who(difference)))
}

/// Who did it, how often and when; empty where that is not known.
pub(super) fn who(difference: &Difference) -> Vec<Part> {
    let mut parts = Vec::new();
    if !difference.processes.is_empty() {
        parts.push(text("by "));
        for (index, process) in difference.processes.iter().take(3).enumerate() {
            if index > 0 {
                parts.push(text(", "));
            }
            parts.push(Part::Name(process.clone()));
        }
        if let Some(more @ 1..) = difference.processes.len().checked_sub(3) {
            parts.push(text(format!(" and {more} more")));
        }
    }
    let mut push = |words: String| {
        parts.push(text(if parts.is_empty() { words } else { format!(", {words}") }));
    };
    if difference.kind == Kind::Cap {
        let mut syscalls: Vec<&str> =
            difference.evidence.iter().filter_map(|check| check.syscall.as_deref()).collect();
        syscalls.sort_unstable();
        syscalls.dedup();
        if !syscalls.is_empty() {
            push(format!("for {}", listed(syscalls, 3)));
        }
    }
    match difference.count {
        0 => {}
        1 => push("once".to_owned()),
        count => push(format!("{count} times")),
    }
    if !difference.phases.is_empty() {
        push(difference.phases.iter().map(|phase| phase_name(*phase)).collect::<Vec<_>>().join(", "));
    }
    parts
}

/// An observed name behind a place that is shown with placeholders.
pub(super) fn example(difference: &Difference) -> Option<String> {
    let observed = difference.evidence.first()?.path.as_ref()?.escaped();
    (difference.path.as_ref().is_some_and(|path| *path != observed)
        && !matches!(difference.kind, Kind::Mount))
    .then_some(observed)
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Startup => "start-up",
        Phase::Steady => "steady",
        Phase::Shutdown => "shutdown",
    }
}

/// A heading for a kind.
pub(super) fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Write => "Writes",
        Kind::Mount => "Must be writable, or mounted otherwise",
        Kind::Cap => "Capabilities",
        Kind::Exec => "Executes what it wrote",
        Kind::Privileges => "Privileges",
        Kind::Port => "Ports below 1024",
        Kind::Denied => "Refused operations",
        Kind::Size => "Sizes",
        Kind::Service => "Services",
    }
}

/// A size in bytes for people, not exact.
fn approximate(bytes: u64) -> String {
    match bytes {
        0..=1023 => size_text(bytes),
        1024..=1_048_575 => format!("{} KiB", bytes >> 10),
        1_048_576..=1_073_741_823 => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, (bytes >> 20) % 1024 * 10 / 1024),
    }
}

/// All parts as plain text.
pub(super) fn plain(parts: &[Part]) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) | Part::Name(text) => text.as_str(),
        })
        .collect()
}
