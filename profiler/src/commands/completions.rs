//! `writepath completions`: the script by which a shell completes the command line, made from the command line itself.
//!
//! Commands that are hidden from people are hidden from their shells too.

use clap::CommandFactory as _;

use super::Status;
use crate::{
    cli::{Cli, CompletionsArgs},
    failure::Failure,
    output,
};

/// What is completed.
const PROGRAM: &str = "writepath";

/// Runs the command.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Status, Failure> {
    let mut command = shown(&Cli::command());
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, PROGRAM, &mut script);
    output::to_stdout(&script)?;
    Ok(0)
}

/// The command line without its hidden commands, which clap has no word for.
fn shown(command: &clap::Command) -> clap::Command {
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    clap::Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(command.get_arguments())
        .subcommands(commands)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_gets_the_visible_commands_alone() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut shown(&Cli::command()), PROGRAM, &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["recommend", "stop-timeout", "quiet", "completions"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            assert!(!script.contains("__enter"), "{shell}");
        }
    }
}
