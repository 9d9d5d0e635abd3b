//! Start-up: from the start of `docker run` or `writepath run` to the subject's first instruction, which notes the time.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use super::directory;
use super::helper::{Helper, following};
use super::observers::{Observer, Tools};
use super::workload::Description;
use crate::{daemon::Daemon, images};

/// How long one start may take, its end included.
const LIMIT: Duration = Duration::from_secs(120);

/// What is measured.
pub(super) const DESCRIPTION: Description = Description { name: "start", unit: "ms", is_rate: false };

/// Starts of containers.
pub(super) struct Start<'a> {
    pub(super) daemon: &'a dyn Daemon,
    pub(super) tools: &'a Tools,
    /// The program `workload`.
    pub(super) program: PathBuf,
}

impl Start<'_> {
    /// Starts one container, by Docker's client or by writepath; milliseconds.
    pub(super) fn measure(&self, observer: Observer) -> Result<f64> {
        let directory = directory::temporary()?;
        let name = format!("writepath-bench-{}-start", std::process::id());
        let mut command = if observer.is_ours() {
            let mut command = following(&self.tools.writepath);
            command.args(["run", "--sensor", &observer.name(), "--pull", "never", "-o"]);
            command.arg(self.tools.scratch.join("start.json")).env("DOCKER_HOST", self.daemon.address());
            command
        } else {
            let mut command = following("docker");
            command.args(["-H", self.daemon.address(), "run", "--rm"]);
            command
        };
        command.args(["--name", &name, "--volume", &format!("{}:/workload:ro", self.program.display())]);
        command.args([
            "--volume",
            &format!("{}:/out", directory.path().display()),
            "--entrypoint",
            "/workload",
        ]);
        command.args([images::BASE, "stamp", "/out/stamp"]);
        let started = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let (status, output) = Helper::start(&mut command)?.wait(LIMIT, |_| {})?;
        if !status.success() {
            bail!("the start failed: {status}: {}", output.trim());
        }
        let stamp =
            fs::read_to_string(directory.path().join("stamp")).context("the subject noted no time")?;
        let stamp = Duration::from_nanos(stamp.trim().parse()?);
        let elapsed = stamp.checked_sub(started).context("the clock was set back meanwhile")?;
        Ok(elapsed.as_secs_f64() * 1000.0)
    }
}
