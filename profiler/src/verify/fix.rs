//! Amending a plan: the changes that the failures ask for are made, and the subject is run again.
//!
//! Ends when the plan holds, when the same fails again although something was changed, when no change is known, and in
//! any case after a number of runs.

use std::collections::BTreeSet;

use reports::verify::{Change, Finding, Outcome};

use super::{Session, Stopped};

impl Session<'_> {
    /// Changes the plan until it holds, with at most `max_runs` runs, that before included.
    pub(super) async fn fix(&mut self, max_runs: u32) -> Result<(), Stopped> {
        let mut runs = 1;
        while self.outcome == Outcome::DoesNotHold {
            if runs >= max_runs {
                self.warn("max-runs", &format!("given up after {runs} runs; allow more with --max-runs"));
                break;
            }
            let wanted: Vec<Change> =
                failures(&self.findings).filter_map(|finding| finding.change.clone()).collect();
            let mut words = Vec::new();
            for change in wanted {
                if change.apply(&mut self.plan) {
                    words.push(change.words());
                    self.changes.push(change);
                }
            }
            if words.is_empty() {
                self.warn(
                    "no-change-known",
                    "no further change of the plan is known that would mend what fails",
                );
                break;
            }
            let before = self.findings.clone();
            self.verifier.expect(u64::from(self.wanted.repeat));
            self.verify(&words.join(", ")).await?;
            runs += 1;
            if self.outcome == Outcome::DoesNotHold && !goes_on(&before, &self.findings) {
                self.warn(
                    "no-progress",
                    "the same fails although the plan was changed; no further change is tried",
                );
                break;
            }
        }
        Ok(())
    }
}

fn failures(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| !finding.harmless)
}

/// Whether something else fails than before, or another try is left where the same does: a tmpfs may have to grow more
/// than once, and what is only guessed for a subject that dies may be something else.
fn goes_on(before: &[Finding], now: &[Finding]) -> bool {
    let keys = |findings: &[Finding]| failures(findings).map(Finding::key).collect::<BTreeSet<_>>();
    let is_another_try = |finding: &Finding| {
        matches!(finding.change, Some(Change::EnlargeTmpfs { .. }))
            || finding.kind.is_hard() && finding.change.is_some()
    };
    keys(before) != keys(now) || failures(now).any(is_another_try)
}

#[cfg(test)]
mod tests {
    use reports::verify::FindingKind;

    use super::*;

    fn finding(kind: FindingKind, cap: &str, change: Option<Change>) -> Finding {
        Finding { cap: Some(cap.to_owned()), change, ..Finding::of_run(kind, "x") }
    }

    #[test]
    fn the_same_failures_after_a_change_are_no_progress() {
        let add = || Some(Change::AddCapability { cap: "CHOWN".to_owned() });
        let chown = finding(FindingKind::Capability, "CHOWN", add());
        let fowner = finding(FindingKind::Capability, "FOWNER", add());
        let guessed = finding(FindingKind::Exit, "", add());
        let unexplained = finding(FindingKind::Exit, "", None);
        let harmless = Finding { harmless: true, ..fowner.clone() };
        for (before, now, want) in [
            (vec![chown.clone()], vec![chown.clone()], false),
            (vec![chown.clone()], vec![fowner.clone()], true),
            (vec![chown.clone(), fowner], vec![chown.clone()], true),
            (vec![chown.clone()], vec![chown, harmless], false),
            (vec![guessed.clone()], vec![guessed], true),
            (vec![unexplained.clone()], vec![unexplained], false),
        ] {
            assert_eq!(goes_on(&before, &now), want, "{before:?} {now:?}");
        }
    }
}
