//! `writepath doctor`: what this host offers, which sensors would be used, and what mends what is missing.

use std::fmt::Write as _;

use reports::text::printable;

use super::Status;
use crate::{
    cgroup,
    failure::{Failure, Kind},
    host, output,
    runtime::Docker,
    sensor::{Hooks, Programs, SensorOptions, symbols::Symbols},
};

/// One line of the report.
struct Finding {
    what: &'static str,
    /// What there is, or what is wrong.
    result: Result<String, Failure>,
    /// Whether nothing can be profiled without it.
    mandatory: bool,
}

/// Runs the command. The status is 3 where containers cannot be profiled here.
pub(crate) async fn run() -> Result<Status, Failure> {
    let findings = examine().await;
    output::to_stdout(report(&findings).as_bytes())?;
    let missing = findings.iter().any(|finding| finding.mandatory && finding.result.is_err());
    Ok(if missing { Kind::Host.status() } else { 0 })
}

async fn examine() -> Vec<Finding> {
    let host = host::host();
    let mut findings = vec![
        Finding {
            what: "kernel",
            result: Ok(format!("Linux {} on {}", host.kernel, host.arch)),
            mandatory: true,
        },
        Finding {
            what: "privileges",
            result: if host::is_root() {
                Ok("root".to_owned())
            } else {
                Err(Failure::new(Kind::Host, "not root").hint("run it with sudo"))
            },
            mandatory: true,
        },
        Finding { what: "cgroups", result: cgroups(), mandatory: true },
    ];
    // The order in which they are tried; one of them is enough.
    let tried: Vec<_> = [("fexit sensors", Hooks::Fexit), ("tracepoint sensors", Hooks::Tracepoint)]
        .map(|(what, hooks)| Finding { what, result: try_sensors(hooks), mandatory: false })
        .into();
    let used = tried.iter().find(|finding| finding.result.is_ok()).map(|finding| finding.what);
    findings.extend(tried);
    findings.push(Finding {
        what: "would be used",
        result: used.map(str::to_owned).ok_or_else(|| Failure::new(Kind::Host, "no sensors work here")),
        mandatory: true,
    });
    findings.push(Finding { what: "kernel symbols", result: symbols(), mandatory: false });
    findings.push(Finding { what: "container runtime", result: runtime().await, mandatory: false });
    findings
}

fn cgroups() -> Result<String, Failure> {
    let root = cgroup::root()?;
    let kind = if root == std::path::Path::new("/sys/fs/cgroup") { "version 2" } else { "hybrid, version 2" };
    Ok(format!("{kind} at {}", root.display()))
}

fn try_sensors(hooks: Hooks) -> Result<String, Failure> {
    let (programs, _records) = Programs::load(&SensorOptions { hooks, ..SensorOptions::default() })?;
    Ok(programs.hooks().join(", "))
}

fn symbols() -> Result<String, Failure> {
    if Symbols::of_kernel().is_empty() {
        return Err(Failure::new(
            Kind::Host,
            "hidden; capability checks are judged without their place in the kernel",
        )
        .hint("sysctl kernel.kptr_restrict=1"));
    }
    Ok("readable".to_owned())
}

async fn runtime() -> Result<String, Failure> {
    let docker = Docker::connect().await?;
    let runtime = docker.runtime();
    Ok(format!(
        "{} {} ({}, cgroup version {} by {})",
        runtime.name, runtime.version, runtime.storage_driver, runtime.cgroup_version, runtime.cgroup_driver
    ))
}

fn report(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { what, result, mandatory } in findings {
        let (mark, words, hints) = match result {
            Ok(words) => ("ok", words.as_str(), [].as_slice()),
            Err(failure) => {
                // Of a program that is refused the first line says why; the rest is the verifier's.
                let first = failure.message.lines().next().unwrap_or_default();
                (if *mandatory { "MISSING" } else { "no" }, first, failure.hints.as_slice())
            }
        };
        // Writing into a string does not fail.
        let _ = writeln!(text, "{what:width$}  {mark:7}  {}", printable(words));
        for hint in hints {
            let _ = writeln!(text, "{:width$}           to mend it: {}", "", printable(hint));
        }
    }
    text
}
