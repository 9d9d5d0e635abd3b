//! What the catalogue knows of one application, as it is written to `catalog.json`, and how it comes about.

use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plain;
use super::readings::{self, DockerDiff, Element, Naive};
use super::training::Training;

/// One application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// What is particular about it.
    pub(super) about: String,
    /// From its training to the last verification, in seconds.
    pub(super) seconds: u64,
    /// Whether the training run saw everything.
    pub(super) complete: bool,
    /// What the plan allows.
    pub(super) recommended: Vec<Element>,
    /// Whether the plan held at the first try; absent where that could not be found out.
    pub(super) holds: Option<bool>,
    /// What the application does not work without; absent where that could not be found out.
    pub(super) necessary: Option<Vec<Element>>,
    /// What was recommended and is not needed.
    pub(super) unnecessary: Vec<Element>,
    /// Alternatives that it has to have.
    pub(super) alternatives: Vec<Alternative>,
    /// What a naive reading of the same profile allows.
    pub(super) naive: Naive,
    /// What `docker diff` shows after the same load.
    pub(super) docker_diff: DockerDiff,
    /// Steps that failed, with the reason.
    pub(super) problems: Vec<String>,
}

/// Another way to run the application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Alternative {
    /// Its kind.
    pub(super) kind: String,
    /// Whether the plan offers it.
    pub(super) is_offered: bool,
    /// Whether it holds; absent where that could not be found out.
    pub(super) holds: Option<bool>,
}

impl Entry {
    /// Trains, recommends, verifies, takes away, and compares with what others would recommend. Steps after the
    /// recommendation that fail are noted, and the others taken all the same.
    pub(super) fn of(training: &Training<'_>) -> Result<Self> {
        let started = Instant::now();
        let application = training.application;
        let profile = training.run()?;
        let plan = training.recommend()?;
        let mut problems = Vec::new();
        let holds = noted(&mut problems, "verification", training.holds(None)).map(|held| match held {
            Ok(()) => true,
            Err(why) => {
                problems.push(format!("the plan does not hold: {why}"));
                false
            }
        });
        let ablation = match holds {
            Some(true) => noted(&mut problems, "ablation", training.ablation()),
            _ => None,
        };
        let offered = readings::alternatives(&plan);
        let alternatives =
            application.alternatives.iter().map(|&kind| alternative(training, &mut problems, &offered, kind));
        let alternatives = alternatives.collect();
        let diff = plain::diff(training);
        let diff = noted(&mut problems, "docker diff", diff).unwrap_or_default();
        let (necessary, unnecessary) = match ablation {
            Some(ablation) => (Some(ablation.necessary), ablation.unnecessary),
            None => (None, Vec::new()),
        };
        Ok(Self {
            name: application.name.to_owned(),
            about: application.about.to_owned(),
            complete: profile["coverage"]["complete"] == Value::Bool(true),
            recommended: readings::elements(&plan),
            holds,
            necessary,
            unnecessary,
            alternatives,
            naive: readings::naive(&profile),
            docker_diff: readings::docker_diff(&diff, &readings::new_mounts(&profile, &plan)),
            problems,
            seconds: started.elapsed().as_secs(),
        })
    }

    /// What of the catalogue's targets it misses.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures: Vec<String> = self.problems.clone();
        if !self.complete {
            failures.push("the profile is incomplete".to_owned());
        }
        for alternative in self.alternatives.iter().filter(|alternative| alternative.holds != Some(true)) {
            let how = match (alternative.is_offered, alternative.holds) {
                (false, _) => "is not found",
                (true, None) => "could not be tried",
                (true, Some(_)) => "does not hold",
            };
            failures.push(format!("the alternative {} {how}", alternative.kind));
        }
        failures
    }
}

fn alternative(
    training: &Training<'_>,
    problems: &mut Vec<String>,
    offered: &[String],
    kind: &str,
) -> Alternative {
    let is_offered = offered.iter().any(|one| one == kind);
    let held = is_offered.then(|| noted(problems, kind, training.holds(Some(kind)))).flatten();
    if let Some(Err(why)) = &held {
        problems.push(format!("{kind}: {why}"));
    }
    Alternative { kind: kind.to_owned(), is_offered, holds: held.map(|held| held.is_ok()) }
}

/// The result; of an error a note is made instead.
fn noted<T>(problems: &mut Vec<String>, step: &str, result: Result<T>) -> Option<T> {
    result.map_err(|error| problems.push(format!("{step}: {error:#}"))).ok()
}
