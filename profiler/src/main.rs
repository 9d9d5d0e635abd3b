//! `writepath`: finds out by watching where a container writes and which capabilities it needs.
//!
//! This file only parses the command line, hands over to a command, and turns what comes of it into an exit status.

mod cgroup;
mod cli;
mod collect;
mod commands;
mod compose;
mod failure;
mod host;
mod interrupt;
mod output;
mod runtime;
mod sensor;
mod training;
mod ui;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::{Failure, Kind};
use ui::Ui;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new(cli.global.quiet, cli.verbosity(), cli.global.color);
    match dispatch(cli.command, ui) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            ui.fail(&failure);
            ExitCode::from(failure.kind.status())
        }
    }
}

fn dispatch(command: Command, ui: Ui) -> Result<commands::Status, Failure> {
    match command {
        Command::Run(args) => runtime()?.block_on(commands::run::run(*args, ui)),
        Command::Attach(args) => runtime()?.block_on(commands::attach::run(args, ui)),
        Command::Compose(args) => runtime()?.block_on(commands::compose::run(*args, ui)),
        Command::Exec(args) => runtime()?.block_on(commands::exec::run(args, ui)),
        Command::Doctor(_) => runtime()?.block_on(commands::doctor::run()),
        Command::Recommend(args) => commands::recommend::run(&args, ui),
        Command::Verify(args) => runtime()?.block_on(commands::verify::run(*args, ui)),
        Command::Diff(args) => commands::diff::run(&args, ui),
        Command::Merge(args) => commands::merge::run(&args, ui),
        Command::Report(args) => commands::report::run(&args, ui),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args, ui),
        Command::Enter(args) => Err(commands::exec::enter(&args)),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Kind::Host, format!("no threads can be started: {error}")))
}
