//! Docker daemons to test on: the host's, and a second one as most hosts have it.
//!
//! A daemon that was started here is stopped by its guard's `Drop`; one that was found running is left alone.
//! Everything waits for a daemon to answer, never for a time.

pub(crate) mod host;
mod process;
pub(crate) mod second;

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::command;

/// How long a daemon may take to answer after its start, and to stop after it was told to.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// A daemon that answers.
pub(crate) trait Daemon: Sync {
    /// What a person calls it: `host` or `second`.
    fn name(&self) -> &'static str;

    /// Its address, as `DOCKER_HOST` takes it.
    fn address(&self) -> &str;

    /// A command that sees what the daemon's containers publish, and the cgroup file systems as the daemon does,
    /// with `DOCKER_HOST` set.
    fn command(&self, program: &str) -> Command;

    /// The Docker client, talking to this daemon. Images are built with the classic builder, which every engine has.
    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", self.address()]).env("DOCKER_BUILDKIT", "0").env("DOCKER_CLI_HINTS", "false");
        command
    }

    /// What the daemon says about itself: storage driver and cgroup version.
    fn describe(&self) -> Result<String> {
        let format = "Docker {{.ServerVersion}}, {{.Driver}}, cgroup v{{.CgroupVersion}}";
        command::read(self.docker().args(["info", "--format", format]))
    }
}

/// Whether a daemon answers at the address.
fn answers(address: &str) -> bool {
    command::succeeds(Command::new("docker").args([
        "-H",
        address,
        "version",
        "--format",
        "{{.Server.Version}}",
    ]))
}
