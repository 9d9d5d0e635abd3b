//! `writepath exec`: a plain command in a cgroup of its own, without a container runtime.

use std::os::unix::process::CommandExt;

use super::{Status, conclude, run, training_options};
use crate::{
    cli::{EnterArgs, ExecArgs},
    failure::{Failure, Kind},
    output,
    training::command::CommandTraining,
    ui::Ui,
};

/// Runs the command.
pub(crate) async fn run(args: ExecArgs, ui: Ui) -> Result<Status, Failure> {
    output::check_writable(&args.training.output)?;
    run::require_host()?;
    let interrupts = run::listen()?;
    let options = training_options(&args.training);
    let (trained, status) = CommandTraining { command: args.command, options, ui, interrupts }.run().await?;
    // The command's own status is what a caller of `exec` wants to know.
    match conclude(trained, &args.training.output, ui) {
        Err(failure) if failure.kind == Kind::Finding && status != 0 => {
            ui.fail(&failure);
            Ok(status)
        }
        Ok(_) if status != 0 => Ok(status),
        concluded => concluded,
    }
}

/// Enters a cgroup, and becomes the command: the child side of `exec`.
pub(crate) fn enter(args: &EnterArgs) -> Failure {
    let procs = args.cgroup.join("cgroup.procs");
    if let Err(error) = std::fs::write(&procs, std::process::id().to_string()) {
        return Failure::new(Kind::Host, format!("{}: {error}", procs.display()));
    }
    let Some((program, arguments)) = args.command.split_first() else {
        return Failure::new(Kind::Usage, "no command was given");
    };
    let error = std::process::Command::new(program).args(arguments).exec();
    Failure::new(Kind::Usage, format!("{}: {error}", program.display()))
}
