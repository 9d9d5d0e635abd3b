//! Making a plan smaller: one part at a time is taken away, and what the subject lives without stays out.
//!
//! Here it counts whether the subject works (ready, load test, exit status), not whether everything succeeds: what
//! fails meanwhile is taken down as seen to fail harmlessly. A failure that has nothing to do with what was taken away
//! is tried again, and where the second run differs nothing is decided.

use reports::{
    plan::Plan,
    verify::{Element, Finding, Necessary, bare, elements, root, without},
};

use super::{Session, Stopped, Trial};

/// What came of taking something away.
enum Ablation {
    /// The subject works without; this is what failed.
    Spared(Vec<Finding>),
    /// It does not.
    Needed(String),
    /// Sometimes it does.
    Flaky,
}

impl Session<'_> {
    /// Takes from the plan what proves unnecessary, and verifies what is left.
    pub(super) async fn minimize(&mut self) -> Result<(), Stopped> {
        let mut queue = elements(self.training, &self.plan);
        // This one, one for each part, and the plan in the end.
        self.expect(queue.len() + 2);
        if let Some(failures) = self.try_bare().await? {
            self.leave_out(&queue, bare(self.training, &self.plan), &failures);
            self.harmless.extend(failures);
            queue.clear();
        } else if let Some((part, candidate)) = root(&self.plan).filter(|_| !self.wanted.keep_user) {
            self.expect(queue.len() + 2);
            self.try_without(&part, candidate).await?;
            // Without root, what is left are other parts.
            queue = elements(self.training, &self.plan);
        }
        // What a person has added without an observation is likely to go: all of it in one run.
        let unfounded: Vec<Element> = queue.iter().filter(|part| part.is_unfounded()).cloned().collect();
        if unfounded.len() > 1 {
            let candidate =
                unfounded.iter().fold(self.plan.clone(), |plan, part| without(self.training, &plan, part));
            let what = format!("without {} parts that no observation speaks for", unfounded.len());
            self.expect(queue.len() - unfounded.len() + 2);
            let trial = self.verifier.try_out(&candidate, &what).await?;
            if trial.works() && trial.is_end_known() {
                self.leave_out(&unfounded, candidate, &trial.findings);
                self.harmless.extend(trial.findings);
                queue.retain(|part| !part.is_unfounded());
            }
        }
        for (position, part) in queue.iter().enumerate() {
            let candidate = without(self.training, &self.plan, part);
            // This, those behind it, and the plan in the end.
            self.expect(queue.len() - position + 1);
            self.try_without(part, candidate).await?;
        }
        if self.optional.is_empty() {
            return Ok(());
        }
        self.expect(1);
        self.verify("under the plan that is left").await
    }

    /// Finds out about one part, and leaves it out where the subject works without.
    async fn try_without(&mut self, part: &Element, candidate: Plan) -> Result<(), Stopped> {
        match self.ablate(&candidate, part).await? {
            Ablation::Spared(failures) => {
                self.leave_out(std::slice::from_ref(part), candidate, &failures);
                self.harmless.extend(failures);
            }
            Ablation::Needed(without) => self.necessary.push(Necessary { element: part.words(), without }),
            Ablation::Flaky => self.flaky.push(format!("without {}", part.words())),
        }
        Ok(())
    }

    fn expect(&mut self, plans: usize) {
        let plans = u64::try_from(plans).unwrap_or(u64::MAX);
        self.verifier.expect(plans.saturating_mul(u64::from(self.wanted.repeat)));
    }

    /// Takes parts out of the plan for good.
    fn leave_out(&mut self, parts: &[Element], candidate: Plan, failures: &[Finding]) {
        self.plan = candidate;
        for part in parts {
            let explained: Vec<Finding> =
                failures.iter().filter(|finding| part.explains(finding)).cloned().collect();
            let optional = part.as_optional(&explained);
            self.plan.optional.push(optional.clone());
            self.optional.push(optional);
        }
    }

    /// Runs the subject without a part, as often as it takes to tell.
    async fn ablate(&mut self, candidate: &Plan, part: &Element) -> Result<Ablation, Stopped> {
        let what = format!("without {}", part.words());
        let mut trials = vec![self.verifier.try_out(candidate, &what).await?];
        let explains = |trial: &Trial| trial.findings.iter().any(|finding| part.explains(finding));
        let is_unclear = |trial: &Trial| !trial.works() && !explains(trial);
        let wanted = if trials.iter().any(is_unclear) { 2 } else { 1 };
        for _ in 1..wanted.max(self.wanted.repeat) {
            trials.push(self.verifier.try_out(candidate, &format!("{what}, again")).await?);
        }
        let working = trials.iter().filter(|trial| trial.works()).count();
        if working == 0 {
            return Ok(Ablation::Needed(trials.first().map(Trial::words).unwrap_or_default()));
        }
        // That it works cannot be said of a run whose end nobody saw.
        if working < trials.len() || !trials.iter().all(Trial::is_end_known) {
            return Ok(Ablation::Flaky);
        }
        let mut failures: Vec<Finding> = trials.into_iter().flat_map(|trial| trial.findings).collect();
        failures.sort_by_key(Finding::key);
        failures.dedup_by_key(|finding| finding.key());
        Ok(Ablation::Spared(failures))
    }

    /// Tries a plan with everything taken away. Where the subject works even so, a warning, and what failed.
    pub(super) async fn try_bare(&mut self) -> Result<Option<Vec<Finding>>, Stopped> {
        let nothing = bare(self.training, &self.plan);
        if nothing == self.plan {
            return Ok(None);
        }
        let trial = self.verifier.try_out(&nothing, "with everything taken away").await?;
        if !(trial.works() && trial.is_end_known()) {
            return Ok(None);
        }
        self.warn(
            "useless-load",
            "readiness and load test pass with every mount and capability taken away: unless the subject truly needs \
             none they prove nothing; use a load test that does what production does, and fails where that fails",
        );
        Ok(Some(trial.findings))
    }
}
