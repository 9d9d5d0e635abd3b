//! A training run: the subject from its first instruction to its end, under load, with the sensors on.
//!
//! Owns the order of things: sensors before the container, phases, the end by load, duration, exit or Ctrl-C.
//! Whatever happens, what was created is removed.

pub(crate) mod attached;
pub(crate) mod command;
pub(crate) mod container;
mod course;
pub(crate) mod load;
pub(crate) mod ready;

use std::{collections::BTreeSet, time::Duration};

use reports::model::{
    Coverage, Gap, Host, Load, PROFILE_SCHEMA, Phase, PhaseSpan, Profile, Run, Subject, Tool,
};

use crate::{
    cgroup::Cgroup,
    collect::{Collector, Facts, PHASE_BITS},
    failure::{Failure, Kind},
    host,
    sensor::{Programs, SensorOptions},
    ui::{Figures, LiveLine},
};
use ready::Ready;

/// The number of the one subject of a run in the kernel half.
const SLOT: u32 = 0;

/// What the user wants of a run.
#[derive(Debug, Clone)]
pub(crate) struct TrainingOptions {
    /// The load test.
    pub(crate) load: Option<String>,
    /// When the subject is ready.
    pub(crate) ready: Option<Ready>,
    /// How long readiness may take.
    pub(crate) ready_timeout: Duration,
    /// How long to watch once it is ready.
    pub(crate) duration: Option<Duration>,
    /// How long the subject may take to stop.
    pub(crate) stop_timeout: Option<Duration>,
    /// Sizes of the kernel half's tables.
    pub(crate) sensor: SensorOptions,
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Trained {
    /// What was seen.
    pub(crate) profile: Profile,
    /// What went wrong in the run although there is a profile.
    pub(crate) finding: Option<Failure>,
}

/// The sensors at work, and the phases that they mark.
pub(crate) struct Watch {
    programs: Programs,
    collector: Collector,
    start_ns: u64,
    phases: Vec<PhaseSpan>,
}

impl Watch {
    /// Loads the sensors; it takes up to a second, so it has a thread of its own.
    pub(crate) async fn start(options: SensorOptions) -> Result<Self, Failure> {
        let loaded = tokio::task::spawn_blocking(move || Programs::load(&options)).await;
        let (programs, records) = loaded.map_err(|error| Failure::new(Kind::Host, error.to_string()))??;
        let collector = Collector::start(records)
            .map_err(|error| Failure::new(Kind::Host, format!("no thread can be started: {error}")))?;
        Ok(Self { programs, collector, start_ns: host::monotonic_ns(), phases: Vec::new() })
    }

    /// Looks into processes of this container only.
    pub(crate) fn set_container(&self, id: &str) {
        self.collector.set_container(id);
    }

    /// Follows a container from the moment its cgroup appears.
    pub(crate) fn want_container(&mut self, id: &str) -> Result<(), Failure> {
        self.set_container(id);
        Ok(self.programs.want_container(id, SLOT)?)
    }

    /// Follows a cgroup that exists, with those below it: whatever is executed in it from now on.
    pub(crate) fn follow_cgroup(&mut self, cgroup: &Cgroup) -> Result<(), Failure> {
        for cgroup in cgroup.subtree() {
            // One that has gone since has nobody to follow.
            if let Ok(id) = cgroup.id() {
                self.programs.follow_cgroup(id, SLOT)?;
            }
        }
        Ok(())
    }

    /// Follows the processes that run in a cgroup already. How many there are.
    pub(crate) fn adopt(&mut self, cgroup: &Cgroup) -> Result<usize, Failure> {
        let mut adopted = BTreeSet::new();
        // What is forked while we look is seen in the next pass; from then on forks of the adopted are followed.
        loop {
            let running = cgroup.subtree().iter().flat_map(Cgroup::processes).collect::<BTreeSet<_>>();
            let fresh: Vec<_> = running.difference(&adopted).copied().collect();
            if fresh.is_empty() {
                return Ok(adopted.len());
            }
            for pid in fresh {
                let executable = self.collector.adopt(pid);
                self.programs.adopt_process(pid, executable, SLOT)?;
                adopted.insert(pid);
            }
        }
    }

    /// The run begins now, with the first phase.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        self.start_ns = host::monotonic_ns();
        self.enter(Phase::Startup)
    }

    /// Marks what comes from now on as of `phase`.
    pub(crate) fn enter(&mut self, phase: Phase) -> Result<(), Failure> {
        let bit = PHASE_BITS.iter().find(|(known, _)| *known == phase).map_or(0, |(_, bit)| *bit);
        self.programs.set_phase(bit)?;
        let now = self.elapsed_ms();
        if let Some(last) = self.phases.last_mut() {
            last.end_ms = now;
        }
        self.phases.push(PhaseSpan { phase, start_ms: now, end_ms: now });
        Ok(())
    }

    fn elapsed_ms(&self) -> u64 {
        host::monotonic_ns().saturating_sub(self.start_ns) / 1_000_000
    }

    /// Looks at sizes, and shows figures.
    pub(crate) fn look(&self, line: &LiveLine) {
        self.collector.measure_sizes();
        let progress = self.collector.progress();
        let lost =
            self.programs.losses().map(|losses| losses.iter().map(|(_, _, count)| count).sum()).unwrap_or(0);
        line.figures(Figures { writes: progress.writes, capabilities: progress.capabilities, lost });
    }

    /// Ends watching and puts the facts together.
    pub(crate) fn finish(mut self) -> Result<Watched, Failure> {
        let duration_ms = self.elapsed_ms();
        if let Some(last) = self.phases.last_mut() {
            last.end_ms = duration_ms;
        }
        let mounts = self.collector.mounts();
        let collected = self.collector.finish();
        let facts = collected.into_facts(&self.programs, self.start_ns)?;
        let host = Host { sensors: self.programs.hooks().to_vec(), ..host::host() };
        Ok(Watched { facts, host, phases: self.phases, duration_ms, mounts })
    }
}

/// What was watched.
pub(crate) struct Watched {
    pub(crate) facts: Facts,
    pub(crate) host: Host,
    pub(crate) phases: Vec<PhaseSpan>,
    pub(crate) duration_ms: u64,
    pub(crate) mounts: Vec<crate::collect::MountEntry>,
}

/// How the run went, beside what was watched.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// When it began, RFC 3339.
    pub(crate) started: String,
    /// The load test, if there was one.
    pub(crate) load: Option<Load>,
    /// How the subject ended.
    pub(crate) exit: Option<reports::model::Exit>,
    /// What was not seen, besides what the sensors know.
    pub(crate) gaps: Vec<Gap>,
}

/// Puts a profile together.
pub(crate) fn assemble(watched: Watched, course: Course, subject: Subject) -> Profile {
    let Watched { facts, host, phases, duration_ms, mounts: _ } = watched;
    let Facts { writes, capabilities, executions, sizes, mut gaps, subject_seen } = facts;
    let Course { started, load, exit, gaps: more } = course;
    gaps.extend(more);
    if !subject_seen {
        gaps.push(Gap {
            code: "subject-not-seen".to_owned(),
            message: "no program of the subject was seen to be executed: its cgroup did not appear under the name that was looked for".to_owned(),
            count: 1,
        });
    }
    Profile {
        schema: PROFILE_SCHEMA.to_owned(),
        tool: Tool { name: "writepath".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        host,
        subject,
        run: Run { started, duration_ms, phases, load, exit, executions, sizes },
        coverage: Coverage { complete: gaps.is_empty(), gaps },
        writes,
        capabilities,
    }
}

/// Now, RFC 3339 in UTC.
pub(crate) fn timestamp() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}
