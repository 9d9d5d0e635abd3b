//! A training run of a plain command, in a cgroup of its own.
//!
//! The command is a child of this process and has its terminal. Its paths are the host's.

use std::{process::ExitStatus, time::Duration};

use reports::model::{Exit, Phase, Subject};
use rustix::process::{Pid, Signal};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{
    Course, Loading, Trained, TrainingOptions, Watch, assemble,
    course::{self, Ending, Point},
    interrupted_early,
    ready::Ready,
    timestamp,
};
use crate::{
    cgroup::{Cgroup, OwnCgroup},
    failure::{Failure, Kind},
    interrupt::Interrupts,
    ui::{LiveLine, Ui},
};

/// How long a command may take to end after the signal, unless the user says otherwise.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A training run of a command.
pub(crate) struct CommandTraining {
    pub(crate) command: Vec<String>,
    pub(crate) options: TrainingOptions,
    pub(crate) ui: Ui,
    pub(crate) interrupts: Interrupts,
}

impl CommandTraining {
    /// Runs it. The profile, and the status to end with: the command's own, 0 where we stopped it because the training
    /// was over.
    ///
    /// # Errors
    /// Where there is no profile.
    pub(crate) async fn run(self) -> Result<(Trained, u8), Failure> {
        let mut watch = Watch::start(Loading::begin(self.options.sensor.clone())).await?;
        let cgroup = OwnCgroup::create()?;
        watch.follow_cgroup(&cgroup)?;
        let line = self.ui.live_line();
        line.phase(Phase::Startup, &format!("starting {}", self.command.join(" ")));
        let mut course = Course { started: timestamp(), ..Course::default() };
        watch.begin()?;
        if self.interrupts.is_asked() {
            return Err(interrupted_early());
        }
        let mut child = self.spawn(&cgroup)?;
        self.interrupts.share_terminal();
        let ready = self.options.ready.as_ref().map(Ready::wait_on_host);
        let (ending, load) = course::watch_until(
            &self.options,
            self.interrupts.clone(),
            &mut watch,
            &line,
            child.wait(),
            ready,
        )
        .await?;
        course.load = load;
        let mut finding = course::finding_of(&ending, &self.options);
        let (status, stopped) = match ending {
            Ending::Subject(status, point) => {
                if point != Point::Watching {
                    finding =
                        Some(Failure::new(Kind::Finding, "the command ended before its training was over"));
                }
                let status = status.map_err(|error| {
                    Failure::new(Kind::Host, format!("the command cannot be waited for: {error}"))
                })?;
                (status, false)
            }
            Ending::Interrupt => {
                // What the user sends to us is meant for the command.
                let signal = self.interrupts.signal();
                (self.stop(&mut child, signal, &mut watch, &line).await?, false)
            }
            _ => (self.stop(&mut child, Signal::TERM, &mut watch, &line).await?, true),
        };
        watch.look_well(&line);
        drop(line);
        let code = code_of(status);
        course.exit = Some(Exit { status: i64::from(code), oom_killed: false, stopped });
        // With what it has left running.
        drop(cgroup);
        let watched = watch.finish()?;
        let subject = Subject {
            name: self.command.join(" "),
            mounts: watched.mounts.iter().filter_map(mount_of).collect(),
            ..Subject::default()
        };
        let profile = assemble(watched, course, subject);
        Ok((Trained { profile, finding, last_lines: String::new() }, if stopped { 0 } else { code }))
    }

    fn spawn(&self, cgroup: &Cgroup) -> Result<Child, Failure> {
        let own = std::env::current_exe().map_err(|error| Failure::new(Kind::Host, error.to_string()))?;
        Command::new(own)
            .arg("__enter")
            .arg(cgroup.path())
            .arg("--")
            .args(&self.command)
            .spawn()
            .map_err(|error| Failure::new(Kind::Host, format!("the command cannot be started: {error}")))
    }

    async fn stop(
        &self,
        child: &mut Child,
        signal: Signal,
        watch: &mut Watch,
        line: &LiveLine,
    ) -> Result<ExitStatus, Failure> {
        watch.look_well(line);
        watch.enter(Phase::Shutdown)?;
        line.phase(Phase::Shutdown, "stopping");
        if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
        let limit = self.options.stop_timeout.unwrap_or(STOP_TIMEOUT);
        let mut second = self.interrupts.clone();
        let ended = tokio::select! {
            ended = timeout(limit, child.wait()) => ended.ok(),
            () = second.asked(2) => None,
        };
        let ended = match ended {
            Some(status) => status,
            None => {
                let _ = child.start_kill();
                child.wait().await
            }
        };
        ended.map_err(|error| Failure::new(Kind::Host, format!("the command cannot be waited for: {error}")))
    }
}

fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// The mounts besides the root and those of the system.
fn mount_of(entry: &crate::collect::MountEntry) -> Option<reports::model::Mount> {
    use reports::model::{Mount, MountKind, SubjectPath};
    let target = SubjectPath::from_bytes(&entry.target).ok()?;
    let system = ["/proc", "/sys", "/dev"].map(|path| SubjectPath::from_bytes(path.as_bytes()));
    if target.is_root() || system.iter().flatten().any(|system| target.is_within(system)) {
        return None;
    }
    let kind = if entry.fs_type == b"tmpfs" { MountKind::Tmpfs } else { MountKind::Other };
    Some(Mount { target, kind, source: None, read_only: entry.read_only })
}
