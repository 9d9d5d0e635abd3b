//! Everything a person does to this repository: `cargo xtask VERB`, one module per verb.
//!
//! The verbs own the tool chain, the test daemons and the test images. They never touch the programs' own logic,
//! and what a verb starts (a daemon, a container) it also stops. What a host does not offer is said together with
//! the commands that mend it, and ends with status 3.

mod agreement;
mod archives;
mod bench;
mod book;
mod build;
mod catalog;
mod command;
mod consumers;
mod cross;
mod daemon;
mod demo;
mod dist;
mod doc;
mod fmt;
mod fuzz;
mod http_load;
mod images;
mod lint;
mod musl;
mod packages;
mod setup;
mod test;
mod vm;
mod waiting;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, checks, tests and shows writepath.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what building and running need, as far as it is missing
    Setup,
    /// Set up, then build the release binary
    Build,
    /// Format the sources (or only check that they are)
    Fmt {
        /// Change nothing, fail where a file is not formatted
        #[arg(long)]
        check: bool,
    },
    /// Check the format and run clippy on everything, the kernel half included
    Lint,
    /// Build the documentation, warnings denied
    Doc,
    /// Unit tests, then the integration tests on the host's daemon and on a second one
    Test(test::Options),
    /// Integration tests in virtual machines, on the kernels of several Debian releases
    VmTest(vm::Options),
    /// The offsets that are found in the BTF of several Debian releases' kernels, against a C compiler's
    Btf(vm::Kernels),
    /// Build for arm64, and try what can be tried of it on this host
    Cross,
    /// Make what is handed out: a static program, a Debian package and an image; and prove that they work
    Dist,
    /// Try hostile bytes on what reads profiles and plans, and hostile names on the generaliser
    Fuzz(fuzz::Options),
    /// Render the pages of `docs/` as a book, with mdBook
    Book,
    /// Build the test images on the host's daemon
    Images,
    /// Start the second daemon (overlay2, pure cgroup v2) with the test images, and stop it on Ctrl-C or end of input
    SecondDaemon,
    /// Measure what being observed costs: bare, writepath, other tracers; and compare with the targets
    Bench(bench::Options),
    /// Profile real applications, prove their plans, and find out how much of them is necessary
    Catalog(catalog::Options),
    /// Profile a sample service, print its plan, run it under the plan
    Demo,
    /// Send COUNT requests to the sample service at URL and fail when one of them does
    #[command(hide = true)]
    HttpLoad {
        /// Base address, `http://HOST:PORT/`
        url: String,
        /// Number of requests
        count: u32,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Setup => setup::run(),
        Verb::Build => build::run(),
        Verb::Fmt { check } => fmt::run(check),
        Verb::Lint => lint::run(),
        Verb::Doc => doc::run(),
        Verb::Test(options) => test::run(&options),
        Verb::VmTest(options) => vm::run(&options),
        Verb::Btf(kernels) => vm::btf(&kernels),
        Verb::Cross => cross::run(),
        Verb::Dist => dist::run(),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Book => book::run(),
        Verb::Images => images::run(),
        Verb::SecondDaemon => daemon::second::run(),
        Verb::Bench(options) => bench::run(&options),
        Verb::Catalog(options) => catalog::run(&options),
        Verb::Demo => demo::run(),
        Verb::HttpLoad { url, count } => http_load::run(&url, count),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            if error.downcast_ref::<packages::HostLacks>().is_some() {
                ExitCode::from(3)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
