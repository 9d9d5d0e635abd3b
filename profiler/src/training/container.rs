//! A training run of a container.

use std::collections::BTreeSet;

use reports::{
    model::{ContainerConfig, Exit, Gap, Load, Mount, Phase, Profile, Subject, SubjectPath},
    plan::directories_to_list,
};

use super::{
    Course, Trained, TrainingOptions, Watch, assemble,
    course::{self, Ending, Point},
    ready::{Ready, ReadyError},
    timestamp,
};
use crate::{
    cgroup::Cgroup,
    failure::{Failure, Kind},
    interrupt::Interrupts,
    runtime::{Docker, ImageFacts, Running, RuntimeError, docker::Pull},
    ui::{LiveLine, Ui},
};

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
        self.docker.start(id).await?;

        let ending = self.watch_until(id, &mut watch, &line).await?;
        let exit = match ending.end {
            Some(exit) => exit,
            None => self.stop(id, &mut watch, &line).await?,
        };
        course.load = ending.load;
        let mut finding = ending.finding;
        watch.look(&line);
        drop(line);
        match exit {
            Ok(exit) => {
                if finding.is_none() {
                    finding = crash_of(&exit).map(|message| Failure::new(Kind::Finding, message));
                }
                course.exit = Some(exit);
            }
            Err(error) => {
                course.gaps.push(gap("end-not-seen", format!("how the subject ended is not known: {error}")));
            }
        }
        if let Some(failure) = &mut finding {
            self.add_last_lines(id, failure).await;
        }

        let mounts = match self.docker.mounts(id, &image.volumes).await {
            Ok(mounts) => mounts,
            Err(error) => {
                course
                    .gaps
                    .push(gap("mounts-not-known", format!("the subject's mounts are not known: {error}")));
                Vec::new()
            }
        };
        let profile = self.profile(watch, course, image, mounts).await?;
        Ok(Trained { profile, finding })
    }

    /// Profiles a container that runs already, and leaves it running.
    ///
    /// # Errors
    /// Where there is no profile.
    pub(crate) async fn attach(self, running: Running) -> Result<Trained, Failure> {
        let cgroup = Cgroup::of_process(running.pid)?;
        let mut watch = Watch::start(self.options.sensor.clone()).await?;
        watch.set_container(&running.id);
        watch.follow_cgroup(&cgroup)?;
        let line = self.ui.live_line();
        let mut course = Course { started: timestamp(), gaps: vec![startup_not_seen()], ..Course::default() };
        watch.begin()?;
        let processes = watch.adopt(&cgroup)?;
        line.phase(Phase::Startup, &format!("attached to {} ({processes} processes)", self.config.image));
        let ending = self.watch_until(&running.id, &mut watch, &line).await?;
        course.load = ending.load;
        let mut finding = ending.finding;
        watch.look(&line);
        drop(line);
        match ending.end {
            Some(Ok(exit)) => course.exit = Some(exit),
            Some(Err(error)) => {
                course.gaps.push(gap("end-not-seen", format!("the container has gone: {error}")));
            }
            None => course.gaps.push(shutdown_not_seen()),
        }
        if let Some(failure) = &mut finding {
            self.add_last_lines(&running.id, failure).await;
        }
        let mounts = self.docker.mounts(&running.id, &running.image.volumes).await.unwrap_or_default();
        let profile = self.profile(watch, course, &running.image, mounts).await?;
        Ok(Trained { profile, finding })
    }

    /// From the start to the moment the subject has ended or is to be stopped.
    async fn watch_until(&self, id: &str, watch: &mut Watch, line: &LiveLine) -> Result<Outcome, Failure> {
        let ready = self.options.ready.as_ref().map(|ready| ready.wait(self.docker, id));
        let ended = self.docker.wait(id);
        let (ending, load) =
            course::watch_until(&self.options, self.interrupts.clone(), watch, line, ended, ready).await?;
        let mut finding = course::finding_of(&ending, &self.options);
        let Ending::Subject(exit, point) = ending else { return Ok(Outcome { end: None, load, finding }) };
        if let Ok(exit) = &exit {
            let when = match point {
                Point::BeforeReady => Some("before it was ready"),
                Point::UnderLoad => Some("while the load test was running"),
                Point::Watching => None,
            };
            finding = when
                .map(|when| format!("the subject ended with status {} {when}", exit.status))
                .map(|message| Failure::new(Kind::Finding, message));
        }
        Ok(Outcome { end: Some(exit), load, finding })
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

    async fn add_last_lines(&self, id: &str, failure: &mut Failure) {
        let lines = self.docker.last_lines(id, LAST_LINES).await;
        failure.message += &if lines.trim().is_empty() {
            "; the subject printed nothing".to_owned()
        } else {
            format!("; the subject's last lines:\n{}", lines.trim_end())
        };
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

/// What is missing of a subject that ran already.
pub(super) fn startup_not_seen() -> Gap {
    gap("startup-not-seen", "the subject ran already: what it wrote and used while starting was not seen; `writepath run` sees it".to_owned())
}

/// What is missing of a subject that was left running.
pub(super) fn shutdown_not_seen() -> Gap {
    gap("shutdown-not-seen", "the subject was not stopped, so its shutdown was not seen".to_owned())
}

fn gap(code: &str, message: String) -> Gap {
    Gap { code: code.to_owned(), message, count: 1 }
}

/// How the time of watching ended.
struct Outcome {
    /// How the subject ended; `None`: it runs still.
    end: Option<Result<Exit, RuntimeError>>,
    load: Option<Load>,
    finding: Option<Failure>,
}
