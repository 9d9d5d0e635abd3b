//! A comparison for people, on a terminal: first what would break, then what differs.

use std::fmt::Write as _;

use super::super::dto::{Change, Comparison, Diff, DiffWarning, Difference, Kind};
use super::super::words::{self, plain};
use super::{MAX_SHOWN, verdict};
use crate::text::printable;

struct Style {
    bold: &'static str,
    dim: &'static str,
    off: &'static str,
}

pub(super) fn render(diff: &Diff, color: bool) -> String {
    let style = if color {
        Style { bold: "\x1b[1m", dim: "\x1b[2m", off: "\x1b[0m" }
    } else {
        Style { bold: "", dim: "", off: "" }
    };
    let mut out = String::new();
    // Destructured, so that a new field is not forgotten here.
    let Diff { schema: _, findings: _, accepted: _, comparisons, services, warnings } = diff;
    if let [comparison] = comparisons.as_slice()
        && comparison.service.is_none()
    {
        let (old, new) = (printable(&comparison.old.subject), printable(&comparison.new.subject));
        if diff.findings == 0 {
            let end = if diff.accepted == 0 {
                format!(": {new} writes, uses and needs nothing that {old} did not.")
            } else {
                ".".to_owned()
            };
            line(&mut out, format_args!("{}{}{end}{}", style.bold, verdict(diff), style.off));
        } else {
            line(
                &mut out,
                format_args!("{}{} in {new}, compared with {old}{}", style.bold, verdict(diff), style.off),
            );
        }
    } else {
        let services = comparisons.len();
        line(
            &mut out,
            format_args!("{}{}; {services} services compared{}", style.bold, verdict(diff), style.off),
        );
    }
    warn(&mut out, &style, warnings);
    section(&mut out, &style, "Services", &services.iter().collect::<Vec<_>>());
    for comparison in comparisons {
        one(&mut out, &style, comparison);
    }
    out
}

fn line(out: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(args);
    out.push('\n');
}

fn warn(out: &mut String, style: &Style, warnings: &[DiffWarning]) {
    for warning in warnings {
        let (code, message) = (printable(&warning.code), printable(&warning.message));
        line(out, format_args!("{}Warning{} ({code}): {message}", style.bold, style.off));
    }
}

fn one(out: &mut String, style: &Style, comparison: &Comparison) {
    let Comparison { service, old, new, breaks, differences, warnings } = comparison;
    if let Some(service) = service {
        let (service, old, new) = (printable(service), printable(&old.subject), printable(&new.subject));
        line(out, format_args!("\n{}Service {service}{}: {new}, compared with {old}", style.bold, style.off));
    }
    warn(out, style, warnings);
    if !breaks.is_empty() {
        line(out, format_args!("\n{}The plan for OLD would break: NEW also needs{}", style.bold, style.off));
        for need in breaks.iter().take(MAX_SHOWN) {
            line(out, format_args!("  {}", printable(&need.what)));
            if !need.why.is_empty() {
                line(out, format_args!("      {}", printable(&need.why)));
            }
        }
        more(out, breaks.len());
    }
    let select = |wanted: &dyn Fn(&Difference) -> bool| -> Vec<&Difference> {
        differences.iter().filter(|difference| wanted(difference)).collect()
    };
    for kind in Kind::ALL {
        let open = select(&|difference| difference.kind == kind && difference.is_open());
        section(out, style, &format!("New: {}", words::heading(kind)), &open);
    }
    section(out, style, "Accepted by the baseline", &select(&|difference| difference.accepted.is_some()));
    let noted = select(&|difference| !difference.finding && difference.change != Change::Gone);
    section(out, style, "Changed, but no finding", &noted);
    section(out, style, "Gone", &select(&|difference| difference.change == Change::Gone));
}

fn section(out: &mut String, style: &Style, heading: &str, differences: &[&Difference]) {
    if differences.is_empty() {
        return;
    }
    line(out, format_args!("\n{}{heading}{}", style.bold, style.off));
    for difference in differences.iter().take(MAX_SHOWN) {
        let dim = if difference.is_open() { "" } else { style.dim };
        let off = if dim.is_empty() { "" } else { style.off };
        let gone = if difference.kind == Kind::Service && difference.change == Change::Gone {
            " is gone"
        } else {
            ""
        };
        line(out, format_args!("  {dim}{}{gone}{off}", printable(&plain(&words::headline(difference)))));
        let mut below = |text: String| {
            if !text.is_empty() {
                line(out, format_args!("      {dim}{}{off}", printable(&text)));
            }
        };
        if difference.change != Change::Gone {
            below(plain(&words::who(difference)));
            below(words::example(difference).map(|path| format!("for instance {path}")).unwrap_or_default());
            below(difference.why.clone().unwrap_or_default());
        }
        if let Some(accepted) = &difference.accepted {
            let reason = accepted.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            below(format!("accepted in line {}{reason}", accepted.line));
        }
    }
    more(out, differences.len());
}

fn more(out: &mut String, all: usize) {
    if let Some(more @ 1..) = all.checked_sub(MAX_SHOWN) {
        line(out, format_args!("  and {more} more, see --format json"));
    }
}
