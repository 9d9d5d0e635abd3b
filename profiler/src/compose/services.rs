//! The containers of a project in one run: how each goes on and ends, and what is known of it in the end.

use std::time::Duration;

use reports::model::{ContainerConfig, Mount, MountOption, Profile};

use crate::{
    failure::Failure,
    runtime::{Docker, Ended, Life, Made, Member, RuntimeError},
    training::container::{LAST_LINES, finding_of_end},
};

/// What a run showed of one service.
#[derive(Debug)]
pub(crate) struct ServiceTrained {
    /// Its name.
    pub(crate) service: String,
    /// How many containers it had.
    pub(crate) replicas: usize,
    /// How often restart policies started them again.
    pub(crate) restarts: u64,
    /// What was seen of all of them; absent where it was not profiled or could not be started.
    pub(crate) profile: Option<Profile>,
    /// What went wrong with it.
    pub(crate) finding: Option<Failure>,
    /// The last lines that it printed, where something went wrong.
    pub(crate) last_lines: String,
}

/// A container that was made, or found.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) member: Member,
    /// Its number in the kernel half; none: it is not followed.
    pub(super) slot: Option<u32>,
    pub(super) made: Made,
}

/// A container that was started.
pub(super) struct Started<'a> {
    pub(super) container: &'a Container,
    pub(super) mounts: Vec<Mount>,
    life: Life<'a>,
    /// How it ended, once that is known.
    pub(super) end: Option<Result<Ended, RuntimeError>>,
}

impl<'a> Started<'a> {
    pub(super) fn new(container: &'a Container, mounts: Vec<Mount>, life: Life<'a>) -> Self {
        Self { container, mounts, life, end: None }
    }

    pub(super) fn service(&self) -> &str {
        &self.container.member.service
    }

    /// Waits for its end.
    pub(super) async fn watch(&mut self) {
        if self.end.is_none() {
            self.end = Some(self.life.end().await);
        }
    }

    /// Asks it to end, unless it has.
    pub(super) async fn stop(&mut self, patience: Option<Duration>) {
        if self.end.is_none() {
            self.end = Some(self.life.stop(patience).await);
        }
    }

    /// What is wrong with how it ended. To end by itself with status 0 is what jobs do.
    pub(super) fn finding(&self) -> Option<Failure> {
        let ended = self.end.as_ref()?.as_ref().ok()?;
        if ended.exit.stopped { None } else { finding_of_end(ended, "") }
    }

    /// The last lines that it printed.
    pub(super) async fn last_lines(&self, docker: &Docker) -> String {
        docker.last_lines(&self.container.member.id, LAST_LINES).await.unwrap_or_default()
    }
}

/// A configuration as the user's own project has it: a run's project has another name, which would differ from run to
/// run.
pub(super) fn as_users_own(
    config: &mut ContainerConfig,
    mounts: &mut [Mount],
    run_name: &str,
    user_name: &str,
) {
    let rename = |text: &mut String| {
        if let Some(rest) = text.strip_prefix(run_name).filter(|rest| rest.starts_with(['_', '-'])) {
            *text = format!("{user_name}{rest}");
        }
    };
    config.name.as_mut().map(rename);
    config.network.as_mut().map(rename);
    for MountOption { flag: _, value } in &mut config.mounts {
        let begins = |key: &str| value.find(&format!("{key}{run_name}_")).map(|at| at + key.len());
        let at = if value.starts_with(run_name) { Some(0) } else { begins("source=") };
        if let Some(at) = at {
            value.replace_range(at..at + run_name.len(), user_name);
        }
    }
    for mount in mounts {
        mount.source.as_mut().map(rename);
    }
}

#[cfg(test)]
mod tests {
    use reports::model::{MountFlag, MountKind, SubjectPath};

    use super::*;

    #[test]
    fn the_name_of_a_run_is_nowhere_in_a_profile() {
        let option = |flag, value: &str| MountOption { flag, value: value.to_owned() };
        let mut config = ContainerConfig {
            name: Some("writepath-7-0-shop_web_1".to_owned()),
            network: Some("writepath-7-0-shop_default".to_owned()),
            mounts: vec![
                option(MountFlag::Volume, "writepath-7-0-shop_data:/data:rw"),
                option(MountFlag::Mount, "type=volume,target=/x,source=writepath-7-0-shop_x"),
                option(MountFlag::Volume, "/srv:/srv:ro"),
            ],
            ..ContainerConfig::default()
        };
        let mut mounts = [Mount {
            target: SubjectPath::from_bytes(b"/data").unwrap(),
            kind: MountKind::Volume,
            source: Some("writepath-7-0-shop_data".to_owned()),
            read_only: false,
        }];
        as_users_own(&mut config, &mut mounts, "writepath-7-0-shop", "shop");
        assert_eq!(config.name.as_deref(), Some("shop_web_1"));
        assert_eq!(config.network.as_deref(), Some("shop_default"));
        let values: Vec<&str> = config.mounts.iter().map(|mount| mount.value.as_str()).collect();
        assert_eq!(values, ["shop_data:/data:rw", "type=volume,target=/x,source=shop_x", "/srv:/srv:ro"]);
        assert_eq!(mounts[0].source.as_deref(), Some("shop_data"));
    }
}
