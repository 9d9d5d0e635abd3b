//! A training run of a whole project, and one that attaches to a project which is up.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use reports::{
    model::{Load, Phase, Profile, Subject},
    project::{Definition, instance, levels, merge_replicas},
};
use tokio::time::{interval, sleep, timeout};

use super::{
    ServiceTrained, Tool, images,
    services::{Container, Started, as_users_own},
    start::{self, Starter},
};
use crate::{
    cgroup::Cgroup,
    failure::{Failure, Kind},
    interrupt::Interrupts,
    runtime::{Cleared, Docker, Life, Member, OWNER_LABEL, owner_label},
    sensor::SensorOptions,
    training::{
        Course, Loading, TrainingOptions, Watch, Watched, assemble,
        container::{directories_of, gap, is_killed, shutdown_not_seen, startup_not_seen},
        course::{self, Ending, LOOK_INTERVAL, Point},
        interrupted_early,
        removal::{PATIENCE, removed},
        timestamp,
    },
    ui::{LiveLine, Ui},
};

/// The most containers that are followed at the same time.
const MAX_FOLLOWED: u32 = 200;
/// The kernel's table of operations is at most so many times as large as for one subject.
const MAX_TABLES: u32 = 8;
/// What the daemon may have begun for a tool that was killed is done after this.
const LATE: Duration = Duration::from_millis(500);

/// A training run of a project.
pub(crate) struct ProjectTraining<'a> {
    pub(crate) docker: &'a Docker,
    pub(crate) tool: &'a Tool,
    pub(crate) definition: &'a Definition,
    /// The name that the user's own containers have.
    pub(crate) user_name: &'a str,
    /// The name of this run's project.
    pub(crate) run_name: &'a str,
    /// The services that are run.
    pub(crate) run: &'a BTreeSet<String>,
    /// Those that are profiled.
    pub(crate) profiled: &'a BTreeSet<String>,
    /// Those that are to end by themselves before the project is stopped.
    pub(crate) jobs: &'a BTreeSet<String>,
    pub(crate) options: TrainingOptions,
    pub(crate) ui: Ui,
    pub(crate) interrupts: Interrupts,
}

/// A finished run of a project.
#[derive(Debug)]
pub(crate) struct ProjectTrained {
    /// What was seen of each service, by name.
    pub(crate) services: Vec<ServiceTrained>,
    /// What went wrong with the project as a whole.
    pub(crate) finding: Option<Failure>,
}

/// What is common to the profiles of all containers of a run.
struct Common {
    started: String,
    load: Option<Load>,
    attached: bool,
}

impl<'a> ProjectTraining<'a> {
    /// Makes the project, runs it, and removes it.
    ///
    /// # Errors
    /// Where there are no profiles.
    pub(crate) async fn run(&self) -> Result<ProjectTrained, Failure> {
        let Cleared { count, failed } = self.docker.clear_leftovers().await?;
        if count != 0 {
            self.ui.note(&format!(
                "removed {count} container(s), network(s) and volume(s) that an earlier run left behind"
            ));
        }
        for why in failed {
            self.ui.warn(&format!("an earlier run left something behind: {why}"));
        }
        let mut first = self.interrupts.clone();
        tokio::select! {
            ensured = images::ensure(
                self.docker, self.tool, self.definition, self.run, self.user_name, self.ui
            ) => ensured?,
            // A pull may take minutes.
            () = first.asked(1) => return Err(interrupted_early()),
        }
        let image_of = |service: &str| self.tool.built_image(self.user_name, service);
        let instance = instance(self.definition, (OWNER_LABEL, &owner_label()), &image_of);
        let mut second = self.interrupts.clone();
        let trained = tokio::select! {
            trained = self.make_and_run(&instance.file) => trained,
            () = second.asked(2) => {
                Err(Failure::new(Kind::Finding, "interrupted twice: left at once, without profiles"))
            }
        };
        self.clear().await;
        trained
    }

    async fn make_and_run(&self, file: &str) -> Result<ProjectTrained, Failure> {
        let mut first = self.interrupts.clone();
        let services: Vec<String> = self.run.iter().cloned().collect();
        let prepared = async {
            // Sensors and containers side by side: both take their time, and only the start needs both.
            tokio::join!(
                Watch::start(Loading::begin(self.sensors())),
                self.tool.create(file, self.run_name, &services)
            )
        };
        let mut prepared = std::pin::pin!(prepared);
        let (watch, created) = tokio::select! {
            prepared = &mut prepared => prepared,
            () = first.asked(1) => {
                // The daemon goes on with what it was asked for; a tool that does not end is not waited for.
                let _ = timeout(PATIENCE, prepared).await;
                return Err(interrupted_early());
            }
        };
        created?;
        let mut watch = watch?;
        let containers = self.containers(self.docker.members(self.run_name).await?).await?;
        for container in &containers {
            if let Some(slot) = container.slot {
                watch.want_container_as(slot, &container.member.id)?;
            }
        }
        let line = self.ui.live_line();
        line.phase(Phase::Startup, &format!("starting {} services of {}", self.run.len(), self.user_name));
        let mut common = Common { started: timestamp(), load: None, attached: false };
        watch.begin()?;
        let mut started = Vec::new();
        let mut failed = BTreeMap::new();
        let starter = Starter {
            docker: self.docker,
            tool: self.tool,
            file,
            name: self.run_name,
            definition: self.definition,
            run: self.run,
            containers: &containers,
            patience: self.options.ready_timeout,
        };
        let is_up = {
            let mut starting = std::pin::pin!(starter.start(&mut started, &mut failed));
            let mut ticks = interval(LOOK_INTERVAL);
            loop {
                tokio::select! {
                    biased;
                    result = &mut starting => {
                        result?;
                        break true;
                    }
                    () = first.asked(1) => break false,
                    _ = ticks.tick() => watch.look(&line),
                }
            }
        };
        let finding = if is_up {
            let (finding, load) = self.watch_until(&mut started, &mut watch, &line).await?;
            common.load = load;
            finding
        } else {
            Some(Failure::new(Kind::Finding, "interrupted while the services were started"))
        };
        self.stop(&mut started, &mut watch, &line).await?;
        drop(line);
        self.conclude(watch, &containers, started, failed, common, finding).await
    }

    /// Follows the containers of a project that is up, and leaves them running.
    ///
    /// # Errors
    /// Where there are no profiles.
    pub(crate) async fn attach(&self, members: Vec<Member>) -> Result<ProjectTrained, Failure> {
        let mut second = self.interrupts.clone();
        let trained = tokio::select! {
            trained = self.attach_to(members) => trained,
            () = second.asked(2) => {
                Err(Failure::new(Kind::Finding, "interrupted twice: left at once, without profiles"))
            }
        };
        // The containers that images are looked into.
        self.clear().await;
        trained
    }

    async fn attach_to(&self, members: Vec<Member>) -> Result<ProjectTrained, Failure> {
        let mut watch = Watch::start(Loading::begin(self.sensors())).await?;
        let since = std::time::SystemTime::now();
        let containers = self.containers(members).await?;
        let line = self.ui.live_line();
        let mut common = Common { started: timestamp(), load: None, attached: true };
        for container in &containers {
            let Some(slot) = container.slot else { continue };
            let running = self.docker.running(&container.member.id).await?;
            let cgroup = Cgroup::of_process(running.pid)?;
            // By its id, too: should it be started again, that makes another cgroup.
            watch.want_container_as(slot, &running.id)?;
            watch.follow_cgroup_as(slot, &cgroup)?;
        }
        watch.begin()?;
        let mut started = Vec::new();
        let mut processes = 0;
        for container in &containers {
            let id = &container.member.id;
            if let Some(slot) = container.slot {
                let running = self.docker.running(id).await?;
                processes += watch.adopt_as(slot, &Cgroup::of_process(running.pid)?)?;
            }
            let mounts = self.docker.mounts(id, &container.made.image.volumes).await?;
            started.push(Started::new(container, mounts, Life::begin(self.docker, id, since).await?));
        }
        let what = format!("attached to {} ({processes} processes)", self.user_name);
        line.phase(Phase::Startup, &what);
        let (finding, load) = self.watch_until(&mut started, &mut watch, &line).await?;
        common.load = load;
        watch.look_well(&line);
        drop(line);
        self.conclude(watch, &containers, started, BTreeMap::new(), common, finding).await
    }

    /// All subjects share the kernel's tables, which so are to have room for each.
    fn sensors(&self) -> SensorOptions {
        let sensor = self.options.sensor.clone();
        let times = u32::try_from(self.profiled.len()).unwrap_or(MAX_TABLES).clamp(1, MAX_TABLES);
        SensorOptions { table_entries: sensor.table_entries.saturating_mul(times), ..sensor }
    }

    /// The containers with their configuration; those of profiled services are numbered.
    async fn containers(&self, members: Vec<Member>) -> Result<Vec<Container>, Failure> {
        let mut containers = Vec::new();
        let mut slots = 0..MAX_FOLLOWED;
        for member in members {
            let slot = if self.profiled.contains(&member.service) {
                let too_many = || {
                    Failure::new(Kind::Usage, format!("the project has more than {MAX_FOLLOWED} containers"))
                        .hint("choose the services that are profiled with --service")
                };
                Some(slots.next().ok_or_else(too_many)?)
            } else {
                None
            };
            let made = self.docker.made(&member.id).await?;
            containers.push(Container { member, slot, made });
        }
        for service in self.profiled {
            if !containers.iter().any(|container| container.member.service == *service) {
                self.ui.warn(&format!("service `{service}` has no containers, so it is not profiled"));
            }
        }
        Ok(containers)
    }

    /// From the start of the last service to the moment the project is to be stopped.
    async fn watch_until(
        &self,
        started: &mut [Started<'_>],
        watch: &mut Watch,
        line: &LiveLine,
    ) -> Result<(Option<Failure>, Option<Load>), Failure> {
        let ids: Vec<String> = started.iter().map(|started| started.container.member.id.clone()).collect();
        let ready = self.options.ready.as_ref().map(|ready| start::ready(self.docker, ready, &ids));
        let (ending, load) = {
            let ended = join_all(started.iter_mut().map(Started::watch));
            course::watch_until(&self.options, self.interrupts.clone(), watch, line, ended, ready).await?
        };
        let finding = match &ending {
            Ending::Subject(_, Point::Watching) => None,
            Ending::Subject(_, point) => {
                Some(Failure::new(Kind::Finding, format!("all services ended{}", point.words())))
            }
            other => course::finding_of(other, &self.options),
        };
        let mut interrupts = self.interrupts.clone();
        let jobs = started.iter_mut().filter(|started| self.jobs.contains(started.service()));
        let jobs = timeout(self.options.ready_timeout, join_all(jobs.map(Started::watch)));
        tokio::select! {
            _ = jobs => {}
            () = interrupts.asked(1) => {}
        }
        Ok((finding, load))
    }

    /// Stops what runs still: first what others do not depend on.
    async fn stop(
        &self,
        started: &mut [Started<'_>],
        watch: &mut Watch,
        line: &LiveLine,
    ) -> Result<(), Failure> {
        watch.look_well(line);
        if started.iter().any(|started| started.end.is_none()) {
            watch.enter(Phase::Shutdown)?;
            line.phase(Phase::Shutdown, "stopping");
        }
        for level in levels(self.definition).unwrap_or_default().into_iter().rev() {
            let of_level =
                started.iter_mut().filter(|started| level.iter().any(|service| service == started.service()));
            join_all(of_level.map(|started| started.stop(self.options.stop_timeout))).await;
        }
        watch.look_well(line);
        Ok(())
    }

    /// Puts the profiles together.
    async fn conclude(
        &self,
        watch: Watch,
        containers: &[Container],
        started: Vec<Started<'_>>,
        mut failed: BTreeMap<String, Failure>,
        common: Common,
        finding: Option<Failure>,
    ) -> Result<ProjectTrained, Failure> {
        let followed =
            containers.iter().filter_map(|container| container.slot).max().map_or(0, |max| max + 1);
        let watched = tokio::task::spawn_blocking(move || watch.finish_all(followed))
            .await
            .map_err(|error| Failure::new(Kind::Host, error.to_string()))??;
        let mut watched: BTreeMap<u32, Watched> = (0..).zip(watched).collect();
        let mut profiles: BTreeMap<String, Vec<Profile>> = BTreeMap::new();
        let mut last_lines: BTreeMap<String, String> = BTreeMap::new();
        let mut restarts: BTreeMap<String, u64> = BTreeMap::new();
        for started in &started {
            let service = started.service();
            let count = self.docker.restarts(&started.container.member.id).await;
            if count != 0 && !common.attached {
                self.ui.warn(&format!(
                    "service `{service}` ended and was restarted by its policy ({count} ×); what it did after that is in the profile, as of the phase that the run was in"
                ));
                *restarts.entry(service.to_owned()).or_default() += count;
            }
            if let Some(failure) = started.finding() {
                let lines = started.last_lines(self.docker).await;
                failed.entry(service.to_owned()).or_insert(failure);
                last_lines.entry(service.to_owned()).or_insert(lines);
            }
            let seen = started.container.slot.and_then(|slot| watched.remove(&slot));
            if let Some(seen) = seen {
                let profile = self.profile(started, seen, &common).await;
                profiles.entry(service.to_owned()).or_default().push(profile);
            }
        }
        let services = self
            .run
            .iter()
            .filter(|service| self.profiled.contains(*service) || failed.contains_key(*service))
            .cloned()
            .collect::<Vec<_>>();
        let services = services
            .into_iter()
            .map(|service| {
                let of_service = profiles.remove(&service).unwrap_or_default();
                let replicas = of_service.len();
                let profile = merge_replicas(of_service)
                    .map_err(|error| Failure::new(Kind::Usage, format!("service `{service}`: {error}")))?;
                Ok(ServiceTrained {
                    replicas,
                    restarts: restarts.remove(&service).unwrap_or_default(),
                    profile,
                    finding: failed.remove(&service),
                    last_lines: last_lines.remove(&service).unwrap_or_default(),
                    service,
                })
            })
            .collect::<Result<_, Failure>>()?;
        Ok(ProjectTrained { services, finding })
    }

    async fn profile(&self, started: &Started<'_>, seen: Watched, common: &Common) -> Profile {
        let Common { started: begin, load, attached } = common;
        let mut course = Course { started: begin.clone(), load: load.clone(), ..Course::default() };
        if *attached {
            course.gaps.push(startup_not_seen());
        }
        match &started.end {
            Some(Ok(ended)) => {
                if is_killed(ended) {
                    course.gaps.push(gap(
                        "shutdown-not-seen",
                        "the service was killed, so what it does when it is asked to end was not seen".to_owned(),
                    ));
                }
                course.exit = ended.known_exit().cloned();
            }
            Some(Err(error)) => course.gaps.push(gap(
                "end-not-seen",
                format!("the container runtime does not answer any more, so how the service ended is not known ({error})"),
            )),
            None => course.gaps.push(shutdown_not_seen()),
        }
        let made = &started.container.made;
        let image = made.config.image.clone();
        let (mut config, mut mounts) = (made.config.clone(), started.mounts.clone());
        as_users_own(&mut config, &mut mounts, self.run_name, self.user_name);
        let subject = Subject {
            name: image.clone(),
            image_id: Some(made.image.id.clone()),
            config: Some(config),
            mounts,
            ..Subject::default()
        };
        let mut profile = assemble(seen, course, subject);
        profile.host.runtime = Some(self.docker.runtime().clone());
        let directories = directories_of(&profile);
        match self.docker.image_content(&image, &directories).await {
            Ok(content) => {
                profile.subject.image_entries = content.entries;
                profile.subject.image_cut = content.cut;
            }
            Err(error) => {
                profile.subject.image_cut = directories.into_iter().collect();
                self.ui.warn(&format!("what the image {image} holds could not be listed: {error}"));
            }
        }
        profile
    }

    /// Removes all that this process made.
    async fn clear(&self) {
        let removal = async {
            let cleared = self.docker.clear_own().await;
            if self.interrupts.is_asked() {
                sleep(LATE).await;
                return self.docker.clear_own().await;
            }
            cleared
        };
        let failed = match removed(removal, self.interrupts.clone()).await {
            Ok(Cleared { count: _, failed }) => failed,
            Err(message) => vec![message],
        };
        for why in failed {
            self.ui.warn(&format!("{why}; the next run removes what is left of {}", self.run_name));
        }
    }
}
