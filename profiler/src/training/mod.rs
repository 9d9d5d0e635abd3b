//! A training run: the subject from its first instruction to its end, under load, with the sensors on.
//!
//! Owns the order of things: sensors before the container, phases, the end by load, duration, exit or Ctrl-C.
//! Whatever happens, what was created is removed.

pub(crate) mod attached;
pub(crate) mod command;
pub(crate) mod container;
pub(crate) mod course;
pub(crate) mod load;
pub(crate) mod ready;
pub(crate) mod removal;

use std::{collections::BTreeSet, time::Duration};

use reports::model::{
    Coverage, Gap, Host, Load, PROFILE_SCHEMA, Phase, PhaseSpan, Profile, Run, Subject, Tool,
};

use crate::{
    cgroup::Cgroup,
    collect::{Collector, Facts, PHASE_BITS},
    failure::{Failure, Kind},
    host,
    sensor::{Programs, Records, SensorError, SensorOptions},
    ui::{Figures, LiveLine},
};
use ready::Ready;

/// The number of the one subject of a run in the kernel half. The subjects of a project are numbered from here.
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
    /// How long the load test may take.
    pub(crate) load_timeout: Option<Duration>,
    /// How long to watch once it is ready.
    pub(crate) duration: Option<Duration>,
    /// How long the subject may take to stop.
    pub(crate) stop_timeout: Option<Duration>,
    /// Whether a subject that has failed is killed, and not given its time to stop.
    pub(crate) hasty: bool,
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
    /// The last lines that the subject printed, where something went wrong and it is a container.
    pub(crate) last_lines: String,
}

/// The sensors at work, and the phases that they mark.
pub(crate) struct Watch {
    programs: Programs,
    collector: Collector,
    start_ns: u64,
    phases: Vec<PhaseSpan>,
}

/// Sensors that are being loaded, while something else is done.
pub(crate) struct Loading(tokio::task::JoinHandle<Result<(Programs, Records), SensorError>>);

impl Loading {
    /// Begins to load. It takes up to a second, so it has a thread of its own.
    pub(crate) fn begin(options: SensorOptions) -> Self {
        Self(tokio::task::spawn_blocking(move || Programs::load(&options)))
    }
}

impl Watch {
    /// Waits for the sensors.
    pub(crate) async fn start(sensors: Loading) -> Result<Self, Failure> {
        let loaded = sensors.0.await;
        let (programs, records) = loaded.map_err(|error| Failure::new(Kind::Host, error.to_string()))??;
        let collector = Collector::start(records)
            .map_err(|error| Failure::new(Kind::Host, format!("no thread can be started: {error}")))?;
        Ok(Self { programs, collector, start_ns: host::monotonic_ns(), phases: Vec::new() })
    }

    /// Follows a container from the moment its cgroup appears.
    pub(crate) fn want_container(&mut self, id: &str) -> Result<(), Failure> {
        self.want_container_as(SLOT, id)
    }

    /// The same as the subject of this number.
    pub(crate) fn want_container_as(&mut self, slot: u32, id: &str) -> Result<(), Failure> {
        // Only processes of this container are looked into.
        self.collector.set_container(slot, id);
        Ok(self.programs.want_container(id, slot)?)
    }

    /// Follows a cgroup that exists, with those below it: whatever is executed in it from now on.
    pub(crate) fn follow_cgroup(&mut self, cgroup: &Cgroup) -> Result<(), Failure> {
        self.follow_cgroup_as(SLOT, cgroup)
    }

    /// The same as the subject of this number.
    pub(crate) fn follow_cgroup_as(&mut self, slot: u32, cgroup: &Cgroup) -> Result<(), Failure> {
        for cgroup in cgroup.subtree() {
            // One that has gone since has nobody to follow.
            if let Ok(id) = cgroup.id() {
                self.programs.follow_cgroup(id, slot)?;
            }
        }
        Ok(())
    }

    /// Follows the processes that run in a cgroup already. How many there are.
    pub(crate) fn adopt(&mut self, cgroup: &Cgroup) -> Result<usize, Failure> {
        self.adopt_as(SLOT, cgroup)
    }

    /// The same as the subject of this number.
    pub(crate) fn adopt_as(&mut self, slot: u32, cgroup: &Cgroup) -> Result<usize, Failure> {
        let mut adopted = BTreeSet::new();
        // What is forked while we look is seen in the next pass; from then on forks of the adopted are followed.
        loop {
            let running = cgroup.subtree().iter().flat_map(Cgroup::processes).collect::<BTreeSet<_>>();
            let fresh: Vec<_> = running.difference(&adopted).copied().collect();
            if fresh.is_empty() {
                for gone in adopted.difference(&running) {
                    self.programs.forget_process(*gone)?;
                }
                return Ok(running.len());
            }
            for pid in fresh {
                let executable = self.collector.adopt(slot, pid);
                self.programs.adopt_process(pid, executable, slot)?;
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
        self.look_at(line, false);
    }

    /// The same for the last time in a phase: all that has been seen so far is taken in, and every size measured.
    pub(crate) fn look_well(&self, line: &LiveLine) {
        self.collector.settle();
        self.look_at(line, true);
    }

    fn look_at(&self, line: &LiveLine, last: bool) {
        if let Some(span) = self.phases.last() {
            self.collector.look(span.phase, last);
        }
        let Some(progress) = self.collector.progress() else { return };
        let lost =
            self.programs.losses().map(|losses| losses.iter().map(|(_, _, count)| count).sum()).unwrap_or(0);
        line.figures(Figures { writes: progress.writes, capabilities: progress.capabilities, lost });
    }

    /// Ends watching and puts the facts together.
    pub(crate) fn finish(self) -> Result<Watched, Failure> {
        let missing = || Failure::new(Kind::Host, "nothing was watched");
        self.finish_all(SLOT + 1)?.into_iter().next().ok_or_else(missing)
    }

    /// Ends watching so many subjects and puts the facts of each together, by its number.
    pub(crate) fn finish_all(mut self, subjects: u32) -> Result<Vec<Watched>, Failure> {
        let duration_ms = self.elapsed_ms();
        if let Some(last) = self.phases.last_mut() {
            last.end_ms = duration_ms;
        }
        let mounts: Vec<_> = (0..subjects).map(|slot| self.collector.mounts(slot)).collect();
        let host = Host { sensors: self.programs.hooks().to_vec(), ..host::host() };
        let collected = self.collector.finish();
        (0..subjects)
            .zip(collected)
            .zip(mounts)
            .map(|((slot, collected), mounts)| {
                let facts = collected.into_facts(slot, &self.programs, self.start_ns)?;
                Ok(Watched { facts, host: host.clone(), phases: self.phases.clone(), duration_ms, mounts })
            })
            .collect()
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
    let Facts { writes, capabilities, executions, sizes, users, ports, mut gaps, subject_seen } = facts;
    let Course { started, load, exit, gaps: more } = course;
    gaps.extend(more);
    if !subject_seen {
        gaps.push(Gap {
            code: "subject-not-seen".to_owned(),
            message: "no program of the subject was seen to be executed: its cgroup did not appear under the name that was looked for, or nothing ran in it".to_owned(),
            count: 1,
        });
    }
    Profile {
        schema: PROFILE_SCHEMA.to_owned(),
        tool: Tool { name: "writepath".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        host,
        subject,
        run: Run { started, duration_ms, phases, load, exit, executions, sizes, users, ports, merged: None },
        coverage: Coverage { complete: gaps.is_empty(), gaps },
        writes,
        capabilities,
    }
}

/// The user asked to end before there was anything to see.
pub(crate) fn interrupted_early() -> Failure {
    Failure::new(Kind::Finding, "interrupted before the subject was started: there is no profile")
}

/// Now, RFC 3339 in UTC.
pub(crate) fn timestamp() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}
