//! Docker, through its API. The only module that knows bollard.
//!
//! Every container made here carries labels that name the process that made it, so that a later run can clear what
//! one that was killed left behind. Never touches a container without these labels.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use bollard::{
    errors::Error as ApiError,
    exec::{CreateExecOptions, StartExecResults},
    models::{ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum},
    query_parameters::{
        CreateContainerOptions, CreateImageOptions, EventsOptions, KillContainerOptions,
        ListContainersOptions, LogsOptions, RemoveContainerOptions, StopContainerOptions,
        WaitContainerOptions,
    },
};
use futures_util::{Stream, StreamExt, TryStreamExt};
use reports::model::{ContainerConfig, Mount, MountOption, Runtime, SubjectPath};

use super::{
    Cleared, RuntimeError,
    create::{OWNER_LABEL, body_of, owner_label, owner_lives},
    inspect::{Running, mounts_of, running_of},
    life::State,
};

/// Where the daemon listens if the environment does not say otherwise.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// Requests that only wait may take this long before they are made again.
const WAIT_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection to a Docker daemon.
#[derive(Debug, Clone)]
pub(crate) struct Docker {
    pub(super) client: bollard::Docker,
    waiting_client: bollard::Docker,
    runtime: Runtime,
}

/// What is known about an image.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageFacts {
    /// Its content-addressed id.
    pub(crate) id: String,
    /// The user it runs as; empty: root.
    pub(crate) user: String,
    /// Its `VOLUME` declarations.
    pub(crate) volumes: Vec<SubjectPath>,
    /// Whether it has a health check.
    pub(crate) has_health_check: bool,
}

/// What became of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// There is no health check.
    None,
    /// Not yet known.
    Starting,
    /// It passed.
    Healthy,
    /// It failed.
    Unhealthy,
}

pub(super) fn refused(action: &'static str) -> impl Fn(ApiError) -> RuntimeError {
    move |error| RuntimeError::Refused { action, message: message_of(&error) }
}

fn message_of(error: &ApiError) -> String {
    match error {
        ApiError::DockerResponseServerError { message, .. } => message.clone(),
        error => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(error) = source {
                let more = error.to_string();
                if !text.contains(&more) {
                    text = format!("{text}: {more}");
                }
                source = error.source();
            }
            text
        }
    }
}

pub(super) fn is_status(error: &ApiError, status: u16) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code, .. } if *status_code == status)
}

impl Docker {
    /// Connects to the daemon that `DOCKER_HOST` names, or to the default socket.
    ///
    /// # Errors
    /// [`RuntimeError::Unreachable`].
    pub(crate) async fn connect() -> Result<Self, RuntimeError> {
        let address = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|host| !host.is_empty())
            .unwrap_or_else(|| DEFAULT_HOST.to_owned());
        let unreachable = |error: ApiError| RuntimeError::Unreachable {
            address: address.clone(),
            message: message_of(&error),
        };
        let client = bollard::Docker::connect_with_host(&address).map_err(unreachable)?;
        let client = client.negotiate_version().await.map_err(unreachable)?;
        let info = client.info().await.map_err(unreachable)?;
        let runtime = Runtime {
            name: "docker".to_owned(),
            version: info.server_version.unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            cgroup_version: info.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
            cgroup_driver: info.cgroup_driver.map(|driver| driver.to_string()).unwrap_or_default(),
        };
        Ok(Self { waiting_client: client.clone().with_timeout(WAIT_TIMEOUT), client, runtime })
    }

    /// Facts about the daemon.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Removes containers, networks and volumes that a process made which is gone.
    ///
    /// # Errors
    /// Where the daemon does not tell what there is.
    pub(crate) async fn clear_leftovers(&self) -> Result<Cleared, RuntimeError> {
        self.clear(|owner| !owner_lives(owner)).await
    }

    /// Removes the containers and volumes that this process made.
    ///
    /// # Errors
    /// Where the daemon does not tell what there is.
    pub(crate) async fn clear_own(&self) -> Result<Cleared, RuntimeError> {
        let own = owner_label();
        self.clear(|owner| owner == own).await
    }

    async fn clear(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Cleared, RuntimeError> {
        let filters = HashMap::from([("label".to_owned(), vec![OWNER_LABEL.to_owned()])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let containers =
            self.client.list_containers(Some(options)).await.map_err(refused("list containers"))?;
        let mut cleared = Cleared::default();
        for container in containers {
            let owner = container.labels.as_ref().and_then(|labels| labels.get(OWNER_LABEL));
            if let (Some(id), Some(owner)) = (container.id, owner)
                && is_wanted(owner)
            {
                cleared.take(self.remove(&id).await);
            }
        }
        // Not before the containers that use them.
        self.clear_networks(&is_wanted, &mut cleared).await?;
        self.clear_volumes(is_wanted, &mut cleared).await?;
        Ok(cleared)
    }

    /// Finds an image, pulling it where that is wanted and possible.
    ///
    /// # Errors
    /// [`RuntimeError::NoImage`].
    pub(crate) async fn image(
        &self,
        reference: &str,
        pull: Pull,
        platform: Option<&str>,
        mut progress: impl FnMut(&str),
    ) -> Result<ImageFacts, RuntimeError> {
        if pull != Pull::Always
            && let Some(facts) = self.inspect_image(reference).await?
        {
            return Ok(facts);
        }
        let no_image = |detail: String| RuntimeError::NoImage { image: reference.to_owned(), detail };
        if pull == Pull::Never {
            return Err(no_image(" (and --pull never was given)".to_owned()));
        }
        let options = CreateImageOptions {
            from_image: Some(with_tag(reference)),
            platform: platform.unwrap_or_default().to_owned(),
            ..Default::default()
        };
        let mut stream = self.client.create_image(Some(options), None, None);
        while let Some(step) = stream.next().await {
            let step =
                step.map_err(|error| no_image(format!(", and pulling it failed: {}", message_of(&error))))?;
            if let Some(status) = step.status {
                progress(&status);
            }
        }
        self.inspect_image(reference).await?.ok_or_else(|| no_image(String::new()))
    }

    pub(super) async fn inspect_image(&self, reference: &str) -> Result<Option<ImageFacts>, RuntimeError> {
        let image = match self.client.inspect_image(reference).await {
            Ok(image) => image,
            Err(error) if is_status(&error, 404) => return Ok(None),
            Err(error) => return Err(refused("inspect the image")(error)),
        };
        let config = image.config.unwrap_or_default();
        let volumes = config.volumes.unwrap_or_default();
        let mut volumes: Vec<_> =
            volumes.iter().filter_map(|path| SubjectPath::from_bytes(path.as_bytes()).ok()).collect();
        volumes.sort();
        let health_test = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
        Ok(Some(ImageFacts {
            id: image.id.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            volumes,
            has_health_check: health_test.first().is_some_and(|kind| kind != "NONE"),
        }))
    }

    /// Makes a container, without starting it. Its id.
    ///
    /// # Errors
    /// Where an option is malformed or the daemon refuses.
    pub(crate) async fn create(&self, config: &ContainerConfig, role: &str) -> Result<String, RuntimeError> {
        let body = body_of(config, role)?;
        let options = CreateContainerOptions {
            name: config.name.clone(),
            platform: config.platform.clone().unwrap_or_default(),
        };
        match self.client.create_container(Some(options), body).await {
            Ok(created) => Ok(created.id),
            // moby:daemon/names.go: "Conflict. The container name … is already in use by container …".
            Err(error) if is_status(&error, 409) && message_of(&error).contains("already in use") => {
                Err(RuntimeError::NameInUse(config.name.clone().unwrap_or_default()))
            }
            Err(error) => Err(refused("create the container")(error)),
        }
    }

    /// Makes a container of an image that is never started, to look into the image.
    pub(super) async fn create_idle(&self, image: &str) -> Result<String, RuntimeError> {
        self.create_idle_with(image, Vec::new()).await
    }

    /// The same with mounts: making it fills volumes that are empty.
    pub(super) async fn create_idle_with(
        &self,
        image: &str,
        mounts: Vec<MountOption>,
    ) -> Result<String, RuntimeError> {
        let config = ContainerConfig {
            image: image.to_owned(),
            // An image without a command could not be made a container of otherwise; it is not run.
            entrypoint: Some("/".to_owned()),
            mounts,
            ..ContainerConfig::default()
        };
        self.create(&config, "inspect").await
    }

    /// The bytes of a tar archive of a directory of a container.
    pub(super) fn archive(
        &self,
        id: &str,
        path: &str,
    ) -> impl Stream<Item = Result<Vec<u8>, RuntimeError>> + Unpin + use<> {
        let options = bollard::query_parameters::DownloadFromContainerOptions { path: path.to_owned() };
        Box::pin(
            self.client
                .download_from_container(id, Some(options))
                .map(|chunk| chunk.map(|bytes| bytes.to_vec()).map_err(refused("read the image"))),
        )
    }

    /// Starts a container.
    ///
    /// # Errors
    /// Where the daemon refuses.
    pub(crate) async fn start(&self, id: &str) -> Result<(), RuntimeError> {
        let started = self.client.start_container(id, None).await;
        started.map_err(|error| RuntimeError::NotStarted(message_of(&error)))
    }

    /// Waits until a container has stopped, or the connection fails. The status, where it was told.
    pub(super) async fn wait(&self, id: &str) -> Option<i64> {
        let options = WaitContainerOptions { condition: "not-running".to_owned() };
        let mut stream = self.waiting_client.wait_container(id, Some(options));
        match stream.next().await {
            Some(Ok(response)) => Some(response.status_code),
            // A status other than 0 comes as an error.
            Some(Err(ApiError::DockerContainerWaitError { code, .. })) => Some(code),
            _ => None,
        }
    }

    /// The state of a container; `None` where there is none any more.
    ///
    /// # Errors
    /// Where the daemon does not answer.
    pub(super) async fn state(&self, id: &str) -> Result<Option<State>, RuntimeError> {
        let inspection = match self.client.inspect_container(id, None).await {
            Ok(inspection) => inspection,
            Err(error) if is_status(&error, 404) => return Ok(None),
            Err(error) => return Err(refused("inspect the container")(error)),
        };
        let state = inspection.state.unwrap_or_default();
        Ok(Some(State {
            running: state.running.unwrap_or(false),
            restarting: state.restarting.unwrap_or(false),
            removing: matches!(
                state.status,
                Some(ContainerStateStatusEnum::REMOVING | ContainerStateStatusEnum::DEAD)
            ),
            started_at: state.started_at.unwrap_or_default(),
            status: state.exit_code.unwrap_or(-1),
            oom_killed: state.oom_killed.unwrap_or(false),
        }))
    }

    /// Whether anybody has sent a container a signal through the daemon.
    pub(super) async fn was_signalled(&self, id: &str, since: SystemTime) -> bool {
        let timestamp = |time: SystemTime| {
            let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
        };
        let filters = [("container", id), ("event", "kill")]
            .map(|(key, value)| (key.to_owned(), vec![value.to_owned()]));
        let options = EventsOptions {
            since: Some(timestamp(since)),
            // With an end in the past the daemon tells what it remembers and closes the stream.
            until: Some(timestamp(SystemTime::now())),
            filters: Some(filters.into()),
        };
        self.client.events(Some(options)).next().await.is_some_and(|event| event.is_ok())
    }

    /// Sends the stop signal of the container, and kills it after `timeout`.
    ///
    /// # Errors
    /// Where the daemon refuses.
    pub(super) async fn stop(&self, id: &str, timeout: Option<Duration>) -> Result<(), RuntimeError> {
        let seconds =
            timeout.map(|timeout| i32::try_from(timeout.as_millis().div_ceil(1000)).unwrap_or(i32::MAX));
        let options = StopContainerOptions { signal: None, t: seconds };
        match self.waiting_client.stop_container(id, Some(options)).await {
            // 304: not running any more; 404: removed from outside.
            Err(error) if !is_status(&error, 304) && !is_status(&error, 404) => {
                Err(refused("stop the container")(error))
            }
            _ => Ok(()),
        }
    }

    /// Kills a container.
    pub(super) async fn kill(&self, id: &str) {
        // It may have ended by itself.
        let _ = self.client.kill_container(id, None::<KillContainerOptions>).await;
    }

    /// Removes a container with its anonymous volumes, killing it where it runs.
    ///
    /// # Errors
    /// Where the daemon refuses.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        match self.client.remove_container(id, Some(options)).await {
            // 404: gone; 409: being removed already.
            Err(error) if !is_status(&error, 404) && !is_status(&error, 409) => {
                Err(refused("remove the container")(error))
            }
            _ => Ok(()),
        }
    }

    /// The last lines that a container has printed; `None` where the daemon cannot tell.
    pub(crate) async fn last_lines(&self, id: &str, count: u32) -> Option<String> {
        let options =
            LogsOptions { stdout: true, stderr: true, tail: count.to_string(), ..Default::default() };
        let chunks: Result<Vec<_>, _> = self.client.logs(id, Some(options)).try_collect().await;
        chunks.ok().map(|chunks| chunks.iter().map(ToString::to_string).collect())
    }

    /// What a container prints, from its start on.
    pub(crate) fn follow_logs(&self, id: &str) -> impl Stream<Item = Vec<u8>> + Unpin + use<> {
        let options = LogsOptions { stdout: true, stderr: true, follow: true, ..Default::default() };
        Box::pin(
            self.waiting_client
                .logs(id, Some(options))
                .filter_map(|chunk| async move { chunk.ok().map(|output| output.into_bytes().to_vec()) }),
        )
    }

    /// The state of a container's health check.
    ///
    /// # Errors
    /// Where the container is gone.
    pub(crate) async fn health(&self, id: &str) -> Result<Health, RuntimeError> {
        let state = self.inspect(id).await?.state.unwrap_or_default();
        Ok(match state.health.and_then(|health| health.status) {
            None | Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) => Health::None,
            Some(HealthStatusEnum::STARTING) => Health::Starting,
            Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        })
    }

    /// Runs a shell command inside a container. Its exit status; `None` where the container cannot run anything now,
    /// because it is paused or has stopped.
    ///
    /// # Errors
    /// Where the daemon refuses.
    pub(crate) async fn exec(&self, id: &str, command: &str) -> Result<Option<i64>, RuntimeError> {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec!["/bin/sh", "-c", command]),
            ..Default::default()
        };
        let refused = refused("run a command in the container");
        let exec = match self.client.create_exec(id, options).await {
            Ok(exec) => exec,
            Err(error) if is_status(&error, 409) => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        let started = match self.client.start_exec(&exec.id, None).await {
            Ok(started) => started,
            Err(error) if is_status(&error, 409) => return Ok(None),
            Err(error) => return Err(refused(error)),
        };
        if let StartExecResults::Attached { mut output, .. } = started {
            while output.next().await.is_some() {}
        }
        let inspection = self.client.inspect_exec(&exec.id).await.map_err(refused)?;
        Ok(Some(inspection.exit_code.unwrap_or(-1)))
    }

    /// A running container, by name, id or unique prefix of its id.
    ///
    /// # Errors
    /// Where there is none, or more than one, or it does not run.
    pub(crate) async fn running(&self, container: &str) -> Result<Running, RuntimeError> {
        let inspection = match self.client.inspect_container(container, None).await {
            Ok(inspection) => inspection,
            Err(error) if is_status(&error, 404) => {
                return Err(RuntimeError::NoContainer(container.to_owned()));
            }
            // moby:pkg/truncindex: "multiple IDs found with provided prefix: …", a bad request.
            Err(error) if message_of(&error).to_lowercase().contains("multiple ids") => {
                return Err(RuntimeError::Ambiguous(container.to_owned()));
            }
            Err(error) => return Err(refused("inspect the container")(error)),
        };
        let image = inspection.image.clone().unwrap_or_default();
        let image_config =
            self.client.inspect_image(&image).await.ok().and_then(|image| image.config).unwrap_or_default();
        let volumes = self.inspect_image(&image).await?.unwrap_or_default();
        running_of(&inspection, &image_config, volumes)
            .ok_or_else(|| RuntimeError::NotRunning(container.to_owned()))
    }

    /// The mounts that a container has besides its root, and besides those that every container has.
    ///
    /// # Errors
    /// Where the container is gone.
    pub(crate) async fn mounts(
        &self,
        id: &str,
        image_volumes: &[SubjectPath],
    ) -> Result<Vec<Mount>, RuntimeError> {
        Ok(mounts_of(&self.inspect(id).await?, image_volumes))
    }

    pub(super) async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, RuntimeError> {
        self.client.inspect_container(id, None).await.map_err(refused("inspect the container"))
    }
}

/// When to pull an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Pull {
    /// Where it is not on this host.
    #[default]
    Missing,
    /// Every time.
    Always,
    /// Never.
    Never,
}

/// A pull without a tag would fetch all tags.
fn with_tag(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains(':') || reference.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}
