//! The containers of a Compose project, as the daemon knows them, and the networks that are removed with them.
//!
//! Owns the labels that Compose puts on what it makes (docker-compose 1.29 and v2 use the same). Never makes or starts
//! anything: that is the Compose tool's.

use std::collections::HashMap;

use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions};
use reports::model::ContainerConfig;

use super::{
    Cleared, Docker, ImageFacts, RuntimeError,
    create::OWNER_LABEL,
    docker::{is_status, refused},
    inspect::config_of,
};

const PROJECT_LABEL: &str = "com.docker.compose.project";
const SERVICE_LABEL: &str = "com.docker.compose.service";
const NUMBER_LABEL: &str = "com.docker.compose.container-number";
const ONE_OFF_LABEL: &str = "com.docker.compose.oneoff";

/// A container of a project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    /// Its service.
    pub(crate) service: String,
    /// Which of the service's containers it is, from 1.
    pub(crate) number: u32,
    /// Its id.
    pub(crate) id: String,
    /// Whether it runs.
    pub(crate) running: bool,
}

/// A container that was made, whether it runs or not.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// How, as `docker run` would spell it.
    pub(crate) config: ContainerConfig,
    /// Its image.
    pub(crate) image: ImageFacts,
}

impl Docker {
    /// The containers of a project's services, sorted; not those of `compose run`.
    ///
    /// # Errors
    /// Where the daemon refuses.
    pub(crate) async fn members(&self, project: &str) -> Result<Vec<Member>, RuntimeError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{PROJECT_LABEL}={project}")])]);
        let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let containers =
            self.client.list_containers(Some(options)).await.map_err(refused("list containers"))?;
        let mut members: Vec<Member> = containers
            .into_iter()
            .filter_map(|container| {
                let labels = container.labels?;
                if labels.get(ONE_OFF_LABEL).is_some_and(|one_off| one_off.eq_ignore_ascii_case("true")) {
                    return None;
                }
                let number = labels.get(NUMBER_LABEL).and_then(|number| number.parse().ok()).unwrap_or(1);
                let running = container.state.is_some_and(|state| {
                    use bollard::models::ContainerSummaryStateEnum as State;
                    matches!(state, State::RUNNING | State::PAUSED | State::RESTARTING)
                });
                Some(Member {
                    service: labels.get(SERVICE_LABEL)?.clone(),
                    number,
                    id: container.id?,
                    running,
                })
            })
            .collect();
        members.sort();
        Ok(members)
    }

    /// How a container was made.
    ///
    /// # Errors
    /// Where it is gone, or the daemon does not answer.
    pub(crate) async fn made(&self, id: &str) -> Result<Made, RuntimeError> {
        let inspection = self.inspect(id).await?;
        let image = inspection.image.clone().unwrap_or_default();
        let image_config =
            self.client.inspect_image(&image).await.ok().and_then(|image| image.config).unwrap_or_default();
        let image = self.inspect_image(&image).await?.unwrap_or_default();
        Ok(Made { config: config_of(&inspection, &image_config, &image), image })
    }

    /// How often a container was restarted by its restart policy; 0 where it is gone.
    pub(crate) async fn restarts(&self, id: &str) -> u64 {
        let inspection = self.inspect(id).await;
        let count = inspection.ok().and_then(|inspection| inspection.restart_count);
        count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
    }

    /// Removes the networks of owners for which `is_wanted` holds.
    pub(super) async fn clear_networks(
        &self,
        is_wanted: impl Fn(&str) -> bool,
        cleared: &mut Cleared,
    ) -> Result<(), RuntimeError> {
        let filters = HashMap::from([("label".to_owned(), vec![OWNER_LABEL.to_owned()])]);
        let listed = self.client.list_networks(Some(ListNetworksOptions { filters: Some(filters) })).await;
        for network in listed.map_err(refused("list networks"))? {
            let owner = network.labels.as_ref().and_then(|labels| labels.get(OWNER_LABEL));
            if let (Some(id), Some(owner)) = (&network.id, owner)
                && is_wanted(owner)
            {
                match self.client.remove_network(id).await {
                    Err(error) if is_status(&error, 404) => {}
                    // Another run is removing the containers in it, and the network after that.
                    Err(error) if is_status(&error, 403) => {}
                    removed => cleared.take(removed.map_err(refused("remove the network"))),
                }
            }
        }
        Ok(())
    }
}
