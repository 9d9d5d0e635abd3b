//! Real applications in containers under their usual load generators: nginx and wrk, PostgreSQL and pgbench, Redis and
//! redis-benchmark.
//!
//! One server runs through all rounds, observers come and go: so they are compared on the same server with the same
//! data. Server and load generator have a processor each where there are two. The load never leaves the host: its
//! generator is in the server's network namespace and talks to 127.0.0.1.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::container::Container;
use super::loads;
use super::workload::{Description, Measurement, Observation, Workload};
use crate::command;
use crate::daemon::Daemon;
use crate::packages::{self, Package};
use crate::{images, waiting};

/// How long a server may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// Requests of each of the three tests of redis-benchmark, for each second that they are to take.
const REDIS_REQUESTS: u32 = 10_000;

/// An application and how it is measured.
struct Kind {
    name: &'static str,
    image: &'static str,
    unit: &'static str,
    /// A command for the client's shell that succeeds when the server answers.
    ready: &'static str,
    /// What is done once before the first measurement.
    prepare: &'static str,
    /// The load, from the seconds it is to take.
    load: fn(u32) -> String,
    /// Whether the load generator is the host's, not the image's.
    is_on_host: bool,
    figure: fn(&str) -> Result<f64>,
    /// How many requests that was, from the figure and the seconds.
    answered: fn(f64, u32) -> f64,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "nginx",
        image: images::NGINX,
        unit: "requests/s",
        ready: "ab -q -n 1 http://127.0.0.1:80/",
        prepare: "ab -q -n 2000 -c 4 http://127.0.0.1:80/ > /dev/null",
        load: |seconds| format!("exec wrk -t1 -c8 -d{seconds}s http://127.0.0.1:80/"),
        is_on_host: true,
        figure: loads::wrk,
        answered: |rate, seconds| rate * f64::from(seconds),
    },
    Kind {
        name: "postgres",
        image: images::POSTGRES,
        unit: "transactions/s",
        ready: "pg_isready -q -h 127.0.0.1 -U postgres",
        // What a disk makes of fsync is not what is measured here.
        prepare: "psql -q -h 127.0.0.1 -U postgres -c 'ALTER SYSTEM SET synchronous_commit = off' -c 'SELECT pg_reload_conf()' > /dev/null \
                  && pgbench -q -i -s 2 -h 127.0.0.1 -U postgres app",
        load: |seconds| format!("exec pgbench -n -c 4 -T {seconds} -h 127.0.0.1 -U postgres app"),
        is_on_host: false,
        figure: loads::pgbench,
        answered: |rate, seconds| rate * f64::from(seconds),
    },
    Kind {
        name: "redis",
        image: images::REDIS,
        unit: "requests/s",
        ready: "redis-cli -h 127.0.0.1 ping | grep -q PONG",
        prepare: "redis-benchmark -h 127.0.0.1 -q -t set,get -n 20000 > /dev/null",
        load: |seconds| {
            format!(
                "exec redis-benchmark -h 127.0.0.1 --csv -t set,get,incr -c 16 -n {}",
                REDIS_REQUESTS * seconds
            )
        },
        is_on_host: false,
        figure: loads::redis,
        answered: |_, seconds| f64::from(3 * REDIS_REQUESTS * seconds),
    },
];

/// The names of all applications.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// A server that runs, with a client beside it.
struct Application {
    kind: &'static Kind,
    client: Container,
    server: Container,
    seconds: u32,
    /// The load generator's processors.
    processors: String,
}

/// Starts the application of this name.
pub(super) fn start(
    name: &str,
    daemon: &dyn Daemon,
    seconds: u32,
    server_processors: &str,
    load_processors: &str,
) -> Result<Option<Box<dyn Workload>>> {
    static ALL: [Kind; 3] = KINDS;
    let Some(kind) = ALL.iter().find(|kind| kind.name == name) else { return Ok(None) };
    if kind.is_on_host {
        packages::ensure(&[Package::program("wrk", "wrk")])?;
    }
    images::build_applications(daemon, &images::Release::of_host())?;
    let server = Container::start(daemon, kind.name, kind.image, &[], &[])?;
    let network = format!("container:{}", server.name());
    // Ends with its input, and so with this process.
    let client = ["--network", &network, "--interactive", "--entrypoint", "cat"];
    let client = Container::start(daemon, "client", images::BASE, &client, &[])?;
    let mut application =
        Application { kind, client, server, seconds, processors: load_processors.to_owned() };
    waiting::until(&format!("an answer of {name}"), READY_LIMIT, || {
        application.server.must_run()?;
        Ok(application.in_client(kind.ready).is_ok())
    })?;
    application.in_client(kind.prepare)?;
    application.server.pin(server_processors)?;
    application.load(1)?;
    Ok(Some(Box::new(application)))
}

impl Application {
    fn in_client(&self, script: &str) -> Result<String> {
        command::read(self.client.docker().args(["exec", self.client.name(), "sh", "-ec", script]))
    }

    /// Puts the load on for so many seconds.
    fn load(&mut self, seconds: u32) -> Result<f64> {
        let script = (self.kind.load)(seconds);
        let pinned = script.replacen("exec ", &format!("exec taskset -c {} ", self.processors), 1);
        let output = if self.kind.is_on_host {
            let pid = self.server.pid()?;
            command::read(Command::new("nsenter").args(["-n", "-t", &pid, "sh", "-ec", &pinned]))?
        } else {
            self.in_client(&pinned)?
        };
        (self.kind.figure)(&output)
    }
}

impl Workload for Application {
    fn description(&self) -> Description {
        Description { name: self.kind.name, unit: self.kind.unit, is_rate: true }
    }

    fn measure(&mut self, observation: &Observation<'_>) -> Result<Measurement> {
        let subject = self.server.subject()?;
        let attached = observation.attach(&subject)?;
        let before = subject.processor_us()?;
        let figure = self.load(self.seconds);
        let used = subject.processor_us()? - before;
        let footprint = attached.end()?;
        let figure = figure.with_context(|| format!("the load on {}", self.kind.name))?;
        let processor_us = used / (self.kind.answered)(figure, self.seconds);
        Ok(Measurement { figure, processor_us: Some(processor_us), footprint })
    }
}
