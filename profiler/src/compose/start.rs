//! Starting a project's services in order, and when it is ready.
//!
//! Owns what a service waits for: that what it depends on was started, is healthy, or has ended with status 0. Where that
//! cannot come any more the service is not started, which is a finding of its own, and the others go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use futures_util::future::{join_all, select_all};
use reports::project::{Condition, Definition, levels};
use tokio::time::{sleep, timeout};

use super::{
    Tool,
    services::{Container, Started},
};
use crate::{
    failure::{Failure, Kind},
    runtime::{Docker, Life, docker::Health},
    training::ready::{Ready, ReadyError},
};

/// Between two questions about health.
const INTERVAL: Duration = Duration::from_millis(50);

/// What it takes to start a project.
pub(super) struct Starter<'a> {
    pub(super) docker: &'a Docker,
    pub(super) tool: &'a Tool,
    /// The project as it is made for this run.
    pub(super) file: &'a str,
    pub(super) name: &'a str,
    pub(super) definition: &'a Definition,
    /// The services that are run.
    pub(super) run: &'a BTreeSet<String>,
    pub(super) containers: &'a [Container],
    /// How long one service may wait for another.
    pub(super) patience: Duration,
}

impl<'a> Starter<'a> {
    /// Starts all of them. Those that could not be are in `failed`, with the reason.
    ///
    /// # Errors
    /// Where the daemon does not answer.
    pub(super) async fn start(
        &self,
        started: &mut Vec<Started<'a>>,
        failed: &mut BTreeMap<String, Failure>,
    ) -> Result<(), Failure> {
        // The definition was checked for circles.
        let order = levels(self.definition).unwrap_or_default();
        for service in order.into_iter().flatten().filter(|service| self.run.contains(service)) {
            if let Err(why) = self.wait_for_dependencies(&service, failed).await {
                failed.insert(service, Failure::new(Kind::Finding, format!("not started: {why}")));
                continue;
            }
            let since = SystemTime::now();
            let said = self.tool.start(self.file, self.name, &service).await;
            for container in self.containers.iter().filter(|container| container.member.service == service) {
                let id = &container.member.id;
                let mounts = self.docker.mounts(id, &container.made.image.volumes).await?;
                let life = Life::begin(self.docker, id, since).await?;
                if life.has_begun() {
                    started.push(Started::new(container, mounts, life));
                }
            }
            if let Err(message) = said {
                let failure = Failure::new(Kind::Finding, format!("could not be started: {message}"));
                failed.insert(service, failure);
            }
        }
        Ok(())
    }

    async fn wait_for_dependencies(
        &self,
        service: &str,
        failed: &BTreeMap<String, Failure>,
    ) -> Result<(), String> {
        let Some(wanted) = self.definition.services.get(service) else { return Ok(()) };
        for (dependency, condition) in wanted.depends_on.iter().filter(|(name, _)| self.run.contains(*name)) {
            if failed.contains_key(dependency) {
                return Err(format!("it depends on `{dependency}`, which was not started"));
            }
            let ids = self
                .containers
                .iter()
                .filter(|container| container.member.service == *dependency)
                .map(|container| container.member.id.as_str());
            let waits = join_all(ids.map(|id| self.wait_for(id, *condition)));
            let held = timeout(self.patience, waits).await.map_err(|_| {
                format!(
                    "it depends on `{dependency}`, which was not {} within {}",
                    words(*condition),
                    humantime::format_duration(self.patience)
                )
            })?;
            if let Some(why) = held.into_iter().find_map(Result::err) {
                return Err(format!("it depends on `{dependency}`, which {why}"));
            }
        }
        Ok(())
    }

    async fn wait_for(&self, id: &str, condition: Condition) -> Result<(), String> {
        let unknown = |error: &dyn std::fmt::Display| format!("is not known any more: {error}");
        let mut life =
            Life::begin(self.docker, id, SystemTime::now()).await.map_err(|error| unknown(&error))?;
        match condition {
            Condition::Started => Ok(()),
            Condition::Completed => match life.end().await.map_err(|error| unknown(&error))?.exit.status {
                0 => Ok(()),
                status => Err(format!("ended with status {status}")),
            },
            Condition::Healthy => {
                tokio::select! {
                    biased;
                    healthy = self.wait_until_healthy(id) => healthy,
                    end = life.end() => {
                        let status = end.map_err(|error| unknown(&error))?.exit.status;
                        Err(format!("ended with status {status} before it was healthy"))
                    }
                }
            }
        }
    }

    async fn wait_until_healthy(&self, id: &str) -> Result<(), String> {
        loop {
            match self.docker.health(id).await.map_err(|error| error.to_string())? {
                Health::Healthy => return Ok(()),
                Health::None => return Err("has no health check".to_owned()),
                Health::Unhealthy => return Err("is unhealthy".to_owned()),
                Health::Starting => sleep(INTERVAL).await,
            }
        }
    }
}

fn words(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "started",
        Condition::Healthy => "healthy",
        Condition::Completed => "done",
    }
}

/// Waits until a project is ready: on the host as for any subject; `healthy` when every container is that has a health
/// check; `log` and `exec` when they hold for one of its containers.
///
/// # Errors
/// Where it can never hold.
pub(super) async fn ready(docker: &Docker, ready: &Ready, ids: &[String]) -> Result<(), ReadyError> {
    match ready {
        Ready::Tcp(_) | Ready::Http(_) | Ready::Delay(_) => ready.wait_on_host().await,
        Ready::Healthy => {
            let mut checked = false;
            for id in ids {
                match ready.wait(docker, id).await {
                    Ok(()) => checked = true,
                    Err(ReadyError::NoHealthCheck) => {}
                    Err(error) => return Err(error),
                }
            }
            if checked { Ok(()) } else { Err(ReadyError::NoHealthCheck) }
        }
        Ready::Log(_) | Ready::Exec(_) => {
            if ids.is_empty() {
                return Err(ReadyError::NeedsContainer);
            }
            // One that is gone does not make it impossible for the others.
            let waits = ids.iter().map(|id| {
                Box::pin(async move {
                    if ready.wait(docker, id).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                })
            });
            select_all(waits).await;
            Ok(())
        }
    }
}
