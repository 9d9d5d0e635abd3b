//! A training run of a container.

use std::{collections::BTreeSet, time::Duration};

use reports::{
    model::{ContainerConfig, Exit, Gap, Load, Mount, Phase, Profile, Subject, SubjectPath},
    plan::directories_to_list,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::{
    Course, Trained, TrainingOptions, Watch, assemble,
    load::LoadTest,
    ready::{Ready, ReadyError},
    timestamp,
};
use crate::{
    failure::{Failure, Kind},
    interrupt::Interrupts,
    runtime::{Docker, ImageFacts, RuntimeError, docker::Pull},
    ui::{LiveLine, Ui},
};

/// How often sizes are measured and figures shown.
const LOOK_INTERVAL: Duration = Duration::from_millis(400);
/// How many of the subject's last lines are shown where it failed.
const LAST_LINES: u32 = 12;

/// A training run of a container.
pub(crate) struct Training<'a> {
    pub(crate) docker: &'a Docker,
    pub(crate) config: ContainerConfig,
    pub(crate) pull: Pull,
    pub(crate) options: TrainingOptions,
    pub(crate) ui: Ui,
    pub(crate) interrupts: Interrupts,
}

/// How the subject's time ended.
enum End {
    /// It ended by itself.
    Exited(Result<Exit, RuntimeError>, Option<Failure>),
    /// It is to be stopped.
    Stop(Option<Failure>),
}

impl Training<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// Where there is no profile: the image is missing, the sensors are refused, the daemon is gone.
    pub(crate) async fn run(mut self) -> Result<Trained, Failure> {
        let cleared = self.docker.clear_leftovers().await?;
        if cleared != 0 {
            self.ui.note(&format!("removed {cleared} container(s) that an earlier run left behind"));
        }
        let ui = self.ui;
        let reference = self.config.image.clone();
        let platform = self.config.platform.clone();
        let image = self.docker.image(&reference, self.pull, platform.as_deref(), |status| ui.detail(status));
        let (watch, image) = tokio::join!(Watch::start(self.options.sensor.clone()), image);
        let (watch, image) = (watch?, image?);
        self.config.image_user.clone_from(&image.user);
        self.config.image_volumes.clone_from(&image.volumes);
        if matches!(self.options.ready, Some(Ready::Healthy)) && !image.has_health_check {
            return Err(Failure::new(Kind::Usage, ReadyError::NoHealthCheck.to_string())
                .hint("use another condition, for instance --ready tcp:PORT"));
        }

        let id = self.docker.create(&self.config, "training").await?;
        let mut second = self.interrupts.clone();
        let trained = tokio::select! {
            trained = self.run_created(&id, watch, &image) => trained,
            () = second.asked(2) => {
                Err(Failure::new(Kind::Finding, "interrupted twice: left at once, without a profile"))
            }
        };
        // Whatever happened.
        let removed = self.docker.remove(&id).await;
        let trained = trained?;
        if let Err(error) = removed {
            ui.warn(&format!("{error}; remove it with `docker rm -fv {id}`"));
        }
        Ok(trained)
    }

    async fn run_created(&mut self, id: &str, mut watch: Watch, image: &ImageFacts) -> Result<Trained, Failure> {
        watch.programs().want_container(id, 0)?;
        watch.set_container(id);
        let line = self.ui.live_line();
        line.phase(Phase::Startup, &format!("starting {}", self.config.image));
        let mut course = Course { started: timestamp(), ..Course::default() };
        watch.begin()?;
        self.docker.start(id).await?;

        let end = self.until_end(id, &mut watch, &line, &mut course).await?;
        let (exit, mut finding) = match end {
            End::Exited(exit, failure) => (exit, failure),
            End::Stop(failure) => (self.stop(id, &mut watch, &line).await?, failure),
        };
        watch.look(&line);
        drop(line);
        match exit {
            Ok(exit) => {
                if finding.is_none()
                    && let Some(crash) = crash_of(&exit)
                {
                    finding = Some(self.with_last_lines(id, crash).await);
                }
                course.exit = Some(exit);
            }
            Err(error) => course.gaps.push(Gap {
                code: "end-not-seen".to_owned(),
                message: format!("how the subject ended is not known: {error}"),
                count: 1,
            }),
        }
        if let Some(load) = &course.load
            && load.exit_status != Some(0)
            && finding.is_none()
        {
            finding = Some(self.with_last_lines(id, load_failure(load)).await);
        }

        let mounts = match self.docker.mounts(id, &image.volumes).await {
            Ok(mounts) => mounts,
            Err(error) => {
                course.gaps.push(Gap {
                    code: "mounts-not-known".to_owned(),
                    message: format!("the subject's mounts are not known: {error}"),
                    count: 1,
                });
                Vec::new()
            }
        };
        let profile = self.profile(watch, course, image, mounts).await?;
        Ok(Trained { profile, finding })
    }

    /// From the start to the moment the subject ends or is to be stopped.
    async fn until_end(
        &mut self,
        id: &str,
        watch: &mut Watch,
        line: &LiveLine,
        course: &mut Course,
    ) -> Result<End, Failure> {
        let docker = self.docker;
        let mut exited = std::pin::pin!(docker.wait(id));
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupts = self.interrupts.clone();

        if let Some(ready) = &self.options.ready {
            let limit = self.options.ready_timeout;
            let mut waiting = std::pin::pin!(timeout(limit, ready.wait(docker, id)));
            loop {
                tokio::select! {
                    biased;
                    exit = &mut exited => {
                        return Ok(self.exited_early(id, exit, "before it was ready").await);
                    }
                    () = interrupts.asked(1) => return Ok(End::Stop(self.interrupted())),
                    held = &mut waiting => match held {
                        Ok(Ok(())) => break,
                        Ok(Err(ReadyError::OutputEnded)) => {
                            // The subject is ending; its exit tells more.
                            continue;
                        }
                        Ok(Err(error)) => return Err(Failure::new(Kind::Host, error.to_string())),
                        Err(_) => {
                            let message = format!(
                                "the subject was not ready within {}", humantime::format_duration(limit)
                            );
                            let failure = self.with_last_lines(id, message).await
                                .hint("check the --ready condition, or allow more time with --ready-timeout");
                            return Ok(End::Stop(Some(failure)));
                        }
                    },
                    _ = ticks.tick() => watch.look(line),
                }
            }
        }

        watch.enter(Phase::Steady)?;
        let what = match &self.options.load {
            Some(_) => "running the load test",
            None => "watching",
        };
        line.phase(Phase::Steady, what);
        let mut load = match &self.options.load {
            Some(command) => Some(LoadTest::start(command).map_err(|error| {
                Failure::new(Kind::Host, format!("--load: no shell can be started: {error}"))
            })?),
            None => None,
        };
        let deadline = self.options.duration.map(|duration| Instant::now() + duration);
        loop {
            tokio::select! {
                biased;
                exit = &mut exited => {
                    if load.is_some() {
                        course.load = self.options.load.clone().map(|command| Load { command, exit_status: None });
                        return Ok(self.exited_early(id, exit, "while the load test was running").await);
                    }
                    return Ok(End::Exited(exit, None));
                }
                () = interrupts.asked(1) => {
                    course.load = self.options.load.clone().map(|command| Load { command, exit_status: None });
                    return Ok(End::Stop(self.interrupted()));
                }
                status = async {
                    match &mut load {
                        Some(load) => load.wait().await,
                        None => std::future::pending().await,
                    }
                } => {
                    let status = status.map_err(|error| Failure::new(Kind::Host, format!("--load: {error}")))?;
                    course.load = self.options.load.clone().map(|command| Load { command, exit_status: status.code() });
                    return Ok(End::Stop(None));
                }
                () = async {
                    match deadline {
                        Some(deadline) => sleep_until(deadline).await,
                        None => std::future::pending().await,
                    }
                } => {
                    if load.is_some() {
                        course.load = self.options.load.clone().map(|command| Load { command, exit_status: None });
                        return Ok(End::Stop(Some(Failure::new(Kind::Finding, "the load test had not ended when --duration was over"))));
                    }
                    return Ok(End::Stop(None));
                }
                _ = ticks.tick() => watch.look(line),
            }
        }
    }

    /// The subject ended when it should not have.
    async fn exited_early(&self, id: &str, exit: Result<Exit, RuntimeError>, when: &str) -> End {
        match &exit {
            Ok(Exit { status, .. }) => {
                let message = format!("the subject ended with status {status} {when}");
                End::Exited(exit, Some(self.with_last_lines(id, message).await))
            }
            Err(_) => End::Exited(exit, None),
        }
    }

    /// What an interruption means: without a load test or duration it is how a run ends.
    fn interrupted(&self) -> Option<Failure> {
        let planned = self.options.load.is_some() || self.options.duration.is_some();
        planned.then(|| Failure::new(Kind::Finding, "interrupted: the training was cut short"))
    }

    /// Stops the subject, and waits for its end.
    async fn stop(
        &mut self,
        id: &str,
        watch: &mut Watch,
        line: &LiveLine,
    ) -> Result<Result<Exit, RuntimeError>, Failure> {
        watch.look(line);
        watch.enter(Phase::Shutdown)?;
        line.phase(Phase::Shutdown, "stopping");
        let docker = self.docker;
        // It may be gone already: then the wait tells how it ended.
        let stopped = docker.stop(id, self.options.stop_timeout).await;
        if stopped.is_err() {
            docker.kill(id).await;
        }
        Ok(docker.wait(id).await.map(|exit| Exit { stopped: true, ..exit }))
    }

    async fn with_last_lines(&self, id: &str, message: String) -> Failure {
        let lines = self.docker.last_lines(id, LAST_LINES).await;
        let message = if lines.trim().is_empty() {
            format!("{message}; it printed nothing")
        } else {
            format!("{message}; its last lines:\n{}", lines.trim_end())
        };
        Failure::new(Kind::Finding, message)
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

/// Directories of the image that a plan may want to mount something on.
fn directories_of(profile: &Profile) -> BTreeSet<SubjectPath> {
    let mut directories = directories_to_list(&profile.writes);
    directories.extend(profile.subject.config.iter().flat_map(|config| config.image_volumes.iter().cloned()));
    directories
}

/// What is wrong with an exit, if anything.
fn crash_of(exit: &Exit) -> Option<String> {
    if exit.oom_killed {
        return Some("the kernel's OOM killer ended the subject".to_owned());
    }
    (!exit.stopped && exit.status != 0).then(|| format!("the subject ended with status {}", exit.status))
}

fn load_failure(load: &Load) -> String {
    match load.exit_status {
        Some(status) => format!("the load test failed with status {status}"),
        None => "the load test was ended by a signal".to_owned(),
    }
}
