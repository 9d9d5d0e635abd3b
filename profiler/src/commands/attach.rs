//! `writepath attach`: a container, or any cgroup, that runs already.

use super::{Status, conclude, run, training_options};
use crate::{
    cgroup::Cgroup,
    cli::AttachArgs,
    failure::{Failure, Kind},
    output,
    runtime::{Docker, docker::Pull},
    training::{attached::CgroupTraining, container::Training},
    ui::Ui,
};

/// Runs the command.
pub(crate) async fn run(args: AttachArgs, ui: Ui) -> Result<Status, Failure> {
    output::check_writable(&args.training.output)?;
    run::require_host()?;
    let options = training_options(&args.training);
    let trained = match (&args.cgroup, &args.container) {
        (Some(path), _) => {
            let cgroup = Cgroup::at(path)?;
            CgroupTraining { cgroup, options, ui, interrupts: run::listen()? }.run().await?
        }
        (None, Some(container)) => {
            let docker = Docker::connect().await?;
            let running = docker.running(container).await?;
            let config = running.config.clone();
            let interrupts = run::listen()?;
            let training = Training {
                docker: &docker,
                config,
                pull: Pull::Never,
                options,
                sensors: None,
                ui,
                interrupts,
            };
            training.attach(running).await?
        }
        (None, None) => return Err(Failure::new(Kind::Usage, "name a container, or a cgroup with --cgroup")),
    };
    conclude(trained, &args.training.output, ui)
}
