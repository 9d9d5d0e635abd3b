//! What is to be reached, and whether it was.

use serde_json::{Value, json};

use super::observers::Observer;
use super::report::{Report, Series, mebibytes};
use super::scale::Outcome;
use super::statistics::Spread;
use super::{applications, compile};

/// Real applications keep this much of their bare throughput.
const APPLICATION_RATE: f64 = 0.98;
/// Open and close may take this much of bare.
const OPEN: f64 = 1.06;
/// A call of no interest may take this much of what it takes with the empty program on the same hook.
const UNRELATED_TO_EMPTY: f64 = 1.25;
/// Under `fexit` it takes what it takes bare; what differs by less than this cannot be told from noise.
const UNRELATED_FEXIT: f64 = 1.005;
/// Memory of the process in MiB.
const RESIDENT_MIB: f64 = 40.0;
/// Processor time, as a part of one processor's.
const PROCESSOR: f64 = 0.02;
/// BPF maps in MiB.
const MAPS_MIB: f64 = 32.0;
/// From the start to the subject's first instruction, compared with `docker run`.
const START: f64 = 1.2;

/// One target, and what was measured.
pub(super) struct Verdict {
    what: String,
    /// `≥ 0.98`
    target: String,
    measured: String,
    /// By how much it is missed, where it is.
    missed_by: Option<String>,
}

impl Verdict {
    /// Whether the target is missed.
    pub(super) fn is_missed(&self) -> bool {
        self.missed_by.is_some()
    }

    /// One line for people.
    pub(super) fn to_line(&self) -> String {
        let missed_by = self.missed_by.as_deref().unwrap_or("met");
        format!("{}: {} (target {}): {missed_by}", self.what, self.measured, self.target)
    }

    pub(super) fn row(&self) -> Vec<String> {
        let Self { what, target, measured, missed_by } = self;
        let sign = if missed_by.is_some() { "missed" } else { "met" };
        vec![
            sign.to_owned(),
            what.clone(),
            target.clone(),
            measured.clone(),
            missed_by.clone().unwrap_or_default(),
        ]
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { what, target, measured, missed_by } = self;
        json!({ "what": what, "target": target, "measured": measured, "met": missed_by.is_none(), "missed_by": missed_by })
    }

    /// With the ratio of processor times, which other work on the host hardly changes. It does not decide.
    fn with_processor(mut self, report: &Report, workload: &str, observer: Observer) -> Self {
        let series = report.series(workload, observer);
        if let Some(ratio) = series.and_then(|series| Spread::of(&series.processor_ratios)) {
            self.measured += &format!(" (CPU {:.3})", ratio.median);
        }
        self
    }

    pub(super) fn at_most(what: String, limit: f64, value: f64, unit: &str) -> Self {
        let missed_by = (value > limit).then(|| format!("over by {:.3}{unit}", value - limit));
        Self { what, target: format!("≤ {limit}{unit}"), measured: format!("{value:.3}{unit}"), missed_by }
    }

    fn at_least(what: String, limit: f64, value: f64) -> Self {
        let missed_by = (value < limit).then(|| format!("short by {:.3}", limit - value));
        Self { what, target: format!("≥ {limit}"), measured: format!("{value:.3}"), missed_by }
    }

    fn holds(what: String, target: &str, holds: bool, measured: String) -> Self {
        let missed_by = (!holds).then(|| "not so".to_owned());
        Self { what, target: target.to_owned(), measured, missed_by }
    }
}

/// Compares what was measured with the targets; what was not measured is left out.
pub(super) fn judge(report: &Report) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for observer in [Observer::Tracepoint, Observer::Fexit] {
        let name = |workload: &str| format!("{workload} under {}", observer.name());
        let median = |workload: &str| Some(Spread::of(&report.series(workload, observer)?.ratios)?.median);
        for workload in applications::names() {
            if let Some(ratio) = median(workload) {
                let verdict = Verdict::at_least(name(workload), APPLICATION_RATE, ratio);
                verdicts.push(verdict.with_processor(report, workload, observer));
            }
        }
        if let Some(ratio) = median(compile::NAME) {
            let verdict = Verdict::at_least(name("build (rate)"), APPLICATION_RATE, 1.0 / ratio);
            verdicts.push(verdict.with_processor(report, compile::NAME, observer));
        }
        for workload in ["open-write", "open-read"] {
            if let Some(ratio) = median(workload) {
                let verdict = Verdict::at_most(name(workload), OPEN, ratio, "");
                verdicts.push(verdict.with_processor(report, workload, observer));
            }
        }
        for workload in ["unrelated-call", "unrelated-process"] {
            if observer == Observer::Fexit {
                if let Some(ratio) = median(workload) {
                    let verdict = Verdict::at_most(name(workload), UNRELATED_FEXIT, ratio, "");
                    verdicts.push(verdict.with_processor(report, workload, observer));
                }
            } else if let Some(ratio) = to_empty(report, workload, |series| &series.ratios) {
                let what = format!("{} by the empty program", name(workload));
                let mut verdict = Verdict::at_most(what, UNRELATED_TO_EMPTY, ratio, "");
                if let Some(ratio) = to_empty(report, workload, |series| &series.processor_ratios) {
                    verdict.measured += &format!(" (CPU {ratio:.3})");
                }
                verdicts.push(verdict);
            }
        }
        if let Some(ratio) = median(super::start::DESCRIPTION.name) {
            verdicts.push(Verdict::at_most(name("start"), START, ratio, ""));
        }
        footprints(report, observer, &mut verdicts);
    }
    report.scale.iter().for_each(|outcome| scale(outcome, &mut verdicts));
    verdicts.extend(report.large.iter().flat_map(super::large::Outcome::verdicts));
    verdicts
}

/// The median of the ratios of our tracepoint to the empty program on it, round by round.
fn to_empty(report: &Report, workload: &str, ratios: fn(&Series) -> &[f64]) -> Option<f64> {
    let ours = report.series(workload, Observer::Tracepoint)?;
    let empty = report.series(workload, Observer::EmptyTracepoint)?;
    // Rounds that failed under one of them have no pair.
    if !ours.failures.is_empty() || !empty.failures.is_empty() {
        return None;
    }
    let pairs = ratios(ours).iter().zip(ratios(empty));
    let ratios: Vec<f64> = pairs.map(|(ours, empty)| ours / empty).collect();
    Some(Spread::of(&ratios)?.median)
}

fn footprints(report: &Report, observer: Observer, verdicts: &mut Vec<Verdict>) {
    let ours: Vec<_> = report.series.iter().filter(|series| series.observer == observer).collect();
    if let Some(most) =
        ours.iter().filter_map(|series| series.footprint).reduce(super::footprint::Footprint::max)
    {
        let name = observer.name();
        verdicts.push(Verdict::at_most(
            format!("resident memory, {name}"),
            RESIDENT_MIB,
            mebibytes(most.resident_bytes),
            " MiB",
        ));
        verdicts.push(Verdict::at_most(
            format!("BPF maps, {name}"),
            MAPS_MIB,
            mebibytes(most.maps_bytes),
            " MiB",
        ));
    }
    for series in ours.iter().filter(|series| series.description.is_rate) {
        if let Some(share) = Spread::of(&series.processor_shares) {
            let what = format!("processor, {} under {}", series.description.name, observer.name());
            verdicts.push(Verdict::at_most(what, PROCESSOR * 100.0, share.median * 100.0, " %"));
        }
    }
}

fn scale(outcome: &Outcome, verdicts: &mut Vec<Verdict>) {
    let what = format!("{} by {} under {}", outcome.workload, outcome.place.name(), outcome.observer.name());
    let gaps = if outcome.is_complete { "complete".to_owned() } else { outcome.gaps.join(", ") };
    verdicts.push(Verdict::holds(format!("{what}, coverage"), "complete", outcome.is_complete, gaps));
    let covered = if outcome.is_covered { "covered" } else { "not covered" };
    verdicts.push(Verdict::holds(format!("{what}, plan"), "covered", outcome.is_covered, covered.to_owned()));
    let resident = mebibytes(outcome.footprint.resident_bytes);
    verdicts.push(Verdict::at_most(format!("{what}, resident memory"), RESIDENT_MIB, resident, " MiB"));
}

#[cfg(test)]
mod tests {
    use super::super::workload::{Description, Measurement};
    use super::*;

    fn report(series: Vec<Series>) -> Report {
        Report {
            host: Vec::new(),
            rounds: 1,
            is_quick: true,
            series,
            scale: Vec::new(),
            large: Vec::new(),
            refused: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    fn series(name: &'static str, observer: Observer, is_rate: bool, measured: f64) -> Series {
        let mut series = Series::new(Description { name, unit: "ns", is_rate }, observer);
        let figure = |figure| Measurement { figure, processor_us: None, footprint: None };
        series.add(figure(measured), figure(100.0));
        series
    }

    #[test]
    fn a_missed_target_says_by_how_much() {
        let verdicts = judge(&report(vec![
            series("open-write", Observer::Tracepoint, false, 110.0),
            series("nginx", Observer::Tracepoint, true, 99.0),
        ]));
        let missed: Vec<_> = verdicts.iter().filter(|verdict| verdict.is_missed()).collect();
        assert_eq!((verdicts.len(), missed.len()), (2, 1));
        assert_eq!(missed[0].to_line(), "open-write under tracepoint: 1.100 (target ≤ 1.06): over by 0.040");
    }

    #[test]
    fn an_unrelated_call_is_compared_with_the_empty_program() {
        let verdicts = judge(&report(vec![
            series("unrelated-call", Observer::EmptyTracepoint, false, 150.0),
            series("unrelated-call", Observer::Tracepoint, false, 180.0),
        ]));
        assert_eq!(verdicts.len(), 1);
        assert!(!verdicts[0].is_missed(), "{}", verdicts[0].to_line());
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        assert!(judge(&report(Vec::new())).is_empty());
    }
}
