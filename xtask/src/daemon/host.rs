//! The host's own daemon: used as it runs, or started for as long as the guard lives.
//!
//! A running daemon is never stopped or reconfigured. Under systemd the unit is started and stays.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

use super::{Daemon, START_LIMIT, STOP_LIMIT, answers, process};
use crate::command::{self, say};
use crate::packages::{self, HostLacks};
use crate::{waiting, workspace};

/// The host's daemon, and the process of it where it was started here.
pub(crate) struct Host {
    address: String,
    started: Option<Child>,
}

/// Finds the daemon or starts it.
///
/// # Errors
/// [`HostLacks`] where none answers and none can be started.
pub(crate) fn ensure() -> Result<Host> {
    let address = configured_address()?;
    if answers(&address) {
        return Ok(Host { address, started: None });
    }
    let lacks = |what: String| {
        anyhow!(HostLacks { what, commands: vec!["systemctl start docker   # or: dockerd".to_owned()] })
    };
    if !packages::is_root() || command::find("dockerd").is_none() {
        return Err(lacks(format!(
            "no Docker daemon answers at {address}, and none can be started from here"
        )));
    }
    if Path::new("/run/systemd/system").is_dir() {
        command::run(Command::new("systemctl").args(["start", "docker"]))?;
        waiting::until("an answer of the Docker daemon", START_LIMIT, || Ok(answers(&address)))?;
        return Ok(Host { address, started: None });
    }
    start(address)
        .map_err(|error| lacks(format!("no Docker daemon runs, and starting one failed: {error:#}")))
}

fn start(address: String) -> Result<Host> {
    let directory = workspace::scratch();
    fs::create_dir_all(&directory)?;
    let log = directory.join("host-daemon.log");
    say(&format!("no Docker daemon answers; starting one (its log: {})", log.display()));
    let output = File::create(&log)?;
    let child = Command::new("setpriv")
        // It follows its owner even when that is killed.
        .args(["--pdeathsig", "TERM", "dockerd", "-H", &address])
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // Its own group: a Ctrl-C at the terminal reaches it once, by way of its owner's end.
        .process_group(0)
        .spawn()
        .context("dockerd cannot be started")?;
    let mut host = Host { address, started: Some(child) };
    let (address, child) = (&host.address, &mut host.started);
    waiting::until("an answer of the Docker daemon", START_LIMIT, || {
        if let Some(status) = child.as_mut().and_then(|child| child.try_wait().transpose()).transpose()? {
            bail!("dockerd ended ({status}); see {}", log.display());
        }
        Ok(answers(address))
    })?;
    Ok(host)
}

/// Where the client would look: `DOCKER_HOST`, or the address of its current context.
fn configured_address() -> Result<String> {
    if let Ok(address) = env::var("DOCKER_HOST") {
        return Ok(address);
    }
    command::read(Command::new("docker").args([
        "context",
        "inspect",
        "--format",
        "{{.Endpoints.docker.Host}}",
    ]))
}

impl Daemon for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DOCKER_HOST", &self.address);
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let Some(child) = &mut self.started else { return };
        say("stopping the Docker daemon that was started here");
        if let Err(error) = process::end_child(child, STOP_LIMIT) {
            say(&format!("the Docker daemon (process {}) could not be stopped: {error:#}", child.id()));
        }
    }
}
