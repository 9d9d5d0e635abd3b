//! The load test: a command of the user's own, run by the host's shell.

use std::{
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};

/// How long a load test may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(2);

/// A running load test. Dropping it kills it with all its children.
#[derive(Debug)]
pub(crate) struct LoadTest {
    child: Child,
    group: Option<Pid>,
}

impl LoadTest {
    /// Starts `command` with `/bin/sh -c`, its output going to standard error.
    ///
    /// # Errors
    /// Where no shell can be started.
    pub(crate) fn start(command: &str) -> std::io::Result<Self> {
        let stderr = || rustix::io::dup(std::io::stderr()).map(Stdio::from);
        let child = Command::new("/bin/sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::null())
            .stdout(stderr()?)
            .stderr(stderr()?)
            // A group of its own, so that the whole of it can be ended.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.group = None;
        Ok(status)
    }
}

impl LoadTest {
    /// Ends it with all its children, by force where they do not end when asked.
    pub(crate) async fn end(mut self) {
        let Some(group) = self.group else { return };
        let _ = rustix::process::kill_process_group(group, Signal::TERM);
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        // The group lives as long as any process of it does.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        let _ = self.child.wait().await;
        self.group = None;
    }
}

impl Drop for LoadTest {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            // Nobody waits any more. It may have ended just now.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}
