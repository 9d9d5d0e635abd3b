//! A run without writepath, under the same load, for what `docker diff` shows afterwards.
//!
//! The container is stopped as a training run would stop it, and removed with its anonymous volumes at the end,
//! whatever happened.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::application::{READY_LIMIT_S, Ready, STOP_LIMIT_S};
use super::training::Training;
use crate::daemon::Daemon;
use crate::http_load::request;
use crate::{command, waiting};

/// What `docker diff` prints of the application after its load.
pub(super) fn diff(training: &Training<'_>) -> Result<String> {
    let Training { daemon, application, port, release, .. } = *training;
    let container = Container { daemon, name: format!("writepath-catalog-{}-{port}", std::process::id()) };
    let mut run = daemon.docker();
    run.args(["run", "--detach", "--name", &container.name, "--label", "io.writepath.test=1"]);
    run.args(application.options(port)).arg(application.image(release)).args(application.arguments);
    command::read(&mut run)?;
    waiting::until(application.name, Duration::from_secs(READY_LIMIT_S), || {
        if container.read(&["container", "inspect", "--format", "{{.State.Running}}"])? != "true" {
            bail!("it ended: {}", container.log()?);
        }
        Ok(match application.ready {
            Ready::Log(text) => container.log()?.contains(text),
            Ready::Http(path) => {
                let url = format!("http://127.0.0.1:{port}/");
                request(&url, "GET", path, "").is_ok_and(|answer| answer.status == 200)
            }
        })
    })?;
    let load = application.load_line(port)?;
    command::read(daemon.command("sh").args(["-c", &load])).context("the load on a plain run")?;
    container.read(&["stop", "--time", &STOP_LIMIT_S.to_string()])?;
    container.read(&["diff"])
}

/// A container of this name, if it came into being.
struct Container<'a> {
    daemon: &'a dyn Daemon,
    name: String,
}

impl Container<'_> {
    fn read(&self, arguments: &[&str]) -> Result<String> {
        command::read(self.daemon.docker().args(arguments).arg(&self.name))
    }

    /// What it wrote on both streams.
    fn log(&self) -> Result<String> {
        let output = Command::output(self.daemon.docker().args(["logs", &self.name]))?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        command::succeeds(self.daemon.docker().args(["rm", "--force", "--volumes", &self.name]));
    }
}
