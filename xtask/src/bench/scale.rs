//! Great numbers: temporary files, directories and short-lived processes. Here it matters that nothing is lost and that
//! the plan covers the place; and what writepath itself takes meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::directory;
use super::footprint::{Footprint, Watched};
use super::helper::{Helper, following};
use super::loads;
use super::observers::{Observer, Tools};
use crate::daemon::Daemon;
use crate::images;

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// The status of writepath that stands for an incomplete profile.
const INCOMPLETE: i32 = 4;
/// Where a container's files are made: on its root file system.
const CONTAINER_DIRECTORY: &str = "/var/tmp";

/// The name of the workload, the verb, and how many of it.
const KINDS: [(&str, &str, u64); 3] = [
    ("scale-files", "temp-files", 1_000_000),
    ("scale-directories", "directories", 100_000),
    ("scale-processes", "processes", 10_000),
];

/// The names of all of them.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, ..)| *name)
}

/// Where the subject runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `writepath exec`
    Host,
    /// `writepath run`
    Container,
}

impl Place {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Host => "exec",
            Self::Container => "run",
        }
    }
}

/// What one of them came to under one observer.
pub(super) struct Outcome {
    pub(super) workload: &'static str,
    pub(super) place: Place,
    pub(super) observer: Observer,
    pub(super) count: u64,
    /// Microseconds for each.
    pub(super) bare_us: f64,
    pub(super) observed_us: f64,
    /// `coverage.complete`.
    pub(super) is_complete: bool,
    /// `coverage.gaps`, each with its count.
    pub(super) gaps: Vec<String>,
    /// A writable place of the plan covers the directory.
    pub(super) is_covered: bool,
    pub(super) profile_bytes: u64,
    pub(super) footprint: Footprint,
}

impl Outcome {
    pub(super) fn ratio(&self) -> f64 {
        self.observed_us / self.bare_us
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { workload, place, observer, count, bare_us, observed_us, .. } = self;
        let Self { is_complete, gaps, is_covered, profile_bytes, footprint, .. } = self;
        json!({ "workload": workload, "place": place.name(), "observer": observer.name(), "count": count, "n": 1,
                "bare_us": bare_us, "observed_us": observed_us, "ratio": self.ratio(), "complete": is_complete,
                "gaps": gaps, "covered": is_covered, "profile_bytes": profile_bytes, "footprint": footprint.to_json() })
    }
}

/// Runs of great numbers.
pub(super) struct Scale<'a> {
    pub(super) daemon: Option<&'a dyn Daemon>,
    pub(super) tools: &'a Tools,
    /// The program `workload`.
    pub(super) program: PathBuf,
    /// The numbers are divided by this.
    pub(super) divisor: u64,
}

impl Scale<'_> {
    /// Runs the workload of this name bare, and then under each observer, in each place.
    pub(super) fn measure(
        &self,
        name: &str,
        observers: &[Observer],
        mut done: impl FnMut(Outcome),
    ) -> Result<()> {
        let Some(&(workload, verb, count)) = KINDS.iter().find(|(known, ..)| *known == name) else {
            return Ok(());
        };
        let count = count / self.divisor;
        for place in [Place::Host, Place::Container] {
            if place == Place::Container && self.daemon.is_none() {
                continue;
            }
            let bare_us = self.run(place, verb, count, None)?.0;
            for &observer in observers.iter().filter(|observer| observer.is_ours()) {
                let profile = self.tools.scratch.join("scale.json");
                let (observed_us, directory, footprint) =
                    self.run(place, verb, count, Some((observer, &profile)))?;
                let (is_complete, gaps) = coverage(&profile)?;
                let is_covered = self.covers(&profile, &directory)?;
                let profile_bytes = fs::metadata(&profile)?.len();
                done(Outcome {
                    workload,
                    place,
                    observer,
                    count,
                    bare_us,
                    observed_us,
                    is_complete,
                    gaps,
                    is_covered,
                    profile_bytes,
                    footprint,
                });
            }
        }
        Ok(())
    }

    /// Microseconds for each, the directory that was written, and what writepath took.
    fn run(
        &self,
        place: Place,
        verb: &str,
        count: u64,
        observed: Option<(Observer, &Path)>,
    ) -> Result<(f64, PathBuf, Footprint)> {
        let out = directory::temporary()?;
        let written = directory::temporary()?;
        let result = out.path().join("result");
        let (mut command, directory) = match place {
            Place::Host => {
                let mut command = match observed {
                    Some((observer, profile)) => self.ours("exec", observer, profile, &["--"]),
                    None => following("env"),
                };
                command.arg(&self.program).args([verb, &count.to_string()]).arg(written.path()).arg(&result);
                (command, written.path().to_owned())
            }
            Place::Container => {
                let daemon = self.daemon.context("no container runtime")?;
                let mut command = match observed {
                    Some((observer, profile)) => {
                        let mut command = self.ours("run", observer, profile, &["--pull", "never"]);
                        command.env("DOCKER_HOST", daemon.address());
                        command
                    }
                    None => {
                        let mut command = following("docker");
                        command.args(["-H", daemon.address(), "run", "--rm"]);
                        command
                    }
                };
                command
                    .args(["--volume", &format!("{}:/workload:ro", self.program.display())])
                    .args(["--volume", &format!("{}:/out", out.path().display())])
                    .args(["--entrypoint", "/workload", images::BASE, verb, &count.to_string()])
                    .args([CONTAINER_DIRECTORY, "/out/result"]);
                (command, PathBuf::from(CONTAINER_DIRECTORY))
            }
        };
        let helper = Helper::start(&mut command)?;
        let watched = observed.map(|_| Watched::begin(helper.pid())).transpose()?;
        let (mut footprint, mut peak) = (Footprint::default(), 0);
        let (status, output) = helper.wait(LIMIT, |_| {
            // Its last looks may find it gone.
            let Some(Ok(now)) = watched.as_ref().map(Watched::footprint) else { return };
            peak = peak.max(now.peak_bytes);
            // What it takes while it puts the profile together is no steady state.
            if !result.exists() {
                footprint = now;
            }
        })?;
        footprint.peak_bytes = peak;
        // An incomplete profile is a result here.
        if !status.success() && status.code() != Some(INCOMPLETE) {
            bail!("{verb}: {status}: {}", output.trim());
        }
        let figures = fs::read_to_string(&result).with_context(|| format!("{verb} left no result"))?;
        Ok((loads::workload(&figures)?.1 / 1000.0, directory, footprint))
    }

    fn ours(&self, verb: &str, observer: Observer, profile: &Path, options: &[&str]) -> Command {
        let mut command = following(&self.tools.writepath);
        command.args([verb, "--sensor", &observer.name(), "-o"]).arg(profile).args(options);
        command
    }

    /// Whether the plan has a writable place at the directory or above it.
    fn covers(&self, profile: &Path, directory: &Path) -> Result<bool> {
        let mut recommend = Command::new(&self.tools.writepath);
        let output = recommend.args(["recommend", "--format", "json"]).arg(profile).output()?;
        // There is a plan of an incomplete profile too, with the status that says so.
        if !output.status.success() && output.status.code() != Some(INCOMPLETE) {
            bail!("no plan: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(targets(&serde_json::from_slice(&output.stdout)?)
            .iter()
            .any(|target| directory.starts_with(target)))
    }
}

/// The places that a plan makes writable.
fn targets(plan: &Value) -> Vec<String> {
    let of = |key: &str| plan[key].as_array().cloned().unwrap_or_default();
    [of("tmpfs"), of("volumes")]
        .iter()
        .flatten()
        .filter_map(|mount| mount["target"].as_str().map(str::to_owned))
        .collect()
}

/// Whether a profile is complete, and its gaps.
fn coverage(profile: &Path) -> Result<(bool, Vec<String>)> {
    let profile: Value = serde_json::from_slice(&fs::read(profile)?)?;
    let gaps = profile["coverage"]["gaps"].as_array().cloned().unwrap_or_default();
    let gaps = gaps.iter().map(|gap| format!("{} ({})", gap["code"].as_str().unwrap_or("?"), gap["count"]));
    Ok((profile["coverage"]["complete"] == true, gaps.collect()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::targets;

    #[test]
    fn the_writable_places_of_a_plan_are_tmpfs_and_volumes() {
        let plan = json!({ "tmpfs": [{ "target": "/tmp" }], "volumes": [{ "target": "/data" }] });
        assert_eq!(targets(&plan), ["/tmp", "/data"]);
        assert!(!Path::new("/tmpfiles").starts_with("/tmp"));
    }
}
