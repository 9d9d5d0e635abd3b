//! The command line, as typed. Values are checked here; what they mean is for the commands.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{runtime::docker::Pull, sensor::Hooks, training::ready::Ready, ui::ColorChoice};

/// Finds out by watching where a container writes and which capabilities it needs, and prints the minimal hardening.
#[derive(Debug, Parser)]
#[command(
    name = "writepath",
    version,
    max_term_width = 100,
    propagate_version = true,
    after_help = "\
Example:
  writepath run -o app.json -p 8080:80 --ready tcp:8080 --load 'ab -n 10000 http://127.0.0.1:8080/' my-app:1.2
  writepath recommend app.json

Exit status: 0 done; 1 a finding (a load test that failed, something new in a comparison); 2 wrong usage or unreadable \
input; 3 this host cannot do it; 4 the profile is incomplete."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    /// Say more
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Say nothing but errors and warnings
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// When to use colour; NO_COLOR is respected
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = "Output")]
    pub(crate) color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a container and profile it from its first instruction to its exit
    Run(Box<RunArgs>),
    /// Profile a container that runs already; its start-up is not seen, and the profile says so
    Attach(AttachArgs),
    /// Profile a plain command in a cgroup of its own; needs no container runtime
    Exec(ExecArgs),
    /// Say what this host offers, which sensors would be used, and what is missing
    Doctor(DoctorArgs),
    /// Print the plan that a profile leads to
    Recommend(RecommendArgs),
    /// Print what a new profile writes, uses or needs that an old one did not
    Diff(DiffArgs),
    /// Enters a cgroup and executes a command; for `exec`.
    #[command(hide = true, name = "__enter")]
    Enter(EnterArgs),
}

impl Cli {
    /// How much more to say than usual; `-v` may stand before the command or behind it.
    pub(crate) fn verbosity(&self) -> u8 {
        let own = match &self.command {
            Command::Run(args) => args.verbose,
            Command::Exec(ExecArgs { verbose, .. })
            | Command::Attach(AttachArgs { verbose, .. })
            | Command::Doctor(DoctorArgs { verbose })
            | Command::Recommend(RecommendArgs { verbose, .. })
            | Command::Diff(DiffArgs { verbose, .. }) => verbose.verbose,
            Command::Enter(_) => 0,
        };
        self.verbose.saturating_add(own)
    }
}

/// `-v` behind a command.
#[derive(Debug, Args)]
pub(crate) struct Verbose {
    /// Say more
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    verbose: u8,
}

/// Options of every training run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct TrainingArgs {
    /// Where to write the profile; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "writepath.json")]
    pub(crate) output: PathBuf,
    /// The load test, a command for the host's shell; its exit status counts, and the run ends with it
    #[arg(long, value_name = "CMD")]
    pub(crate) load: Option<String>,
    /// When the subject is ready for the load test: tcp:PORT, http:URL, log:REGEX, healthy, exec:CMD or delay:DURATION
    #[arg(long, value_name = "COND")]
    pub(crate) ready: Option<Ready>,
    /// How long readiness may take
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) ready_timeout: Duration,
    /// How long to watch once the subject is ready, for instance 30s; without it and --load the run ends when the subject exits or on Ctrl-C
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// How long the subject may take to stop before it is killed [default: the runtime's own]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) stop_timeout: Option<Duration>,
    /// Which kind of kernel hooks the sensors use
    #[arg(long, env = "WRITEPATH_SENSOR", value_enum, default_value_t, value_name = "KIND")]
    pub(crate) sensor: Hooks,
    /// Size of the kernel's ring buffer in KiB, a power of two; enlarge it where records are lost
    #[arg(long, value_name = "KIB", default_value_t = 4096, value_parser = parse_ring_size)]
    pub(crate) ring_size: u32,
    /// Entries of the kernel's table of operations; enlarge it where it is full
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1024..=4_194_304))]
    pub(crate) table_size: u32,
}

fn parse_ring_size(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(size) if size.is_power_of_two() && (64..=1 << 20).contains(&size) => Ok(size),
        _ => Err("it is a power of two from 64 to 1048576".to_owned()),
    }
}

/// Options of `run`, spelled as `docker run` spells them.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    #[command(flatten)]
    pub(crate) container: ContainerArgs,
    /// Say more; `-v` is for volumes here, and stands before the command otherwise
    #[arg(long, action = clap::ArgAction::Count, help_heading = "Output")]
    verbose: u8,
    /// The image, and arguments for its entrypoint: whatever follows the image is the container's
    // One positional argument: what follows the first of several may still be taken for an option of ours.
    #[arg(value_names = ["IMAGE", "ARG"], required = true, trailing_var_arg = true, allow_hyphen_values = true, num_args = 1..)]
    pub(crate) image_and_args: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Container (as for docker run)")]
pub(crate) struct ContainerArgs {
    /// Name of the container
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Set an environment variable; NAME alone passes on the one set here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Publish a port
    #[arg(short, long, value_name = "[[IP:]PORT:]PORT[/PROTO]")]
    pub(crate) publish: Vec<String>,
    /// Mount a volume or a host directory
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    pub(crate) volume: Vec<String>,
    /// Mount a volume, host directory or tmpfs
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub(crate) mount: Vec<String>,
    /// Mount a tmpfs
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    pub(crate) tmpfs: Vec<String>,
    /// User (and group) to run as
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Program to run instead of the image's entrypoint
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Network to join
    #[arg(long, value_name = "NETWORK", alias = "net")]
    pub(crate) network: Option<String>,
    /// Add a capability
    #[arg(long, value_name = "CAP")]
    pub(crate) cap_add: Vec<String>,
    /// Drop a capability
    #[arg(long, value_name = "CAP")]
    pub(crate) cap_drop: Vec<String>,
    /// Security options
    #[arg(long, value_name = "OPTION")]
    pub(crate) security_opt: Vec<String>,
    /// Set a kernel parameter
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) sysctl: Vec<String>,
    /// Run an init that forwards signals and reaps processes
    #[arg(long)]
    pub(crate) init: bool,
    /// Host name
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// Add a line to /etc/hosts
    #[arg(long, value_name = "HOST:IP")]
    pub(crate) add_host: Vec<String>,
    /// Give all capabilities and devices; the profile then shows what is used of them
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Platform of the image
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    /// When to pull the image
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) pull: Pull,
}

#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    #[command(flatten)]
    verbose: Verbose,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    /// Name, id or unique prefix of the id of a running container
    #[arg(value_name = "CONTAINER", required_unless_present = "cgroup", conflicts_with = "cgroup")]
    pub(crate) container: Option<String>,
    /// Profile what runs in a cgroup (version 2) instead; a directory, or a path below the hierarchy's root
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    verbose: Verbose,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EnterArgs {
    /// The directory of the cgroup
    pub(crate) cgroup: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    #[command(flatten)]
    verbose: Verbose,
    /// The profile; `-` is standard input
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: PathBuf,
    /// How to print the plan
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: PlanFormat,
    /// Name of the service in a Compose snippet [default: from the image's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people
    Text,
    /// A Compose override file
    Compose,
    /// A `docker run` command line
    Docker,
    /// For programs; the schema is writepath.plan/v1
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    verbose: Verbose,
    /// The profile to compare with
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The profile to look at
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// How to print the differences
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: DiffFormat,
    /// What makes the exit status 1: write, cap, mount, any, none, or several of them
    #[arg(long, value_name = "KINDS", default_value = "any")]
    pub(crate) fail_on: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_the_image_is_its_own() {
        let cli = Cli::try_parse_from([
            "writepath",
            "-v",
            "run",
            "-v",
            "a:/b",
            "-e",
            "A=1",
            "nginx",
            "-v",
            "--load",
            "x",
        ])
        .unwrap();
        assert_eq!(cli.verbosity(), 1);
        let Command::Run(run) = cli.command else { panic!("run") };
        assert_eq!(run.container.volume, ["a:/b"]);
        assert_eq!(run.image_and_args, ["nginx", "-v", "--load", "x"]);
        assert!(run.training.load.is_none());
    }
}
