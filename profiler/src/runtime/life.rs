//! How a container goes on and how it ends, whoever has a hand in it: itself, the kernel, or somebody else through the
//! runtime.
//!
//! A container that is stopped and started again is the same container still (`docker restart`, a restart policy).
//! The daemon does not announce that: whether a stopped container will be started is known only once it was. So where
//! somebody else has sent the last signal, it is given [`GRACE`]; where nobody has, the end is the end.

use std::time::{Duration, SystemTime};

use reports::model::Exit;
use tokio::time::{Instant, sleep};

use super::{Docker, RuntimeError};

/// How long a container that somebody else stopped may take to be started again, or to vanish.
const GRACE: Duration = Duration::from_secs(2);
/// How often the daemon is asked.
const INTERVAL: Duration = Duration::from_millis(50);
/// How often a daemon that does not answer is asked again, and how long after.
const RETRIES: u32 = 5;
const RETRY_INTERVAL: Duration = Duration::from_millis(400);

/// No status that a process can end with.
const UNKNOWN: i64 = -1;

/// What the daemon says of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Paused containers run, too.
    pub(super) running: bool,
    /// By its restart policy.
    pub(super) restarting: bool,
    /// It is being removed.
    pub(super) removing: bool,
    /// When it was started last.
    pub(super) started_at: String,
    /// The status of its first process.
    pub(super) status: i64,
    /// Whether the kernel's OOM killer ended a process of it.
    pub(super) oom_killed: bool,
}

/// The end of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// How.
    pub(crate) exit: Exit,
    /// Who had a hand in it.
    pub(crate) by: EndedBy,
}

impl Ended {
    /// How, where the daemon knows: a container that was removed takes that with it.
    pub(crate) fn known_exit(&self) -> Option<&Exit> {
        (self.exit.status != UNKNOWN).then_some(&self.exit)
    }
}

/// Who ended a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// It ended by itself, or the kernel ended it.
    Itself,
    /// Somebody sent it a signal through the runtime (`docker stop`, `docker kill`).
    Signal,
    /// Somebody removed it.
    Removal,
}

/// What is to be told of a container that stopped.
enum Settled {
    Runs,
    Ended(Ended),
}

/// A container from its start on.
pub(crate) struct Life<'a> {
    docker: &'a Docker,
    id: &'a str,
    since: SystemTime,
    started_at: String,
    restarts: u64,
}

impl<'a> Life<'a> {
    /// Of a container that was started at `since`, or runs already.
    ///
    /// # Errors
    /// Where the daemon does not answer.
    pub(crate) async fn begin(
        docker: &'a Docker,
        id: &'a str,
        since: SystemTime,
    ) -> Result<Self, RuntimeError> {
        let state = docker.state(id).await?.unwrap_or_default();
        Ok(Self { docker, id, since, started_at: state.started_at, restarts: 0 })
    }

    /// Whether it was started at all: what was only made has no such time (moby: the zero of Go's `time.Time`).
    pub(crate) fn has_begun(&self) -> bool {
        !self.started_at.is_empty() && !self.started_at.starts_with("0001-")
    }

    /// How often it was started again so far.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Waits until the container has ended and is not started again.
    ///
    /// # Errors
    /// Where the daemon does not answer any more.
    pub(crate) async fn end(&mut self) -> Result<Ended, RuntimeError> {
        loop {
            let status = self.docker.wait(self.id).await;
            if let Settled::Ended(ended) = self.settle(status).await? {
                return Ok(ended);
            }
            // The connection may have failed, and not the container.
            sleep(INTERVAL).await;
        }
    }

    /// Asks the container to end and waits for it. `stopped` is false in the result where it had ended before.
    ///
    /// # Errors
    /// Where the daemon does not answer any more.
    pub(crate) async fn stop(&mut self, timeout: Option<Duration>) -> Result<Ended, RuntimeError> {
        // Under the load test's last step it may have been stopped a moment ago.
        let state = self.answer().await?;
        if !state.is_some_and(|state| state.running)
            && let Settled::Ended(ended) = self.settle(None).await?
        {
            return Ok(ended);
        }
        if self.docker.stop(self.id, timeout).await.is_err() {
            self.docker.kill(self.id).await;
        }
        loop {
            let status = self.docker.wait(self.id).await;
            match self.answer().await? {
                Some(state) if state.running => sleep(INTERVAL).await,
                state => {
                    let exit = Exit { stopped: true, ..exit_of(state.as_ref(), status) };
                    return Ok(Ended { exit, by: EndedBy::Itself });
                }
            }
        }
    }

    /// What has become of a container that may have stopped. `status` is what waiting for it told.
    async fn settle(&mut self, mut status: Option<i64>) -> Result<Settled, RuntimeError> {
        let deadline = Instant::now() + GRACE;
        let mut signalled = None;
        loop {
            let state = self.answer().await?;
            let Some(state) = state else {
                let exit = exit_of(None, status);
                return Ok(Settled::Ended(Ended { exit, by: EndedBy::Removal }));
            };
            // A policy may restart it after minutes.
            if !state.restarting {
                if state.running {
                    if state.started_at != self.started_at {
                        self.started_at = state.started_at;
                        self.restarts += 1;
                    }
                    return Ok(Settled::Runs);
                }
                status.get_or_insert(state.status);
                let by_signal = match signalled {
                    Some(known) => known,
                    None => *signalled.insert(self.docker.was_signalled(self.id, self.since).await),
                };
                if Instant::now() >= deadline || !(by_signal || state.removing) {
                    let by = if state.removing {
                        EndedBy::Removal
                    } else if by_signal {
                        EndedBy::Signal
                    } else {
                        EndedBy::Itself
                    };
                    return Ok(Settled::Ended(Ended { exit: exit_of(Some(&state), status), by }));
                }
            }
            sleep(INTERVAL).await;
        }
    }

    /// The container's state; a daemon that does not answer is asked again.
    async fn answer(&self) -> Result<Option<State>, RuntimeError> {
        let mut tries = 0;
        loop {
            match self.docker.state(self.id).await {
                Err(_) if tries < RETRIES => tries += 1,
                answer => return answer,
            }
            sleep(RETRY_INTERVAL).await;
        }
    }
}

fn exit_of(state: Option<&State>, status: Option<i64>) -> Exit {
    Exit {
        status: state.map(|state| state.status).or(status).unwrap_or(UNKNOWN),
        oom_killed: state.is_some_and(|state| state.oom_killed),
        stopped: false,
    }
}
