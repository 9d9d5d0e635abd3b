//! `writepath doctor`: what this host offers, which sensors would be used, and what mends what is missing.
//!
//! Everything is found out by trying, as a training run would: the BPF programs are loaded and attached, and taken away
//! again. Nothing is changed.

use std::{fmt::Write as _, os::unix::fs::FileTypeExt as _};

use reports::text::printable;

use super::Status;
use crate::{
    cgroup::Mode,
    failure::{Failure, Kind},
    host, output,
    runtime::Docker,
    sensor::{Hooks, Programs, SensorError, SensorOptions, resolve_offsets, symbols::Symbols},
};

/// Sockets where container runtimes listen, and whether `run` and `attach` talk to them.
const SOCKETS: [(&str, bool); 4] = [
    ("/var/run/docker.sock", true),
    ("/run/podman/podman.sock", false),
    ("/run/containerd/containerd.sock", false),
    ("/run/crio/crio.sock", false),
];

/// One line of the report.
struct Finding {
    what: &'static str,
    /// What there is, or what is wrong.
    result: Result<String, Failure>,
    /// Whether nothing can be profiled without it.
    mandatory: bool,
}

impl Finding {
    fn mandatory(what: &'static str, result: Result<String, Failure>) -> Self {
        Self { what, result, mandatory: true }
    }

    fn optional(what: &'static str, result: Result<String, Failure>) -> Self {
        Self { what, result, mandatory: false }
    }
}

/// Runs the command. The status is 3 where nothing can be profiled here.
pub(crate) async fn run() -> Result<Status, Failure> {
    let findings = examine().await;
    output::to_stdout(report(&findings).as_bytes())?;
    let missing = findings.iter().any(|finding| finding.mandatory && finding.result.is_err());
    Ok(if missing { Kind::Host.status() } else { 0 })
}

async fn examine() -> Vec<Finding> {
    let host = host::host();
    let mut findings = vec![
        Finding::optional("kernel", Ok(format!("Linux {}", host.kernel))),
        Finding::optional("architecture", architecture(&host.arch)),
        Finding::optional("lockdown", lockdown(&host::lockdown())),
        Finding::mandatory("privileges", privileges()),
        Finding::mandatory("type information", type_information()),
        Finding::mandatory("cgroups", cgroups(Mode::of_host())),
    ];
    // The order in which they are tried; one of them is enough.
    let [fexit, tracepoint] = [Hooks::Fexit, Hooks::Tracepoint].map(try_sensors);
    let used = would_be_used(&fexit, &tracepoint);
    // What may be done about it where both are refused is said once, in the line after them.
    for (what, result) in [("fexit sensors", fexit), ("tracepoint sensors", tracepoint)] {
        let result = result.map_err(|error| Failure::new(Kind::Host, error.short()));
        findings.push(Finding::optional(what, result));
    }
    findings.push(Finding::mandatory("would be used", used));
    findings.push(Finding::optional("kernel symbols", symbols()));
    findings.push(Finding::optional("runtime sockets", sockets()));
    findings.push(Finding::optional("container runtime", runtime().await));
    findings
}

fn architecture(name: &str) -> Result<String, Failure> {
    match name {
        "x86_64" => Ok(name.to_owned()),
        other => Err(Failure::new(
            Kind::Host,
            format!("{other}: built for, but its BPF programs were never tried on a kernel"),
        )),
    }
}

fn lockdown(mode: &str) -> Result<String, Failure> {
    if mode == "confidentiality" {
        return Err(Failure::new(
            Kind::Host,
            "confidentiality: the kernel lets no BPF program read its structures",
        )
        .hint("boot without lockdown=confidentiality on the kernel's command line"));
    }
    Ok(mode.to_owned())
}

fn privileges() -> Result<String, Failure> {
    if !host::is_root() {
        return Err(Failure::new(Kind::Host, "not root").hint("run it with sudo"));
    }
    let lacking = host::lacking_capabilities();
    let why = match lacking.as_slice() {
        [] => host::blindness(),
        lacking => Some(format!("root, but without the capabilities {}", lacking.join(", "))),
    };
    match why {
        None => Ok("root".to_owned()),
        Some(why) => Err(Failure::new(Kind::Host, why).hint(host::IN_A_CONTAINER)),
    }
}

fn type_information() -> Result<String, Failure> {
    let offsets = resolve_offsets()?;
    Ok(format!("BTF, with all {offsets} structure members that are read"))
}

fn cgroups(mode: Mode) -> Result<String, Failure> {
    let kind = match &mode {
        Mode::Unified(_) => "version 2 alone",
        Mode::Hybrid(_) => "hybrid: version 1, and version 2 beside it, which is what is followed",
        // These have no root.
        Mode::Legacy | Mode::Nothing => "",
    };
    let root = mode.into_root()?;
    Ok(format!("{kind} (at {})", root.display()))
}

fn try_sensors(hooks: Hooks) -> Result<String, SensorError> {
    let (programs, _records) = Programs::load(&SensorOptions { hooks, ..SensorOptions::default() })?;
    Ok(programs.hooks().join(", "))
}

/// What `--sensor auto` comes to, and why it is not the best.
fn would_be_used(
    fexit: &Result<String, SensorError>,
    tracepoint: &Result<String, SensorError>,
) -> Result<String, Failure> {
    match (fexit, tracepoint) {
        (Ok(_), _) => Ok("fexit sensors: only system calls that can write pay for them".to_owned()),
        (Err(error), Ok(_)) => Ok(format!(
            "tracepoint sensors: every system call of the host passes them while they are attached ({})",
            error.short()
        )),
        (Err(_), Err(_)) => {
            // As a training run would say it.
            let error = try_sensors(Hooks::Auto).err();
            Err(error.map_or_else(|| Failure::new(Kind::Host, "no sensors work here"), Failure::from))
        }
    }
}

fn symbols() -> Result<String, Failure> {
    if Symbols::of_kernel().is_empty() {
        return Err(Failure::new(
            Kind::Host,
            "hidden; capability checks are judged without their place in the kernel",
        )
        .hint("sysctl kernel.kptr_restrict=1"));
    }
    Ok("readable (/proc/kallsyms)".to_owned())
}

fn sockets() -> Result<String, Failure> {
    let is_socket = |path: &str| std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let mut found: Vec<_> = SOCKETS
        .into_iter()
        .filter(|(path, _)| is_socket(path))
        .map(|(path, is_used)| if is_used { path.to_owned() } else { format!("{path} (not supported yet)") })
        .collect();
    if let Some(address) = std::env::var_os("DOCKER_HOST").filter(|address| !address.is_empty()) {
        found.insert(0, format!("DOCKER_HOST={}", address.to_string_lossy()));
    }
    if found.is_empty() { Err(Failure::new(Kind::Host, "none found")) } else { Ok(found.join(", ")) }
}

async fn runtime() -> Result<String, Failure> {
    let docker = Docker::connect().await.map_err(|error| {
        let mut failure = Failure::from(error);
        failure.message.push_str("; without it: `exec`, and `attach --cgroup`");
        failure
    })?;
    let runtime = docker.runtime();
    Ok(format!(
        "{} {}: storage driver {}, cgroup version {}, cgroup driver {}",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(program: &str) -> SensorError {
        SensorError::Load { program: program.to_owned(), message: "no\nand a long log".to_owned() }
    }

    #[test]
    fn what_would_be_used_says_why_it_is_not_the_best() {
        let works = || Ok("hooks".to_owned());
        assert!(would_be_used(&works(), &works()).unwrap().starts_with("fexit"));
        let used = would_be_used(&Err(refused("fexit/x")), &works()).unwrap();
        assert!(used.starts_with("tracepoint") && used.contains("refused fexit/x: no"), "{used}");
        assert!(!used.contains("long log"), "{used}");
    }

    #[test]
    fn the_report_has_a_line_for_each_finding_and_its_hints() {
        let failure = Failure::new(Kind::Host, "bad\nlog").hint("repair it");
        let findings = [
            Finding::mandatory("kernel", Ok("Linux".to_owned())),
            Finding::mandatory("cgroups", Err(failure)),
            Finding::optional("runtime", Err(Failure::new(Kind::Host, "gone"))),
        ];
        let expected = "kernel   ok       Linux\ncgroups  MISSING  bad\n                  to mend it: repair it\nruntime  no       gone\n";
        assert_eq!(report(&findings), expected);
    }

    #[test]
    fn modes_of_cgroups_are_told() {
        assert!(cgroups(Mode::Unified("/c".into())).unwrap().starts_with("version 2 alone"));
        assert!(cgroups(Mode::Hybrid("/c".into())).unwrap().starts_with("hybrid"));
        assert_eq!(cgroups(Mode::Legacy).unwrap_err().kind, Kind::Host);
    }
}
