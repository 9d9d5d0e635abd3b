//! A container for the time of a benchmark. Its client follows this process, and the daemon removes the container
//! (with its anonymous volumes) when it ends.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::helper::{Helper, following};
use super::subject::Subject;
use crate::command;
use crate::daemon::Daemon;

/// How long a container may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running container.
pub(super) struct Container {
    name: String,
    address: String,
    client: Option<Helper>,
}

impl Container {
    /// Runs the image with `docker run`'s options and the arguments.
    pub(super) fn start(
        daemon: &dyn Daemon,
        purpose: &str,
        image: &str,
        options: &[&str],
        arguments: &[&str],
    ) -> Result<Self> {
        let name = format!("writepath-bench-{}-{purpose}", std::process::id());
        let mut client = following("docker");
        client.args([
            "-H",
            daemon.address(),
            "run",
            "--rm",
            "--name",
            &name,
            "--label",
            "io.writepath.test=1",
        ]);
        let client = Helper::start(client.args(options).arg(image).args(arguments))?;
        let mut container = Self { name, address: daemon.address().to_owned(), client: Some(client) };
        let mut running = container.docker();
        running.args(["container", "inspect", "--format", "{{.State.Running}}", &container.name]);
        if let Some(client) = &mut container.client {
            client.wait_until(|_| command::read(&mut running).is_ok_and(|state| state == "true"))?;
        }
        Ok(container)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The Docker client, talking to the daemon that runs it.
    pub(super) fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", &self.address]);
        command
    }

    /// Its first process, by the host's id.
    pub(super) fn pid(&self) -> Result<String> {
        command::read(self.docker().args(["container", "inspect", "--format", "{{.State.Pid}}", &self.name]))
    }

    /// Fails, with its last words, where it has ended.
    pub(super) fn must_run(&self) -> Result<()> {
        match self.pid() {
            Ok(pid) if pid != "0" => Ok(()),
            _ => {
                let words = self.client.as_ref().map(Helper::output).unwrap_or_default();
                bail!("the container {} has ended: {}", self.name, words.trim())
            }
        }
    }

    /// It as a subject.
    pub(super) fn subject(&self) -> Result<Subject> {
        Subject::of_container(&self.name, &self.pid()?)
    }

    /// Lets all its processes run on these processors only, and those they start.
    pub(super) fn pin(&self, processors: &str) -> Result<()> {
        for pid in self.subject()?.pids()? {
            // It may have ended meanwhile.
            command::succeeds(Command::new("taskset").args(["-a", "-c", "-p", processors, &pid]));
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        command::succeeds(self.docker().args(["rm", "--force", "--volumes", &self.name]));
        if let Some(client) = self.client.take() {
            let ended = client.wait(START_LIMIT, |_| {}).context("the docker client");
            if let Err(error) = ended {
                command::say(&format!("{error:#}"));
            }
        }
    }
}
