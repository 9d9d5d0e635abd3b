//! The command line, as typed. Values are checked here; what they mean is for the commands.

#[cfg(test)]
mod page;

use std::{path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _},
};
use clap_complete::Shell;
use reports::{
    format::{FORMATS, Format},
    model::SubjectPath,
    plan::{IgnoreGlob, TmpfsOverride, parse_size, parse_target},
};

use crate::{runtime::docker::Pull, sensor::Hooks, training::ready::Ready, ui::ColorChoice};

/// Finds out by watching where a container writes and which capabilities it needs, and prints the minimal hardening.
#[derive(Debug, Parser)]
#[command(
    name = "writepath",
    version,
    max_term_width = 100,
    propagate_version = true,
    after_help = "\
Examples:
  writepath run -o app.json -p 8080:80 --ready tcp:8080 --load ./smoke-test.sh my-app:1.2
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
    /// Profile every service of a Compose project, and write an override file that hardens them
    Compose(Box<ComposeArgs>),
    /// Say what this host offers, which sensors would be used, and what is missing
    Doctor(DoctorArgs),
    /// Print the plan that a profile leads to
    Recommend(RecommendArgs),
    /// Run the subject again under its plan and tell whether it still works
    Verify(Box<VerifyArgs>),
    /// Print what a new release writes, uses or needs that an old one did not
    Diff(DiffArgs),
    /// Join profiles of one subject: what any of the runs showed
    Merge(MergeArgs),
    /// Write one self-contained HTML page about one or several profiles
    Report(ReportArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Write the manual pages, one for each command
    Man(ManArgs),
    /// Enters a cgroup and executes a command; for `exec`.
    #[command(hide = true, name = "__enter")]
    Enter(EnterArgs),
}

impl Cli {
    /// How much more to say than usual; `-v` may stand before the command or behind it.
    pub(crate) fn verbosity(&self) -> u8 {
        let own = match &self.command {
            Command::Run(args) => args.verbose,
            Command::Verify(args) => args.verbose.verbose,
            Command::Compose(args) => args.verbose.verbose,
            Command::Exec(ExecArgs { verbose, .. })
            | Command::Attach(AttachArgs { verbose, .. })
            | Command::Doctor(DoctorArgs { verbose })
            | Command::Recommend(RecommendArgs { verbose, .. })
            | Command::Diff(DiffArgs { verbose, .. })
            | Command::Report(ReportArgs { verbose, .. })
            | Command::Merge(MergeArgs { verbose, .. })
            | Command::Completions(CompletionsArgs { verbose, .. })
            | Command::Man(ManArgs { verbose, .. }) => verbose.verbose,
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
    #[command(flatten)]
    pub(crate) course: CourseArgs,
}

/// Options of the course of a run, in training and in verification.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct CourseArgs {
    /// The load test, a command for the host's shell; its exit status counts, and the run ends with it
    #[arg(long, value_name = "CMD")]
    pub(crate) load: Option<String>,
    /// When the subject is ready for the load test: tcp:PORT, http:URL, log:REGEX, healthy, exec:CMD or delay:DURATION
    #[arg(long, value_name = "COND")]
    pub(crate) ready: Option<Ready>,
    /// How long readiness may take
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) ready_timeout: Duration,
    /// How long the load test may take; then it is ended with all its children, which is a finding [default: as long as it likes; for verify, well above what it took in training]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) load_timeout: Option<Duration>,
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
#[command(after_help = "\
Examples:
  writepath run -o app.json -p 8080:80 --ready tcp:8080 --load ./smoke-test.sh my-app:1.2
  writepath run -o db.json -e PASSWORD -v data:/var/lib/db --ready healthy --load ./load.sh my-db:3
  writepath run -o app.json --duration 60s my-app:1.2 serve --verbose
  writepath run -o - my-job:1 | writepath recommend -

Exit status: 0 done; 1 the load test failed, or the subject was not ready in time, ended too early or with another \
status than 0; 2 wrong usage; 3 this host cannot do it, or the container cannot be started; 4 the profile is incomplete.")]
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
#[command(after_help = "\
Examples:
  writepath attach --duration 10m my-container
  writepath attach -o app.json --load ./smoke-test.sh my-container
  writepath attach --duration 60s --cgroup /system.slice/nginx.service

Exit status: 0 done; 1 the load test failed, or the subject ended too early; 2 wrong usage; 3 this host cannot do it, or \
no such container runs; 4 the profile is incomplete.")]
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
#[command(after_help = "\
Examples:
  writepath exec -o build.json -- make
  writepath exec -o server.json --ready tcp:8080 --load ./smoke-test.sh -- ./server --port 8080

Exit status: that of the command where it is not 0; otherwise 0 done; 1 the load test failed; 2 wrong usage; 3 this host \
cannot do it; 4 the profile is incomplete.")]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    verbose: Verbose,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

/// Options of `compose`.
#[derive(Debug, Args)]
#[command(
    long_about = "\
Profile every service of a Compose project. The host's Compose tool resolves it and makes all containers without starting \
them; each is followed from its first instruction, they are started in the order of depends_on, --load runs against the \
whole project, and it is stopped and removed. One profile is written for each service, and compose.hardened.yaml, an \
override file for all of them that says only what the project's own files do not.

The run's project has a name of its own, so that its volumes are fresh ones and those of the project stay as they are.",
    after_help = "\
Examples:
  writepath compose -f compose.yaml -o profiles --ready tcp:8080 --load ./smoke-test.sh
  writepath verify profiles --ready tcp:8080 --load ./smoke-test.sh
  docker compose -f compose.yaml -f profiles/compose.hardened.yaml up

Exit status: 0 done; 1 a service or the load test failed; 2 wrong usage, or the project is invalid or up already; 3 this \
host cannot do it; 4 a profile is incomplete."
)]
pub(crate) struct ComposeArgs {
    #[command(flatten)]
    pub(crate) verbose: Verbose,
    /// A Compose file; give several to lay them over one another [default: as Compose finds them]
    #[arg(short, long, value_name = "FILE", help_heading = "Project (as for docker compose)")]
    pub(crate) file: Vec<PathBuf>,
    /// The directory that paths in the files are relative to [default: that of the first file]
    #[arg(long, value_name = "DIR", help_heading = "Project (as for docker compose)")]
    pub(crate) project_directory: Option<PathBuf>,
    /// Name of the project [default: as Compose finds it]
    #[arg(short, long, value_name = "NAME", help_heading = "Project (as for docker compose)")]
    pub(crate) project_name: Option<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE", help_heading = "Project (as for docker compose)")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Choose a profile of the project
    #[arg(long, value_name = "NAME", help_heading = "Project (as for docker compose)")]
    pub(crate) profile: Vec<String>,
    /// Profile this service only; the others run all the same
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Vec<String>,
    /// Profile the project as it is up; start-up and shutdown are not seen, and the profiles say so
    #[arg(long)]
    pub(crate) attach: bool,
    /// The directory to write the profiles and compose.hardened.yaml to
    #[arg(short, long, value_name = "DIR", default_value = "writepath")]
    pub(crate) output: PathBuf,
    /// Write over files that exist
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) course: CourseArgs,
    /// Run only these services and what they depend on
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EnterArgs {
    /// The directory of the cgroup
    pub(crate) cgroup: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo writepath doctor

Exit status: 0 this host can profile; 2 wrong usage; 3 something is missing, and the report says what mends it.")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  writepath recommend app.json
  writepath recommend --format compose app.json > compose.override.yaml
  writepath recommend --format kubernetes --service shop app.json > patch.yaml
  writepath recommend --explain /run app.json
  writepath recommend --tmpfs /tmp:size=256m --ignore '/var/log/**' app.json

Exit status: 0 done; 2 wrong usage, or the profile cannot be read; 4 the profile is incomplete, and its plan may lack \
something.")]
pub(crate) struct RecommendArgs {
    #[command(flatten)]
    verbose: Verbose,
    /// The profile; `-` is standard input
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: PathBuf,
    /// How to print the plan
    #[arg(short, long, default_value_t, value_parser = plan_format(), value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Name of the service in a Compose file, or of the Kubernetes Deployment and its container [default: from the image's
    /// name]
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Explain one thing instead of printing the plan, from the plan back to system calls, or why it is not in the plan: a
    /// path, a capability, no-new-privileges, or an alternative's name
    #[arg(long, value_name = "TARGET|CAP", conflicts_with_all = ["format", "service"])]
    pub(crate) explain: Option<String>,
    /// Print the plan under one of its alternatives, for instance non-root
    #[arg(long, value_name = "NAME")]
    pub(crate) alternative: Option<String>,
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
}

/// What the user says about a plan; `writepath.toml` holds the same words.
#[derive(Debug, Args)]
#[command(next_help_heading = "Your word before the evidence's (also in writepath.toml)")]
pub(crate) struct OverrideArgs {
    /// Make PATH a tmpfs; options as for docker run: size=SIZE, mode=OCTAL, uid=N, gid=N, exec, suid, dev
    #[arg(long, value_name = "PATH[:OPTIONS]")]
    pub(crate) tmpfs: Vec<TmpfsOverride>,
    /// Make PATH a named volume
    #[arg(long, value_name = "PATH", value_parser = parse_target)]
    pub(crate) volume: Vec<SubjectPath>,
    /// Leave operations on matching paths, and below them, out of the plan; `*` stays within a directory, `**` does not
    #[arg(long, value_name = "GLOB")]
    pub(crate) ignore: Vec<IgnoreGlob>,
    /// No tmpfs larger than SIZE, for instance 512m; what needs more becomes a volume
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_tmpfs: Option<u64>,
    /// File to read such options from [default: writepath.toml in the current directory, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The formats of a plan: their names and what each is, as the table of `reports` has them.
fn plan_format() -> impl clap::builder::TypedValueParser<Value = Format> {
    PossibleValuesParser::new(FORMATS.iter().map(|info| PossibleValue::new(info.name).help(info.about)))
        .try_map(|name| name.parse::<Format>())
}

/// Options of `verify`.
#[derive(Debug, Args)]
#[command(
    long_about = "\
Run the subject again under its plan, with the sensors attached and the same load, and tell whether it behaves as in \
training: same readiness and exit status, the load test passes, and nothing fails that succeeded in training. Each \
new failure is shown with the change of the plan that mends it.

The container has a name of its own, volumes of the plan are fresh ones that are filled from the image and removed \
afterwards, and what the user mounted is mounted as in training. Commands that a profile records are never run: give \
--load and --ready again.",
    after_help = "\
Examples:
  writepath verify app.json --ready tcp:8080 --load 'ab -n 1000 http://127.0.0.1:8080/'
  writepath verify app.json --load ./smoke-test.sh --fix -o app.plan.json
  writepath verify app.json --load ./smoke-test.sh --minimize -o app.plan.json
  writepath verify app.json --load ./smoke-test.sh --plan app.plan.json --format junit > verify.xml

Exit status: 0 the plan holds; 1 it does not, or results differ between runs; 2 wrong usage, or the image has changed; \
3 this host cannot do it; 4 not everything was seen, so that it cannot be told."
)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) verbose: Verbose,
    /// The profile of the training run; `-` is standard input; a directory that `compose` wrote is verified as a project
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: PathBuf,
    /// The plan to verify [default: the one that the profile leads to]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tmpfs", "volume", "ignore", "max_tmpfs", "config"])]
    pub(crate) plan: Option<PathBuf>,
    /// Verify the plan's alternative of this kind, for instance non-root
    #[arg(long, value_name = "KIND")]
    pub(crate) alternative: Option<String>,
    /// Change the plan as failures ask for and run again, until it holds
    #[arg(long)]
    pub(crate) fix: bool,
    /// Take away one part of the plan at a time, root included where the plan has an alternative, and leave out what the
    /// subject lives without
    #[arg(long)]
    pub(crate) minimize: bool,
    /// With --minimize: do not try the plan's alternative without root
    #[arg(long, requires = "minimize")]
    pub(crate) keep_user: bool,
    /// The most runs of --fix
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) max_runs: u32,
    /// Runs under each plan; where they differ the result is flaky, and not decided
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repeat: u32,
    /// Also try a plan with everything taken away, and warn where even that passes
    #[arg(long)]
    pub(crate) check_load: bool,
    /// Go on although the image is not the one of the training run
    #[arg(long)]
    pub(crate) allow_changed_image: bool,
    /// Where to write the plan as it is in the end; `-` is standard output [default: writepath.plan.json, with --fix and --minimize]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How to print the result
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: VerifyFormat,
    #[command(flatten)]
    pub(crate) course: CourseArgs,
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum VerifyFormat {
    /// For people
    Text,
    /// For programs; the schema is writepath.verification/v1
    Json,
    /// JUnit XML, for continuous integration
    Junit,
}

/// Options of `diff`.
#[derive(Debug, Args)]
#[command(
    long_about = "\
Print what a new release writes, uses or needs that an old one did not: first what the plan for OLD lacks, then every \
difference with who did it. OLD and NEW are profiles or plans, or two directories with one of them for each service, as \
compose writes them.

Names that differ from run to run are no difference. They are recognised by what the two profiles show together, and \
shown as {pid}, {n}, {uuid}, {time}, {hex} or {rand}.",
    after_help = "\
Examples:
  writepath diff baseline.json new.json
  writepath diff baseline.json new.json --baseline accepted.toml --format markdown > comment.md
  writepath diff baseline.json new.json --baseline accepted.toml --accept
  writepath diff deployed.plan.json new.json --fail-on mount,cap

Exit status: 0 nothing new, or all of it accepted; 1 something new that is not accepted; 2 wrong usage, or a file cannot \
be read; 4 nothing new was found, but NEW is incomplete."
)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    verbose: Verbose,
    /// The profile or plan to compare with; `-` is standard input
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The profile or plan to look at; `-` is standard input
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// How to print the differences
    #[arg(short, long, default_value_t, value_parser = diff_format(), value_name = "FORMAT")]
    pub(crate) format: reports::diff::DiffFormat,
    /// What makes the exit status 1: write, mount, cap, exec, privileges, port, denied, size, service, any, none, or several
    /// of them
    #[arg(long, value_name = "KINDS", default_value = "any")]
    pub(crate) fail_on: String,
    /// File with accepted differences (TOML), which are no finding
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Add what is new to the baseline; what is there already stays as it is
    #[arg(long, requires = "baseline")]
    pub(crate) accept: bool,
    /// Tell sizes that differ by more than this factor
    #[arg(long, value_name = "FACTOR", default_value_t = reports::diff::SIZE_FACTOR, value_parser = parse_factor)]
    pub(crate) size_factor: f64,
}

/// Options of `report`.
#[derive(Debug, Args)]
#[command(
    long_about = "\
Write one HTML page about one or several profiles: the verdict, the plan in every format, the written paths, a timeline, \
the capabilities and the evidence. The page is a single file that needs no network, follows the browser's light or dark \
theme, and can be printed.

Several profiles stand side by side. Of exactly two of one subject the page also says what changed from the first to the \
second. The plans are those that `recommend` prints, with the same overrides.",
    after_help = "\
Examples:
  writepath report app.json -o app.html
  writepath report old.json new.json -o changes.html    # two of one subject: what changed
  writepath report profiles -o project.html             # a directory that `compose` wrote
  writepath report app.json -o - > app.html

Exit status: 0 done; 2 wrong usage, unreadable input, or the file exists and there is no --force; 4 a profile is \
incomplete: the page is written and says so."
)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    verbose: Verbose,
    /// The profiles; `-` is standard input; a directory that `compose` wrote stands for the profiles of its services
    #[arg(value_name = "PROFILE", required = true)]
    pub(crate) profiles: Vec<PathBuf>,
    /// Where to write the page; `-` is standard output
    #[arg(short, long, value_name = "FILE.html")]
    pub(crate) output: PathBuf,
    /// Write over a file that exists
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
}

/// The formats of a comparison, as the table of `reports` has them.
fn diff_format() -> impl clap::builder::TypedValueParser<Value = reports::diff::DiffFormat> {
    let formats = reports::diff::DIFF_FORMATS.iter();
    PossibleValuesParser::new(formats.map(|info| PossibleValue::new(info.name).help(info.about)))
        .try_map(|name| name.parse::<reports::diff::DiffFormat>())
}

fn parse_factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor >= 1.0 => Ok(factor),
        _ => Err("it is a number from 1 on".to_owned()),
    }
}

/// Options of `merge`.
#[derive(Debug, Args)]
#[command(
    long_about = "\
Join profiles of one subject, from any number of runs and hosts, to one that `recommend`, `verify` and `diff` take. What any \
run did, the union did; what one run did not see, the union did not see. Counts and peaks are the largest of any one run, and \
every run is kept with its host, load and coverage. Neither the order nor the grouping makes a difference, and a profile that \
is given twice counts once. Profiles are read one at a time, so that memory does not depend on their number.",
    after_help = "\
Examples:
  writepath merge monday.json tuesday.json -o app.json
  writepath merge profiles/ -o app.json
  find /srv/profiles -name 'app-*.json' | writepath merge --files-from - -o app.json

Exit status: 0 done; 2 wrong usage, an unreadable profile, or profiles of different subjects; 4 the union is incomplete, \
because a profile is: it is written and marked so."
)]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    verbose: Verbose,
    /// Profiles, or directories with profiles (*.json); `-` is standard input, which may hold several, one after the other
    #[arg(value_name = "PROFILE", required_unless_present = "files_from")]
    pub(crate) profiles: Vec<PathBuf>,
    /// Read more paths from a file, one in a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from: Vec<PathBuf>,
    /// Where to write the union; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Join profiles of different subjects, too; name and configuration are the first run's
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  writepath completions bash > /etc/bash_completion.d/writepath
  writepath completions zsh > /usr/local/share/zsh/site-functions/_writepath
  writepath completions fish > ~/.config/fish/completions/writepath.fish

Exit status: 0 done; 2 wrong usage.")]
pub(crate) struct CompletionsArgs {
    #[command(flatten)]
    verbose: Verbose,
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  writepath man -o /usr/local/share/man/man1

Exit status: 0 done; 2 wrong usage, or the directory cannot be written to.")]
pub(crate) struct ManArgs {
    #[command(flatten)]
    verbose: Verbose,
    /// The directory to write them to; it is made where it does not exist
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
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
        assert!(run.training.course.load.is_none());
    }

    /// The commands that people see.
    fn visible() -> Vec<clap::Command> {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        command.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect()
    }

    /// The `writepath` commands among the examples of a help text, as a shell takes them; what is redirected or piped on is
    /// not ours.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
        lines
            .flat_map(|line| line.split(" | "))
            .map(|line| shlex::split(line.split(" > ").next().unwrap()).expect(line))
            .map(|words| words.into_iter().skip_while(|word| word == "sudo").collect::<Vec<_>>())
            .filter(|words| words[0] == "writepath")
            .collect()
    }

    #[test]
    fn every_command_shows_examples_that_it_takes_and_its_exit_statuses() {
        for command in visible().iter().chain([&Cli::command()]) {
            let name = command.get_name();
            let help = command.get_after_help().unwrap_or_else(|| panic!("{name}: no examples")).to_string();
            assert!(help.starts_with("Examples:\n"), "{name}: {help}");
            assert!(help.contains("\n\nExit status: "), "{name}: {help}");
            let examples = examples(&help);
            let own = |words: &&Vec<String>| name == "writepath" || words[1] == name;
            assert!(examples.iter().any(|words| own(&words)), "{name}: no example of its own");
            for words in examples {
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{name}: {words:?}: {error}");
                }
            }
        }
    }

    /// Beyond that width clap would break them.
    #[test]
    fn examples_fit_the_widest_help() {
        for command in visible() {
            let help = command.get_after_help().unwrap().to_string();
            for line in help.lines().filter(|line| line.starts_with("  ")) {
                assert!(line.len() <= 100, "{}: {line}", command.get_name());
            }
        }
    }
}
