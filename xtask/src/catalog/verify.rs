//! The proof: `writepath verify`, on a plan as it was recommended, less one element after the other, and on an
//! alternative.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::readings::{Element, elements, optional};
use super::training::{Training, read_json};

/// What taking away one element after the other showed.
pub(super) struct Ablation {
    /// Elements without which the application does not work.
    pub(super) necessary: Vec<Element>,
    /// Elements that it does without.
    pub(super) unnecessary: Vec<Element>,
}

impl Training<'_> {
    /// Whether the plan holds as it was recommended; otherwise with what `verify` says.
    pub(super) fn holds(&self, alternative: Option<&str>) -> Result<Result<(), String>> {
        let mut verify = self.verify()?;
        if let Some(kind) = alternative {
            verify.args(["--alternative", kind]);
        }
        Ok(finding(&mut verify)?.map(drop))
    }

    /// Takes away one element after the other.
    pub(super) fn ablation(&self) -> Result<Ablation> {
        let amended = self.file("amended.json");
        let mut verify = self.verify()?;
        verify.args(["--minimize", "--keep-user", "--format", "json", "-o"]).arg(&amended);
        let report = match finding(&mut verify)? {
            Ok(report) => report,
            Err(why) => bail!("ablation: {why}"),
        };
        let report: Value = serde_json::from_str(&report).context("the verification is no JSON")?;
        Self::read_ablation(&report, &read_json(&amended)?)
    }

    /// What is left of the plan, as far as every part of it has proven necessary.
    fn read_ablation(report: &Value, plan: &Value) -> Result<Ablation> {
        let count = |key: &str| report[key].as_array().map_or(0, Vec::len);
        let necessary = elements(plan);
        if count("flaky") != 0 || count("necessary") != necessary.len() {
            bail!(
                "ablation: not every element is decided: necessary {}, flaky {}",
                report["necessary"],
                report["flaky"]
            );
        }
        Ok(Ablation { necessary, unnecessary: optional(plan) })
    }

    fn verify(&self) -> Result<Command> {
        let mut verify = self.writepath();
        verify.arg("verify").arg(self.profile()).args(self.course()?);
        Ok(verify)
    }
}

/// The status of `writepath` where something is found, and where the profile is incomplete.
pub(super) const FINDING: i32 = 1;
pub(super) const INCOMPLETE: i32 = 4;

/// Runs `writepath`: what it prints where nothing is found, or what it says of its finding (exit status 1). Every other status is an error.
pub(super) fn finding(command: &mut Command) -> Result<Result<String, String>> {
    said(command, &[FINDING])
}

/// The same where other statuses are findings.
pub(super) fn said(command: &mut Command, findings: &[i32]) -> Result<Result<String, String>> {
    let output = command.output().context("writepath cannot be started")?;
    if output.status.success() {
        return Ok(Ok(String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let says = [output.stdout, output.stderr].concat();
    let says = String::from_utf8_lossy(&says).trim().to_owned();
    match output.status.code() {
        Some(status) if findings.contains(&status) => Ok(Err(says)),
        _ => bail!("writepath ended with {}: {says}", output.status),
    }
}
