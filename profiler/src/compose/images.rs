//! The images of a project's services: all are to be there before anything is made.

use std::collections::BTreeSet;

use reports::project::Definition;

use super::Tool;
use crate::{
    failure::{Failure, Kind},
    runtime::{Docker, RuntimeError, docker::Pull},
    ui::Ui,
};

/// Finds, or pulls, the images of these services.
///
/// # Errors
/// Where one cannot be had; the message names the service.
pub(super) async fn ensure(
    docker: &Docker,
    tool: &Tool,
    definition: &Definition,
    services: &BTreeSet<String>,
    project: &str,
    ui: Ui,
) -> Result<(), Failure> {
    for name in services {
        let Some(service) = definition.services.get(name) else { continue };
        let (image, pull) = match &service.image {
            Some(image) if service.builds => (image.clone(), Pull::Never),
            Some(image) => (image.clone(), Pull::Missing),
            None => (tool.built_image(project, name), Pull::Never),
        };
        let found = docker.image(&image, pull, None, |status| ui.detail(status)).await;
        match found {
            Ok(_) => {}
            Err(RuntimeError::NoImage { .. }) if service.builds => {
                return Err(Failure::new(
                    Kind::Usage,
                    format!("service `{name}`: its image `{image}` is not on this host"),
                )
                .hint(tool.build_hint(name)));
            }
            Err(error @ RuntimeError::NoImage { .. }) => {
                let failure = Failure::from(error);
                return Err(Failure { message: format!("service `{name}`: {}", failure.message), ..failure });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
