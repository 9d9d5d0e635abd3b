//! SARIF 2.1.0 (OASIS standard, 27 March 2020), as code scanning takes it.
//!
//! Owns types of its own for the few objects that are needed. Every difference that counts is a result, one rule per
//! kind; what is accepted is there with a suppression. A path of the subject is no file of the repository: it stands as a
//! logical location, and the physical one is the profile of the new release.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::dto::{Comparison, Diff, Difference, Kind};
use super::super::words::{self, plain};
use super::DiffOptions;
use crate::text::printable;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json";
/// How many results hosts take of one run.
const MAX_RESULTS: usize = 5000;

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: Vec<Run>,
}

#[derive(Serialize)]
struct Run {
    tool: Tool,
    results: Vec<SarifResult>,
    invocations: Vec<Invocation>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Message,
    full_description: Message,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    justification: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
}

pub(super) fn render(diff: &Diff, options: &DiffOptions) -> Result<String, serde_json::Error> {
    let rules = Kind::ALL.map(|kind| Rule {
        id: kind.name(),
        short_description: Message { text: words::heading(kind).to_owned() },
        full_description: Message { text: about(kind).to_owned() },
        default_configuration: Configuration { level: level(kind) },
    });
    let findings: Vec<&Difference> = diff.differences().filter(|difference| difference.finding).collect();
    let results = findings.iter().take(MAX_RESULTS).map(|difference| result(difference, options)).collect();
    let mut notes: Vec<String> = diff.warnings.iter().map(|warning| warning.message.clone()).collect();
    for Comparison { service, warnings, .. } in &diff.comparisons {
        let of = service.as_ref().map(|service| format!("{service}: ")).unwrap_or_default();
        notes.extend(warnings.iter().map(|warning| format!("{of}{}", warning.message)));
    }
    if let Some(more @ 1..) = findings.len().checked_sub(MAX_RESULTS) {
        notes.push(format!("{more} more results are left out, see --format json"));
    }
    let notification = |text: String| Notification { level: "warning", message: message(&text) };
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: vec![Run {
            tool: Tool {
                driver: Driver {
                    name: "writepath",
                    version: env!("CARGO_PKG_VERSION"),
                    rules: rules.into_iter().collect(),
                },
            },
            results,
            invocations: vec![Invocation {
                execution_successful: true,
                tool_execution_notifications: notes.into_iter().map(notification).collect(),
            }],
        }],
    };
    serde_json::to_string_pretty(&log).map(|text| text + "\n")
}

fn result(difference: &Difference, options: &DiffOptions) -> SarifResult {
    let mut text = plain(&words::headline(difference));
    let who = plain(&words::who(difference));
    for more in [Some(who).filter(|who| !who.is_empty()), difference.why.clone()].into_iter().flatten() {
        text = format!("{text}; {more}");
    }
    let name = difference.path.as_ref().or(difference.cap.as_ref()).or(difference.service.as_ref());
    let name = name.cloned().or_else(|| difference.port.map(|port| port.to_string()));
    let suppressions = difference.accepted.iter().map(|accepted| Suppression {
        kind: "external",
        justification: printable(accepted.reason.as_deref().unwrap_or("accepted by the baseline")),
    });
    SarifResult {
        rule_id: difference.kind.name(),
        rule_index: Kind::ALL.iter().position(|kind| *kind == difference.kind).unwrap_or_default(),
        level: level(difference.kind),
        message: message(&format!("New: {text}")),
        locations: vec![Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation {
                    uri: uri(&options.new_name, difference.service.as_deref()),
                },
                region: Region { start_line: 1 },
            },
            logical_locations: vec![LogicalLocation {
                fully_qualified_name: printable(&name.unwrap_or_else(|| difference.kind.name().to_owned())),
                kind: "resource",
            }],
        }],
        partial_fingerprints: BTreeMap::from([("writepathDifference/v1", fingerprint(difference))]),
        suppressions: suppressions.collect(),
    }
}

/// Text in which nothing is a link: a plain text message may hold `[text](target)` (SARIF 2.1.0, section 3.11.6).
fn message(text: &str) -> Message {
    let mut escaped = String::new();
    for c in printable(text).chars() {
        if matches!(c, '\\' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    Message { text: escaped }
}

/// What makes a difference the same in the next comparison.
fn fingerprint(difference: &Difference) -> String {
    let parts = [
        Some(difference.kind.name().to_owned()),
        difference.service.clone(),
        difference.op.map(|op| op.name().to_owned()),
        difference.errno.map(|errno| errno.to_string()),
        difference.path.clone(),
        difference.from.clone(),
        difference.cap.clone(),
        difference.port.map(|port| port.to_string()),
    ];
    parts.map(Option::unwrap_or_default).join("|")
}

/// A file name as a relative reference (RFC 3986): what is not unreserved is percent-encoded.
fn uri(file: &str, service: Option<&str>) -> String {
    let file = match service {
        Some(service) => format!("{}/{service}.json", file.trim_end_matches('/')),
        None => file.to_owned(),
    };
    let mut uri = String::new();
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    // `-` is standard input, and an empty reference none.
    if uri.is_empty() || uri == "-" { "profile.json".to_owned() } else { uri }
}

fn level(kind: Kind) -> &'static str {
    match kind {
        Kind::Mount | Kind::Cap | Kind::Exec | Kind::Privileges => "error",
        Kind::Write | Kind::Port | Kind::Denied | Kind::Size | Kind::Service => "warning",
    }
}

fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::Write => {
            "An operation that takes write access, at a place where the old release did none of its kind."
        }
        Kind::Mount => {
            "A place that must be writable for the new release alone, or a mount that must be another."
        }
        Kind::Cap => "A capability that the new release needs and the old one did not.",
        Kind::Exec => "A program that is executed from where the new release itself writes.",
        Kind::Privileges => "A program that gains privileges, or a plan under another user.",
        Kind::Port => "A port below 1024 that only the new release binds.",
        Kind::Denied => "An operation of the new release that was refused.",
        Kind::Size => {
            "What is written at one place has grown a lot, or outgrows the plan for the old release."
        }
        Kind::Service => "A service that only the new release has.",
    }
}
