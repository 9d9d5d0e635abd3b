//! A training run of a container.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use reports::{
    model::{ContainerConfig, Gap, Load, Mount, Phase, Profile, Subject, SubjectPath},
    plan::directories_to_list,
};

use super::{
    Course, Loading, Trained, TrainingOptions, Watch, assemble,
    course::{self, Ending},
    interrupted_early,
    ready::{Ready, ReadyError},
    removal::{PATIENCE, removed},
    timestamp,
};
use crate::{
    cgroup::Cgroup,
    failure::{Failure, Kind},
    interrupt::Interrupts,
    runtime::{Cleared, Docker, Ended, EndedBy, ImageFacts, Life, Running, RuntimeError, docker::Pull},
    ui::{LiveLine, Ui},
};

/// How many of the subject's last lines are shown where it failed.
pub(crate) const LAST_LINES: u32 = 12;
/// The exit status of a container whose first process SIGKILL ended.
const KILLED: i64 = 137;

/// A training run of a container.
pub(crate) struct Training<'a> {
    pub(crate) docker: &'a Docker,
    pub(crate) config: ContainerConfig,
    pub(crate) pull: Pull,
    pub(crate) options: TrainingOptions,
    /// The sensors, where they are being loaded already.
    pub(crate) sensors: Option<Loading>,
    pub(crate) ui: Ui,
    pub(crate) interrupts: Interrupts,
}

impl Training<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// Where there is no profile: the image is missing, the sensors are refused, the daemon is gone.
    pub(crate) async fn run(mut self) -> Result<Trained, Failure> {
        let (watch, image, id) = self.prepare().await?;
        self.config.image_user.clone_from(&image.user);
        self.config.image_volumes.clone_from(&image.volumes);
        let (ui, docker, mut second) = (self.ui, self.docker, self.interrupts.clone());
        let trained = tokio::select! {
            trained = self.run_created(&id, watch, &image) => trained,
            () = second.asked(2) => Err(leave_at_once(docker, ui).await),
        };
        // Whatever happened.
        remove(docker, &id, ui, second).await;
        trained
    }

    /// Loads the sensors and makes the container, side by side: both take their time, and only the start needs both.
    async fn prepare(&mut self) -> Result<(Watch, ImageFacts, String), Failure> {
        let (ui, docker, mut first) = (self.ui, self.docker, self.interrupts.clone());
        let is_creating = AtomicBool::new(false);
        let sensors = self.sensors.take().unwrap_or_else(|| Loading::begin(self.options.sensor.clone()));
        let prepared = async { tokio::join!(Watch::start(sensors), self.create(&is_creating)) };
        let mut prepared = std::pin::pin!(prepared);
        let (watch, created) = tokio::select! {
            prepared = &mut prepared => prepared,
            // A pull may take minutes.
            () = first.asked(1) => {
                if is_creating.load(Ordering::Relaxed)
                    && let (_, Ok((_, id))) = prepared.await
                {
                    remove(docker, &id, ui, first).await;
                }
                return Err(interrupted_early());
            }
        };
        let (image, id) = created?;
        match watch {
            Ok(watch) => Ok((watch, image, id)),
            Err(failure) => {
                remove(docker, &id, ui, first).await;
                Err(failure)
            }
        }
    }

    /// Makes the container, and finds out what there is to know about its image. From when `is_creating` is set it has to
    /// be waited for: the daemon goes on without us.
    async fn create(&self, is_creating: &AtomicBool) -> Result<(ImageFacts, String), Failure> {
        let ui = self.ui;
        // One of them may have the name.
        self.clear_leftovers().await?;
        let platform = self.config.platform.as_deref();
        let image =
            self.docker.image(&self.config.image, self.pull, platform, |status| ui.detail(status)).await?;
        if matches!(self.options.ready, Some(Ready::Healthy)) && !image.has_health_check {
            return Err(Failure::new(Kind::Usage, ReadyError::NoHealthCheck.to_string())
                .hint("use another condition, for instance --ready tcp:PORT"));
        }
        is_creating.store(true, Ordering::Relaxed);
        let id = self.docker.create(&self.config, "training").await?;
        Ok((image, id))
    }

    async fn clear_leftovers(&self) -> Result<(), Failure> {
        let Cleared { count, failed } = self.docker.clear_leftovers().await?;
        if count != 0 {
            self.ui
                .note(&format!("removed {count} container(s) and volume(s) that an earlier run left behind"));
        }
        for why in failed {
            self.ui.warn(&format!("an earlier run left something behind: {why}"));
        }
        Ok(())
    }

    async fn run_created(
        &mut self,
        id: &str,
        mut watch: Watch,
        image: &ImageFacts,
    ) -> Result<Trained, Failure> {
        watch.want_container(id)?;
        let line = self.ui.live_line();
        line.phase(Phase::Startup, &format!("starting {}", self.config.image));
        let mut course = Course { started: timestamp(), ..Course::default() };
        watch.begin()?;
        let since = SystemTime::now();
        self.docker.start(id).await?;
        // Asked for now: at the end the container may be gone.
        let mounts = self.docker.mounts(id, &image.volumes).await?;
        let mut life = Life::begin(self.docker, id, since).await?;

        let ending = self.watch_until(id, &mut life, &mut watch, &line).await?;
        let (end, mut finding) = match ending.end {
            Some(end) => (end, ending.finding),
            None => {
                let kill = self.options.hasty && ending.finding.is_some();
                let patience = if kill { Some(Duration::ZERO) } else { self.options.stop_timeout };
                let end = self.stop(&mut life, patience, &mut watch, &line).await?;
                // It was dead before it could be asked to end, for instance by what the load test did.
                let dead = end.as_ref().ok().filter(|ended| !ended.exit.stopped);
                let finding = dead.and_then(|ended| finding_of_end(ended, " before the run was over"));
                (end, finding.or(ending.finding))
            }
        };
        course.load = ending.load;
        watch.look_well(&line);
        drop(line);
        self.note_end(end, &mut course);
        self.tell_restarts(&life);
        let last_lines = self.add_last_lines(id, &mut finding).await;
        let profile = self.profile(watch, course, image, mounts).await?;
        Ok(Trained { profile, finding, last_lines })
    }

    /// Profiles a container that runs already, and leaves it running.
    ///
    /// # Errors
    /// Where there is no profile.
    pub(crate) async fn attach(self, running: Running) -> Result<Trained, Failure> {
        let (docker, ui, mut second) = (self.docker, self.ui, self.interrupts.clone());
        tokio::select! {
            trained = self.attach_to(running) => trained,
            () = second.asked(2) => Err(leave_at_once(docker, ui).await),
        }
    }

    async fn attach_to(self, running: Running) -> Result<Trained, Failure> {
        let since = SystemTime::now();
        let mut watch = Watch::start(Loading::begin(self.options.sensor.clone())).await?;
        // Looked for as late as possible: it may have been stopped or restarted while the sensors were loaded.
        let mut life = Life::begin(self.docker, &running.id, since).await?;
        let running = self.docker.running(&running.id).await?;
        if self.interrupts.is_asked() {
            return Err(interrupted_early());
        }
        let cgroup = Cgroup::of_process(running.pid)?;
        // By its id, too: should it be started again, that makes another cgroup.
        watch.want_container(&running.id)?;
        watch.follow_cgroup(&cgroup)?;
        let line = self.ui.live_line();
        let mut course = Course { started: timestamp(), gaps: vec![startup_not_seen()], ..Course::default() };
        watch.begin()?;
        let processes = watch.adopt(&cgroup)?;
        line.phase(Phase::Startup, &format!("attached to {} ({processes} processes)", self.config.image));
        let mounts = self.docker.mounts(&running.id, &running.image.volumes).await?;
        let ending = self.watch_until(&running.id, &mut life, &mut watch, &line).await?;
        course.load = ending.load;
        let mut finding = ending.finding;
        watch.look_well(&line);
        drop(line);
        match ending.end {
            Some(end) => self.note_end(end, &mut course),
            None => course.gaps.push(shutdown_not_seen()),
        }
        self.tell_restarts(&life);
        let last_lines = self.add_last_lines(&running.id, &mut finding).await;
        let profile = self.profile(watch, course, &running.image, mounts).await?;
        Ok(Trained { profile, finding, last_lines })
    }

    /// From the start to the moment the subject has ended or is to be stopped.
    async fn watch_until(
        &self,
        id: &str,
        life: &mut Life<'_>,
        watch: &mut Watch,
        line: &LiveLine,
    ) -> Result<Outcome, Failure> {
        let ready = self.options.ready.as_ref().map(|ready| ready.wait(self.docker, id));
        let (ending, load) =
            course::watch_until(&self.options, self.interrupts.clone(), watch, line, life.end(), ready)
                .await?;
        let finding = course::finding_of(&ending, &self.options);
        let Ending::Subject(end, point) = ending else { return Ok(Outcome { end: None, load, finding }) };
        let finding = end.as_ref().ok().and_then(|ended| finding_of_end(ended, point.words()));
        Ok(Outcome { end: Some(end), load, finding })
    }

    /// Stops the subject, and waits for its end.
    async fn stop(
        &self,
        life: &mut Life<'_>,
        patience: Option<Duration>,
        watch: &mut Watch,
        line: &LiveLine,
    ) -> Result<Result<Ended, RuntimeError>, Failure> {
        watch.look_well(line);
        watch.enter(Phase::Shutdown)?;
        line.phase(Phase::Shutdown, "stopping");
        Ok(life.stop(patience).await)
    }

    /// Takes down how the subject ended, and what was not seen of that.
    fn note_end(&self, end: Result<Ended, RuntimeError>, course: &mut Course) {
        match end {
            Ok(ended) => {
                if is_killed(&ended) {
                    course.gaps.push(gap(
                        "shutdown-not-seen",
                        "the subject was killed, so what it does when it is asked to end was not seen".to_owned(),
                    ));
                }
                course.exit = ended.known_exit().cloned();
            }
            Err(error) => course.gaps.push(gap(
                "end-not-seen",
                format!("the container runtime does not answer any more, so the run was cut short there and how the subject ended is not known ({error}); train again when the runtime runs"),
            )),
        }
    }

    /// The operations of all starts are in one profile: who reads it should know.
    fn tell_restarts(&self, life: &Life<'_>) {
        let restarts = life.restarts();
        if restarts != 0 {
            self.ui.warn(&format!(
                "the container was restarted during the run ({restarts} ×); what it did after that is in the profile, as of the phase that the run was in"
            ));
        }
    }

    /// The last lines that the subject printed, where there is a finding; the finding shows them, too.
    async fn add_last_lines(&self, id: &str, finding: &mut Option<Failure>) -> String {
        let Some(failure) = finding else { return String::new() };
        // With the container its output is gone.
        let Some(lines) = self.docker.last_lines(id, LAST_LINES).await else { return String::new() };
        failure.message += &if lines.trim().is_empty() {
            "; the subject printed nothing".to_owned()
        } else {
            format!("; the subject's last lines:\n{}", lines.trim_end())
        };
        lines
    }

    async fn profile(
        &self,
        watch: Watch,
        course: Course,
        image: &ImageFacts,
        mounts: Vec<Mount>,
    ) -> Result<Profile, Failure> {
        let watched = tokio::task::spawn_blocking(move || watch.finish())
            .await
            .map_err(|error| Failure::new(Kind::Host, error.to_string()))??;
        let subject = Subject {
            name: self.config.image.clone(),
            image_id: Some(image.id.clone()),
            config: Some(self.config.clone()),
            mounts,
            ..Subject::default()
        };
        let mut profile = assemble(watched, course, subject);
        profile.host.runtime = Some(self.docker.runtime().clone());
        let directories = directories_of(&profile);
        match self.docker.image_content(&self.config.image, &directories).await {
            Ok(content) => {
                profile.subject.image_entries = content.entries;
                profile.subject.image_cut = content.cut;
            }
            Err(error) => {
                profile.subject.image_cut = directories.into_iter().collect();
                self.ui.warn(&format!("what the image holds could not be listed: {error}"));
            }
        }
        Ok(profile)
    }
}

async fn remove(docker: &Docker, id: &str, ui: Ui, interrupts: Interrupts) {
    if let Err(failed) = removed(docker.remove(id), interrupts).await {
        ui.warn(&format!(
            "{failed}; remove the container with `docker rm -fv {id}`, or leave it to the next run"
        ));
    }
}

/// What a second interrupt asks for: whatever was made is removed, nothing is written.
async fn leave_at_once(docker: &Docker, ui: Ui) -> Failure {
    // The container that the image is looked into may have been made a moment ago.
    let cleared = tokio::time::timeout(PATIENCE, docker.clear_own()).await;
    let failed = match cleared {
        Ok(cleared) => cleared.map_or_else(|error| vec![error.to_string()], |cleared| cleared.failed),
        Err(_) => vec!["the container runtime does not answer".to_owned()],
    };
    for why in failed {
        ui.warn(&format!("{why}; the next run removes what is left"));
    }
    Failure::new(Kind::Finding, "interrupted twice: left at once, without a profile")
}

/// Directories of the image that a plan may want to mount something on.
pub(crate) fn directories_of(profile: &Profile) -> BTreeSet<SubjectPath> {
    let mut directories = directories_to_list(&profile.writes);
    directories.extend(profile.subject.config.iter().flat_map(|config| config.image_volumes.iter().cloned()));
    directories
}

/// What is wrong with an end, if anything; `when` says when it was, with a space before it, where it was too early.
pub(crate) fn finding_of_end(ended: &Ended, when: &str) -> Option<Failure> {
    let Ended { exit, by } = ended;
    let status = exit.status;
    let finding = |message: String| Failure::new(Kind::Finding, message);
    if exit.oom_killed {
        return Some(
            finding(format!(
                "the kernel's OOM killer ended a process of the subject, which ended with status {status}{when}"
            ))
            .hint("allow it more memory (`docker update --memory`), or put less load on it"),
        );
    }
    match by {
        EndedBy::Removal => Some(
            finding(format!("the container was removed from outside{when}"))
                .hint("`docker events` shows who does what; train again, and leave the container alone"),
        ),
        _ if status == 0 && when.is_empty() => None,
        EndedBy::Signal => Some(finding(format!(
            "the subject was stopped from outside, through the container runtime, and ended with status {status}{when}"
        ))),
        EndedBy::Itself => Some(finding(format!("the subject ended with status {status}{when}"))),
    }
}

/// Whether the subject was killed by others than us, or nothing says that it was not: it had no chance to shut down.
pub(crate) fn is_killed(ended: &Ended) -> bool {
    let by_others = ended.exit.oom_killed || ended.by != EndedBy::Itself;
    !ended.exit.stopped && by_others && ended.known_exit().is_none_or(|exit| exit.status == KILLED)
}

/// What is missing of a subject that ran already.
pub(crate) fn startup_not_seen() -> Gap {
    gap("startup-not-seen", "the subject ran already: what it wrote and used while starting was not seen; `writepath run` sees it".to_owned())
}

/// What is missing of a subject that was left running.
pub(crate) fn shutdown_not_seen() -> Gap {
    gap("shutdown-not-seen", "the subject was not stopped, so its shutdown was not seen".to_owned())
}

pub(crate) fn gap(code: &str, message: String) -> Gap {
    Gap { code: code.to_owned(), message, count: 1 }
}

/// How the time of watching ended.
struct Outcome {
    /// How the subject ended; `None`: it runs still.
    end: Option<Result<Ended, RuntimeError>>,
    load: Option<Load>,
    finding: Option<Failure>,
}
