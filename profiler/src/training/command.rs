//! A training run of a plain command, in a cgroup of its own.
//!
//! The command is a child of this process and has its terminal. Its paths are the host's.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use reports::model::{Exit, Load, Phase, Subject};
use rustix::process::{Pid, Signal};
use tokio::{
    process::{Child, Command},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::{Course, Trained, TrainingOptions, Watch, assemble, load::LoadTest, timestamp};
use crate::{
    failure::{Failure, Kind},
    interrupt::Interrupts,
    ui::{LiveLine, Ui},
};

const LOOK_INTERVAL: Duration = Duration::from_millis(400);
/// How long a command may take to end after SIGTERM, unless the user says otherwise.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A training run of a command.
pub(crate) struct CommandTraining {
    pub(crate) command: Vec<String>,
    pub(crate) options: TrainingOptions,
    pub(crate) ui: Ui,
    pub(crate) interrupts: Interrupts,
}

/// A cgroup of our own. Dropping it kills what is in it and removes it.
struct OwnCgroup(PathBuf);

impl OwnCgroup {
    fn create() -> Result<Self, Failure> {
        let root = cgroup2_mount().ok_or_else(|| {
            Failure::new(Kind::Host, "no cgroup v2 hierarchy is mounted")
                .hint("mount one: `mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified`")
        })?;
        remove_leftovers(&root);
        let pid = std::process::id();
        let start = crate::host::process_start_time(pid).unwrap_or(0);
        let path = root.join(format!("writepath-{pid}-{start}"));
        std::fs::create_dir(&path)
            .map_err(|error| Failure::new(Kind::Host, format!("{}: {error}", path.display())))?;
        Ok(Self(path))
    }

    fn id(&self) -> Result<u64, Failure> {
        std::fs::metadata(&self.0)
            .map(|metadata| metadata.ino())
            .map_err(|error| Failure::new(Kind::Host, format!("{}: {error}", self.0.display())))
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        remove_cgroup(&self.0);
    }
}

/// Kills what is in a cgroup, and removes it and those below it.
fn remove_cgroup(path: &Path) {
    if let Ok(children) = std::fs::read_dir(path) {
        for child in children.flatten().filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir())) {
            remove_cgroup(&child.path());
        }
    }
    // A process is gone from its cgroup only when it has been reaped: try until it is, or for two seconds.
    for _ in 0..100 {
        let processes = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        if std::fs::remove_dir(path).is_ok() || !path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Removes cgroups of processes that are gone.
fn remove_leftovers(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((pid, start)) =
            name.to_str().and_then(|name| name.strip_prefix("writepath-")).and_then(|rest| rest.split_once('-'))
        else {
            continue;
        };
        let (Ok(pid), Ok(start)) = (pid.parse(), start.parse()) else { continue };
        if crate::host::process_start_time(pid) != Some(start) {
            remove_cgroup(&entry.path());
        }
    }
}

/// Where the default hierarchy is mounted: `/sys/fs/cgroup` on most hosts, `/sys/fs/cgroup/unified` on hybrid ones.
fn cgroup2_mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        (right.split(' ').next()? == "cgroup2").then(|| left.split(' ').nth(4).map(PathBuf::from))?
    })
}

impl CommandTraining {
    /// Runs it. The profile, and the status to end with: the command's own, 0 where we stopped it.
    ///
    /// # Errors
    /// Where there is no profile.
    pub(crate) async fn run(mut self) -> Result<(Trained, u8), Failure> {
        let mut watch = Watch::start(self.options.sensor.clone()).await?;
        let cgroup = OwnCgroup::create()?;
        watch.programs().follow_cgroup(cgroup.id()?, 0)?;
        let line = self.ui.live_line();
        line.phase(Phase::Startup, &format!("starting {}", self.command.join(" ")));
        let mut course = Course { started: timestamp(), ..Course::default() };
        watch.begin()?;
        let mut child = self.spawn(&cgroup)?;
        let (status, mut finding) = self.until_end(&mut child, &mut watch, &line, &mut course).await?;
        let stopped = status.is_none();
        let status = match status {
            Some(status) => status,
            None => self.stop(&mut child, &mut watch, &line).await?,
        };
        watch.look(&line);
        drop(line);
        let code = code_of(status);
        course.exit = Some(Exit { status: i64::from(code), oom_killed: false, stopped });
        if let Some(load) = &course.load
            && load.exit_status != Some(0)
            && finding.is_none()
        {
            finding = Some(Failure::new(Kind::Finding, "the load test failed"));
        }
        drop(cgroup);
        let watched = watch.finish()?;
        let subject = Subject {
            name: self.command.join(" "),
            mounts: watched.mounts.iter().filter_map(mount_of).collect(),
            ..Subject::default()
        };
        let profile = assemble(watched, course, subject);
        Ok((Trained { profile, finding }, if stopped { 0 } else { code }))
    }

    fn spawn(&self, cgroup: &OwnCgroup) -> Result<Child, Failure> {
        let own = std::env::current_exe().map_err(|error| Failure::new(Kind::Host, error.to_string()))?;
        Command::new(own)
            .arg("__enter")
            .arg(&cgroup.0)
            .arg("--")
            .args(&self.command)
            .spawn()
            .map_err(|error| Failure::new(Kind::Host, format!("the command cannot be started: {error}")))
    }

    /// Until the command ends (its status) or is to be stopped.
    async fn until_end(
        &mut self,
        child: &mut Child,
        watch: &mut Watch,
        line: &LiveLine,
        course: &mut Course,
    ) -> Result<(Option<ExitStatus>, Option<Failure>), Failure> {
        let waited = |status: std::io::Result<ExitStatus>| {
            status.map_err(|error| Failure::new(Kind::Host, format!("the command cannot be waited for: {error}")))
        };
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupts = self.interrupts.clone();
        if let Some(ready) = &self.options.ready {
            let mut waiting = std::pin::pin!(timeout(self.options.ready_timeout, ready.wait_on_host()));
            loop {
                tokio::select! {
                    biased;
                    status = child.wait() => {
                        let failure = Failure::new(Kind::Finding, "the command ended before it was ready");
                        return Ok((Some(waited(status)?), Some(failure)));
                    }
                    () = interrupts.asked(1) => return Ok((None, None)),
                    held = &mut waiting => match held {
                        Ok(Ok(())) => break,
                        Ok(Err(error)) => return Err(Failure::new(Kind::Usage, error.to_string())),
                        Err(_) => return Ok((None, Some(Failure::new(Kind::Finding, "the command was not ready in time")))),
                    },
                    _ = ticks.tick() => watch.look(line),
                }
            }
        }
        watch.enter(Phase::Steady)?;
        line.phase(Phase::Steady, if self.options.load.is_some() { "running the load test" } else { "watching" });
        let mut load = match &self.options.load {
            Some(command) => {
                Some(LoadTest::start(command).map_err(|error| Failure::new(Kind::Host, format!("--load: {error}")))?)
            }
            None => None,
        };
        let deadline = self.options.duration.map(|duration| Instant::now() + duration);
        loop {
            tokio::select! {
                biased;
                status = child.wait() => {
                    let finding = load.is_some().then(|| {
                        Failure::new(Kind::Finding, "the command ended while the load test was running")
                    });
                    return Ok((Some(waited(status)?), finding));
                }
                () = interrupts.asked(1) => return Ok((None, None)),
                status = async {
                    match &mut load {
                        Some(load) => load.wait().await,
                        None => std::future::pending().await,
                    }
                } => {
                    let status = status.map_err(|error| Failure::new(Kind::Host, format!("--load: {error}")))?;
                    course.load = self.options.load.clone().map(|command| Load { command, exit_status: status.code() });
                    return Ok((None, None));
                }
                () = async {
                    match deadline {
                        Some(deadline) => sleep_until(deadline).await,
                        None => std::future::pending().await,
                    }
                } => return Ok((None, None)),
                _ = ticks.tick() => watch.look(line),
            }
        }
    }

    async fn stop(&mut self, child: &mut Child, watch: &mut Watch, line: &LiveLine) -> Result<ExitStatus, Failure> {
        watch.look(line);
        watch.enter(Phase::Shutdown)?;
        line.phase(Phase::Shutdown, "stopping");
        if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
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
