//! The image `writepath:VERSION`: the static program and nothing else, and the least that a container of it has to be given
//! to profile other containers.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Artefacts, VERSION};
use crate::command::{self, say};
use crate::daemon::Daemon;
use crate::{images, workspace};

/// What a container is given. `docs/install.md` says what each is for; [`prove`] shows what happens without it.
const PRIVILEGES: [&str; 11] = [
    "--pid=host",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro",
    "--volume=/var/run/docker.sock:/var/run/docker.sock",
    "--cap-drop=ALL",
    "--cap-add=SYS_ADMIN",
    "--cap-add=SYS_PTRACE",
    "--cap-add=DAC_READ_SEARCH",
    "--cap-add=SYSLOG",
    "--security-opt=no-new-privileges",
    "--read-only",
];

/// Options without which something is missing, and what is said then. `--cap-add=SYSLOG` is not among them: without it
/// capability checks are judged without their place in the kernel, which `doctor` tells.
const NEEDED: [(&str, &str); 5] = [
    ("--pid=host", "in a PID namespace of its own"),
    ("--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro", "no cgroup hierarchy of version 2 is mounted"),
    ("--cap-add=SYS_ADMIN", "it takes CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN"),
    ("--cap-add=SYS_PTRACE", "without the capabilities SYS_PTRACE"),
    ("--cap-add=DAC_READ_SEARCH", "without the capabilities DAC_READ_SEARCH"),
];

fn name() -> String {
    format!("writepath:{VERSION}")
}

/// Builds it on the daemon, and saves it beside the other artefacts.
pub(super) fn build(daemon: &dyn Daemon, artefacts: &Artefacts) -> Result<()> {
    let context = tempfile::tempdir()?;
    fs::copy(&artefacts.program, context.path().join("writepath"))?;
    let dockerfile = workspace::root().join("xtask/dist/Dockerfile");
    let mut build = daemon.docker();
    build.args(["build", "--quiet", "--force-rm", "--tag", &name(), "--file"]).arg(dockerfile);
    for (label, value) in [
        ("title", "writepath"),
        ("version", VERSION),
        ("licenses", env!("CARGO_PKG_LICENSE")),
        ("description", "Finds out by watching where a container writes and which capabilities it needs"),
    ] {
        build.arg("--label").arg(format!("org.opencontainers.image.{label}={value}"));
    }
    // The classic builder warns on standard error that it is the classic builder; what matters is in the error.
    command::read(build.arg(context.path()))?;
    let archive = format!("writepath-{VERSION}-{}-image.tar", std::env::consts::ARCH);
    command::run(
        daemon.docker().args(["save", "--output"]).arg(artefacts.directory.join(archive)).arg(name()),
    )
}

/// Profiles containers through the image: one that it makes, and one that runs; then shows that nothing that it is given
/// can be left out.
pub(super) fn prove(daemon: &dyn Daemon) -> Result<()> {
    images::build_subject(daemon)?;
    run(daemon)?;
    attach(daemon)?;
    for (option, said) in NEEDED {
        let privileges = PRIVILEGES.iter().copied().filter(|given| *given != option);
        let output =
            container(daemon, privileges).args(["run", "--output", "-", images::SUBJECT]).output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(3), "without {option}: {}\n{error}", output.status);
        ensure!(error.contains(said), "without {option} it does not say {said:?}:\n{error}");
    }
    say(&format!("{}: profiles containers with {}", name(), PRIVILEGES.join(" ")));
    Ok(())
}

/// `docker run` of the image, up to the arguments of the program.
fn container<'a>(daemon: &dyn Daemon, privileges: impl IntoIterator<Item = &'a str>) -> Command {
    let mut docker = daemon.docker();
    docker.args(["run", "--rm"]).args(privileges).arg(name());
    docker
}

/// A container from its first instruction: what it does is known.
fn run(daemon: &dyn Daemon) -> Result<()> {
    let mut run = container(daemon, PRIVILEGES);
    let profile = profile(run.args(["run", "--output", "-", images::SUBJECT, "mkdir", "/tmp/made"]), 0)?;
    ensure!(profile["coverage"]["complete"] == true, "the profile is incomplete: {}", profile["coverage"]);
    ensure!(writes(&profile, "mkdir", "/tmp/made"), "the profile lacks the directory: {}", profile["writes"]);
    Ok(())
}

/// A container that runs; status 4, as its start was not seen. From a cgroup namespace of its own nothing would be found.
fn attach(daemon: &dyn Daemon) -> Result<()> {
    images::build_clean(daemon)?;
    let writes_on = "while sleep 0.1; do echo line >> /srv/log; done";
    let id = command::read(daemon.docker().args(["run", "--detach", images::CLEAN, "sh", "-c", writes_on]))?;
    let attach = |privileges: &[&'static str]| {
        let mut attach = container(daemon, privileges.iter().copied());
        attach.args(["attach", "--output", "-", "--duration", "1s", &id]);
        attach
    };
    let profile = profile(&mut attach(&PRIVILEGES), 4);
    let own = PRIVILEGES.map(|given| if given == "--cgroupns=host" { "--cgroupns=private" } else { given });
    let refused = attach(&own).output();
    command::succeeds(daemon.docker().args(["rm", "--force", "--volumes", &id]));
    let (profile, refused) = (profile?, refused?);
    ensure!(writes(&profile, "open", "/srv/log"), "the profile lacks the file: {}", profile["writes"]);
    let error = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        refused.status.code() == Some(3) && error.contains("outside of this process's cgroup namespace"),
        "with --cgroupns=private: {}\n{error}",
        refused.status
    );
    Ok(())
}

/// The profile that a command prints.
fn profile(command: &mut Command, status: i32) -> Result<Value> {
    let output = command.output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(status),
        "`{}`: {}\n{error}",
        command::shown(command),
        output.status
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("no profile was printed: {error}"))
}

fn writes(profile: &Value, op: &str, path: &str) -> bool {
    let writes = profile["writes"].as_array();
    writes.is_some_and(|writes| writes.iter().any(|write| write["op"] == op && write["path"] == path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_what_the_container_is_given() {
        let page = workspace::root().join("docs/install.md");
        let page = fs::read_to_string(page).unwrap();
        for option in PRIVILEGES {
            assert!(page.contains(option), "{option}");
        }
        assert!(NEEDED.iter().all(|(option, _)| PRIVILEGES.contains(option)));
    }
}
