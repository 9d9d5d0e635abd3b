//! One run of the subject under a plan: a training run with the plan's configuration and fresh volumes.

use std::time::{Duration, Instant};

use reports::{
    format::{FreshVolume, apply},
    model::{Gap, Phase, Profile},
    plan::Plan,
    verify::{Comparison, Finding, FindingKind, compare},
};

use super::Stopped;
use crate::{
    failure::{Failure, Kind},
    interrupt::Interrupts,
    runtime::{Docker, RuntimeError, docker::Pull},
    training::{Trained, TrainingOptions, container::Training, interrupted_early, removal::removed},
    ui::{TrialsLine, Ui},
};

/// How many times longer than in the run that held something may take before a trial has failed, and at least.
const SLACK: u32 = 5;
const LEAST_READY: Duration = Duration::from_secs(10);
const LEAST_LOAD: Duration = Duration::from_secs(20);

/// What a run under a plan showed.
#[derive(Debug)]
pub(crate) struct Trial {
    /// What went otherwise than in training.
    pub(crate) findings: Vec<Finding>,
    /// What was not seen.
    pub(crate) gaps: Vec<Gap>,
    /// Whether it is known how the subject ended, where it is known of training.
    is_end_known: bool,
    timing: Timing,
}

/// How long the parts of a run took.
#[derive(Debug, Clone, Copy, Default)]
struct Timing {
    ready: Duration,
    load: Duration,
}

impl Trial {
    /// Whether the subject works: it is ready, passes the load test and ends as in training, whatever fails meanwhile.
    pub(crate) fn works(&self) -> bool {
        !self.findings.iter().any(|finding| finding.kind.is_hard())
    }

    /// Whether nothing went otherwise than in training, but for what is known to do no harm.
    pub(crate) fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.harmless)
    }

    /// Whether all was seen.
    pub(crate) fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Whether it is known how the subject ended.
    pub(crate) fn is_end_known(&self) -> bool {
        self.is_end_known
    }

    /// Marks what is known to do no harm; that the subject does not work never is.
    pub(crate) fn excuse(&mut self, harmless: &[Finding]) {
        for finding in self.findings.iter_mut().filter(|finding| !finding.kind.is_hard()) {
            finding.harmless |= harmless.iter().any(|known| known.key() == finding.key());
        }
    }

    /// What is wrong, in a line.
    pub(crate) fn words(&self) -> String {
        self.findings.first().map(|finding| finding.message.clone()).unwrap_or_default()
    }
}

/// Runs a subject under plans.
pub(crate) struct Verifier<'a> {
    docker: &'a Docker,
    training: &'a Profile,
    options: TrainingOptions,
    ui: Ui,
    interrupts: Interrupts,
    line: TrialsLine,
    /// Runs so far, and how many there will be as far as is known.
    runs: u32,
    expected: u64,
    took: Duration,
    baseline: Option<Timing>,
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(
        docker: &'a Docker,
        training: &'a Profile,
        options: TrainingOptions,
        ui: Ui,
        interrupts: Interrupts,
    ) -> Self {
        Self {
            docker,
            training,
            options,
            line: ui.trials_line(),
            ui: ui.in_trials(),
            interrupts,
            runs: 0,
            expected: 0,
            took: Duration::ZERO,
            baseline: None,
        }
    }

    /// How often the subject was run.
    pub(crate) fn runs(&self) -> u32 {
        self.runs
    }

    /// So many runs more are to come.
    pub(crate) fn expect(&mut self, more: u64) {
        self.expected = u64::from(self.runs) + more;
    }

    /// What is compared with training.
    pub(crate) fn compared(&self) -> Vec<String> {
        let mut compared = Vec::new();
        if self.options.ready.is_some() {
            compared.push("readiness");
        }
        if self.training.run.exit.is_some() {
            compared.push("exit-status");
        }
        if self.options.load.is_some() {
            compared.push("load-test");
        }
        compared.extend(["operations", "capabilities", "executions"]);
        compared.into_iter().map(str::to_owned).collect()
    }

    /// From now on runs may be cut short: by this one it is known how long a subject takes that works.
    pub(crate) fn take_as_baseline(&mut self, trial: &Trial) {
        self.baseline = Some(trial.timing);
    }

    /// Runs the subject under a plan with all the time that it may take.
    pub(crate) async fn run(&mut self, plan: &Plan, what: &str) -> Result<Trial, Stopped> {
        let options = self.options.clone();
        self.run_with(plan, what, options).await
    }

    /// Runs the subject only to know whether it works: it is given up where it takes much longer than when it worked,
    /// and not asked to stop once it has failed.
    pub(crate) async fn try_out(&mut self, plan: &Plan, what: &str) -> Result<Trial, Stopped> {
        let mut options = TrainingOptions { hasty: true, ..self.options.clone() };
        if let Some(Timing { ready, load }) = self.baseline {
            options.ready_timeout = options.ready_timeout.min(LEAST_READY.max(ready * SLACK));
            let limit = LEAST_LOAD.max(load * SLACK);
            options.load_timeout = Some(options.load_timeout.map_or(limit, |given| given.min(limit)));
        }
        self.run_with(plan, what, options).await
    }

    async fn run_with(
        &mut self,
        plan: &Plan,
        what: &str,
        options: TrainingOptions,
    ) -> Result<Trial, Stopped> {
        if self.interrupts.is_asked() {
            return Err(Stopped::Interrupted);
        }
        let number = u64::from(self.runs) + 1;
        let expected = self.expected.max(number);
        let left = self
            .took
            .checked_div(self.runs)
            .map(|each| each.saturating_mul(u32::try_from(expected - number + 1).unwrap_or(u32::MAX)));
        self.line.trial(number, expected, what, left);
        let begin = Instant::now();
        let trained = self.train(plan, options).await;
        self.runs += 1;
        self.took += begin.elapsed();
        let trained = match trained {
            Err(failure) if self.interrupts.is_insisted() => return Err(failure.into()),
            // What was seen of a run that the user ended says nothing.
            Ok(_) if self.interrupts.is_asked() => return Err(Stopped::Interrupted),
            Err(failure) if self.interrupts.is_asked() && failure.kind == Kind::Finding => {
                return Err(Stopped::Interrupted);
            }
            Err(failure) if failure.kind == Kind::NotStarted => return Ok(not_started(failure)?),
            trained => trained?,
        };
        let Trained { profile, finding: _, last_lines } = trained;
        let findings = compare(&Comparison {
            training: self.training,
            under_plan: &profile,
            plan,
            last_lines: &last_lines,
        });
        Ok(Trial {
            findings,
            gaps: profile.coverage.gaps.clone(),
            is_end_known: profile.run.exit.is_some() || self.training.run.exit.is_none(),
            timing: timing(&profile),
        })
    }

    /// The run itself, with volumes that are there for it alone.
    async fn train(&self, plan: &Plan, options: TrainingOptions) -> Result<Trained, Failure> {
        let own = format!("verify-{}-{}", std::process::id(), self.runs);
        let mut applied = apply(self.training, plan, &format!("writepath-{own}"))
            .map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
        // The subject itself may be running under its name.
        applied.config.name = applied.config.name.map(|name| format!("{name}-{own}"));
        let mut first = self.interrupts.clone();
        let made = tokio::select! {
            made = self.make_volumes(&applied.volumes) => Some(made),
            () = first.asked(1) => None,
        };
        let trained = match made {
            Some(Ok(())) => {
                let training = Training {
                    docker: self.docker,
                    config: applied.config,
                    pull: Pull::Never,
                    options,
                    sensors: None,
                    ui: self.ui,
                    interrupts: self.interrupts.clone(),
                };
                training.run().await
            }
            Some(Err(error)) => Err(error.into()),
            None => {
                // A container to fill a volume from may have been made a moment ago.
                let cleared = removed(self.docker.clear_own(), self.interrupts.clone()).await;
                for why in cleared.map_or_else(|why| vec![why], |cleared| cleared.failed) {
                    self.ui.warn(&format!("{why}; the next run removes what is left"));
                }
                Err(interrupted_early())
            }
        };
        // Whatever happened.
        for volume in &applied.volumes {
            self.remove_volume(&volume.name).await;
        }
        trained
    }

    async fn make_volumes(&self, volumes: &[FreshVolume]) -> Result<(), RuntimeError> {
        for volume in volumes {
            self.make_volume(volume).await?;
        }
        Ok(())
    }

    async fn make_volume(&self, volume: &FreshVolume) -> Result<(), RuntimeError> {
        self.docker.create_volume(&volume.name).await?;
        match (&volume.preparation, &self.training.subject.config) {
            (Some(preparation), Some(config)) => self.docker.prepare_volume(&config.image, preparation).await,
            _ => Ok(()),
        }
    }

    async fn remove_volume(&self, volume: &str) {
        let removal = self.docker.remove_volume(volume);
        if let Err(failed) = removed(removal, self.interrupts.clone()).await {
            self.ui.warn(&format!(
                "{failed}; remove the volume with `docker volume rm {volume}`, or leave it to the next run"
            ));
        }
    }
}

/// A subject that cannot be started does not work, unless that has nothing to do with the plan.
fn not_started(failure: Failure) -> Result<Trial, Failure> {
    if ["port is already allocated", "address already in use"]
        .iter()
        .any(|text| failure.message.contains(text))
    {
        return Err(
            failure.hint("stop whatever has the port: the subject is run with the ports of its training")
        );
    }
    let finding = Finding::of_run(FindingKind::NotStarted, failure.message);
    Ok(Trial { findings: vec![finding], gaps: Vec::new(), is_end_known: true, timing: Timing::default() })
}

fn timing(profile: &Profile) -> Timing {
    let of = |phase: Phase| {
        let spans = profile.run.phases.iter().filter(|span| span.phase == phase);
        Duration::from_millis(spans.map(|span| span.end_ms.saturating_sub(span.start_ms)).sum())
    };
    Timing { ready: of(Phase::Startup), load: of(Phase::Steady) }
}
