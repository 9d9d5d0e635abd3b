//! Verification: runs the subject again under a plan, and finds out what the plan lacks and what it could do without.
//!
//! Owns the order of runs and what is concluded from them; what a single run shows is compared in `reports::verify`.
//! A run is a training run under another configuration: nothing here talks to the kernel. Never runs a command that
//! comes from a profile.

mod fix;
mod minimize;
mod plan_file;
mod trial;

use std::time::Instant;

use reports::{
    model::Profile,
    plan::{OptionalElement, Plan, Verification, Warning},
    verify::{Change, Finding, Necessary, Outcome, VERIFICATION_SCHEMA, VerificationReport},
};

pub(crate) use plan_file::read_plan;
pub(crate) use trial::{Trial, Verifier};

use crate::failure::Failure;

/// What ends a session before its time.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The user asked to end.
    Interrupted,
    /// It cannot go on.
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What the user wants of a verification.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Amend the plan until it holds.
    pub(crate) fix: bool,
    /// Take from the plan what the subject lives without.
    pub(crate) minimize: bool,
    /// While doing so, keep the user that the plan has.
    pub(crate) keep_user: bool,
    /// Try a plan with everything taken away.
    pub(crate) check_load: bool,
    /// The most runs of `fix`.
    pub(crate) max_runs: u32,
    /// Runs under each plan.
    pub(crate) repeat: u32,
}

/// A sequence of runs under plans of one subject, and what is known from them.
pub(crate) struct Session<'a> {
    training: &'a Profile,
    verifier: Verifier<'a>,
    wanted: Wanted,
    begin: Instant,
    plan: Plan,
    outcome: Outcome,
    findings: Vec<Finding>,
    changes: Vec<Change>,
    necessary: Vec<Necessary>,
    optional: Vec<OptionalElement>,
    flaky: Vec<String>,
    warnings: Vec<Warning>,
    /// What was seen to fail harmlessly when its part was taken away; it does no harm in later runs either.
    harmless: Vec<Finding>,
}

impl<'a> Session<'a> {
    /// A session that begins now.
    pub(crate) fn new(training: &'a Profile, plan: Plan, verifier: Verifier<'a>, wanted: Wanted) -> Self {
        Self {
            training,
            verifier,
            wanted,
            begin: Instant::now(),
            plan,
            outcome: Outcome::Undecided,
            findings: Vec::new(),
            changes: Vec::new(),
            necessary: Vec::new(),
            optional: Vec::new(),
            flaky: Vec::new(),
            warnings: Vec::new(),
            harmless: Vec::new(),
        }
    }

    /// Runs whatever is wanted. An interrupt ends it with what is known by then.
    ///
    /// # Errors
    /// Where the subject cannot be run at all.
    pub(crate) async fn run(&mut self) -> Result<(), Failure> {
        match self.steps().await {
            Ok(()) => Ok(()),
            Err(Stopped::Failed(failure)) => Err(failure),
            Err(Stopped::Interrupted) => {
                self.outcome = Outcome::Interrupted;
                Ok(())
            }
        }
    }

    async fn steps(&mut self) -> Result<(), Stopped> {
        self.verifier.expect(u64::from(self.wanted.repeat));
        self.verify("under the plan").await?;
        if self.wanted.fix {
            self.fix(self.wanted.max_runs).await?;
        }
        if self.outcome != Outcome::Holds {
            return Ok(());
        }
        if self.wanted.minimize {
            self.minimize().await?;
        } else if self.wanted.check_load {
            self.try_bare().await?;
        }
        Ok(())
    }

    /// Runs the subject under the plan as it is, as often as is wanted, and takes down what came of it.
    async fn verify(&mut self, what: &str) -> Result<(), Stopped> {
        let mut trials = Vec::new();
        for _ in 0..self.wanted.repeat {
            let mut trial = self.verifier.run(&self.plan, what).await?;
            trial.excuse(&self.harmless);
            trials.push(trial);
        }
        let holding = trials.iter().filter(|trial| trial.holds()).count();
        self.outcome = match holding {
            0 => Outcome::DoesNotHold,
            all if all == trials.len() => {
                if trials.iter().all(Trial::is_complete) {
                    Outcome::Holds
                } else {
                    Outcome::Undecided
                }
            }
            _ => Outcome::Flaky,
        };
        if self.outcome == Outcome::Flaky {
            self.flaky.push(format!("{what}: {holding} of {} runs hold", trials.len()));
        }
        if self.outcome == Outcome::Holds
            && let Some(trial) = trials.first()
        {
            self.verifier.take_as_baseline(trial);
        }
        // What failed is what is to be told.
        let told = trials.iter().position(|trial| !trial.holds()).unwrap_or_default();
        if let Some(trial) = trials.into_iter().nth(told) {
            for gap in &trial.gaps {
                self.warn(&gap.code, &format!("not everything was seen: {} × {}", gap.count, gap.message));
            }
            self.findings = trial.findings;
        }
        Ok(())
    }

    fn warn(&mut self, code: &str, message: &str) {
        let warning = Warning { code: code.to_owned(), message: message.to_owned(), path: None };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// What is known now.
    pub(crate) fn report(self) -> VerificationReport {
        let compared = self.verifier.compared();
        let mut plan = self.plan;
        plan.verification = Some(Verification {
            holds: self.outcome == Outcome::Holds,
            runs: self.verifier.runs(),
            compared: compared.clone(),
        });
        VerificationReport {
            schema: VERIFICATION_SCHEMA.to_owned(),
            subject: self.training.subject.name.clone(),
            verdict: self.outcome,
            runs: self.verifier.runs(),
            duration_ms: u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX),
            compared,
            findings: self.findings,
            changes: self.changes,
            necessary: self.necessary,
            optional: self.optional,
            flaky: self.flaky,
            warnings: self.warnings,
            plan,
        }
    }
}
