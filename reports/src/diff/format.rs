//! Output formats of a comparison: text for people, and JSON (schema `writepath.diff/v1`).

use std::fmt::Write as _;
use std::str::FromStr;

use super::{Diff, FailOn, NewMountKind};
use crate::model::Verdict;
use crate::text::printable;

/// A format that a comparison can be printed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DiffFormat {
    /// For people.
    #[default]
    Text,
    /// The comparison itself.
    Json,
}

/// No format has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no format of that name; there are text, json")]
pub struct UnknownDiffFormat;

impl FromStr for DiffFormat {
    type Err = UnknownDiffFormat;

    fn from_str(name: &str) -> Result<Self, UnknownDiffFormat> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownDiffFormat),
        }
    }
}

/// Prints a comparison. The text ends with a newline.
///
/// # Errors
/// Those of serde_json; none is known for this type.
pub fn render(format: DiffFormat, diff: &Diff, color: bool) -> Result<String, serde_json::Error> {
    match format {
        DiffFormat::Json => serde_json::to_string_pretty(diff).map(|text| text + "\n"),
        DiffFormat::Text => Ok(text(diff, color)),
    }
}

fn text(diff: &Diff, color: bool) -> String {
    let (bold, off) = if color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let mut out = String::new();
    // Writing to a string does not fail.
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = out.write_fmt(args);
        out.push('\n');
    };
    let (old, new) = (printable(&diff.old.subject), printable(&diff.new.subject));
    for (side, name) in [(&diff.old, "OLD"), (&diff.new, "NEW")] {
        if !side.complete {
            line(format_args!(
                "{name} is incomplete ({}): the comparison may be wrong.",
                printable(&side.subject)
            ));
        }
    }
    if !diff.fails(&[FailOn::Any]) {
        line(format_args!("Nothing new: {new} writes, uses and needs nothing that {old} did not."));
    } else {
        line(format_args!("{bold}New in {new}, compared with {old}{off}"));
    }
    if !diff.writes.is_empty() {
        line(format_args!("\n{bold}Writes{off}"));
        let width = diff.writes.iter().map(|write| write.op.name().len()).max().unwrap_or(0);
        for write in &diff.writes {
            let from = write.from.as_ref().map(|from| format!(" (from {from})")).unwrap_or_default();
            let more = match write.objects {
                0 | 1 => String::new(),
                objects => format!(" and {} more like it", objects - 1),
            };
            line(format_args!("  {:width$}  {}{from}{more}", write.op.name(), write.path));
            line(format_args!(
                "  {:width$}    by {}, {}",
                "",
                printable(&write.processes.join(", ")),
                times(write.count)
            ));
        }
    }
    let (required, rest): (Vec<_>, Vec<_>) =
        diff.capabilities.iter().partition(|capability| capability.verdict == Verdict::Required);
    for (heading, capabilities) in [
        ("Capabilities now required", required),
        ("Capabilities asked for, but not required (no finding)", rest),
    ] {
        if capabilities.is_empty() {
            continue;
        }
        line(format_args!("\n{bold}{heading}{off}"));
        let width = capabilities.iter().map(|capability| capability.cap.chars().count()).max().unwrap_or(0);
        for capability in capabilities {
            let before = match capability.before {
                None => "",
                Some(Verdict::Attempted) => " (was attempted)",
                Some(Verdict::Opportunistic) => " (was opportunistic)",
                Some(Verdict::Required) => " (was required)",
            };
            line(format_args!(
                "  {:width$}  {} for {}{before}",
                printable(&capability.cap),
                printable(&capability.processes.join(", ")),
                printable(&capability.syscalls.join(", ")),
            ));
        }
    }
    if !diff.mounts.is_empty() {
        line(format_args!("\n{bold}Must now be writable{off}"));
        for mount in &diff.mounts {
            let kind = match mount.kind {
                NewMountKind::Tmpfs => "tmpfs",
                NewMountKind::Volume => "volume",
                NewMountKind::Existing => "existing mount",
                NewMountKind::Root => "root file system",
            };
            line(format_args!("  {}  {kind}: {}", mount.target, printable(&mount.why)));
        }
    }
    out
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
