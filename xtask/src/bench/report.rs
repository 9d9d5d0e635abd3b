//! What was measured: figures of each round, as a table for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::footprint::Footprint;
use super::large;
use super::observers::Observer;
use super::scale::Outcome;
use super::statistics::Spread;
use super::targets::Verdict;
use super::workload::{Description, Measurement};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// One workload under one observer, round by round.
pub(super) struct Series {
    pub(super) description: Description,
    pub(super) observer: Observer,
    pub(super) figures: Vec<f64>,
    /// Each figure by the bare one of the same round.
    pub(super) ratios: Vec<f64>,
    /// Processor time, likewise; empty where it is not measured.
    pub(super) processor_ratios: Vec<f64>,
    /// Processor time in microseconds.
    pub(super) processor_us: Vec<f64>,
    /// The greatest of each over all rounds.
    pub(super) footprint: Option<Footprint>,
    /// Processor shares of our own observer, round by round.
    pub(super) processor_shares: Vec<f64>,
    /// Rounds that failed, with the reason.
    pub(super) failures: Vec<String>,
}

impl Series {
    pub(super) fn new(description: Description, observer: Observer) -> Self {
        Self {
            description,
            observer,
            figures: Vec::new(),
            ratios: Vec::new(),
            processor_ratios: Vec::new(),
            processor_us: Vec::new(),
            footprint: None,
            processor_shares: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Takes a round in.
    pub(super) fn add(&mut self, measurement: Measurement, bare: Measurement) {
        let Measurement { figure, processor_us, footprint } = measurement;
        self.figures.push(figure);
        self.ratios.push(figure / bare.figure);
        if let (Some(processor_us), Some(bare_us)) = (processor_us, bare.processor_us) {
            self.processor_us.push(processor_us);
            self.processor_ratios.push(processor_us / bare_us);
        }
        if let Some(footprint) = footprint {
            self.processor_shares.push(footprint.processor_share);
            self.footprint = Some(self.footprint.map_or(footprint, |before| before.max(footprint)));
        }
    }

    fn to_json(&self) -> Value {
        let Self { description, observer, figures, ratios, footprint, processor_shares, failures, .. } = self;
        let Self { processor_us, processor_ratios, .. } = self;
        let Description { name, unit, is_rate } = description;
        json!({ "workload": name, "observer": observer.name(), "unit": unit,
                "better": if *is_rate { "higher" } else { "lower" },
                "figures": figures, "figure": Spread::of(figures).map(Spread::to_json),
                "ratios": ratios, "ratio": Spread::of(ratios).map(Spread::to_json),
                "processor_us": processor_us, "processor_ratios": processor_ratios,
                "processor_ratio": Spread::of(processor_ratios).map(Spread::to_json),
                "footprint": footprint.map(Footprint::to_json),
                "processor_shares": Spread::of(processor_shares).map(Spread::to_json), "failures": failures })
    }
}

/// Everything that a run of the benchmarks found.
pub(super) struct Report {
    /// Kernel, processors, daemon.
    pub(super) host: Vec<(&'static str, String)>,
    pub(super) rounds: u32,
    pub(super) is_quick: bool,
    pub(super) series: Vec<Series>,
    pub(super) scale: Vec<Outcome>,
    pub(super) large: Vec<large::Outcome>,
    /// What could not be measured here, and why.
    pub(super) refused: Vec<(String, String)>,
    pub(super) verdicts: Vec<Verdict>,
}

impl Report {
    /// The series of a workload under an observer.
    pub(super) fn series(&self, workload: &str, observer: Observer) -> Option<&Series> {
        self.series.iter().find(|series| series.description.name == workload && series.observer == observer)
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { host, rounds, is_quick, series, scale, large, refused, verdicts } = self;
        let host: serde_json::Map<_, _> =
            host.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let refused: Vec<_> =
            refused.iter().map(|(what, reason)| json!({ "what": what, "reason": reason })).collect();
        json!({ "schema": "writepath.bench/v1", "host": host, "rounds": rounds, "quick": is_quick,
                "series": series.iter().map(Series::to_json).collect::<Vec<_>>(),
                "scale": scale.iter().map(Outcome::to_json).collect::<Vec<_>>(),
                "large": large.iter().map(large::Outcome::to_json).collect::<Vec<_>>(),
                "refused": refused, "targets": verdicts.iter().map(Verdict::to_json).collect::<Vec<_>>() })
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.host {
            let _ = writeln!(text, "{key}: {value}");
        }
        if self.is_quick {
            text.push_str(
                "quick: short measurements and small numbers, good for finding out whether it works\n",
            );
        }
        text.push_str(&self.series_text());
        text.push_str(&self.scale_text());
        text.push_str(&self.footprint_text());
        if !self.large.is_empty() {
            let rows = self.large.iter().map(large::Outcome::row).collect();
            text.push_str("\nLarge profiles, once each\n");
            text.push_str(&table(&["workload", "profiles", "MiB in all", "s", "peak MiB"], rows));
        }
        if !self.refused.is_empty() {
            text.push_str("\nNot measured here\n");
            for (what, reason) in &self.refused {
                let _ = writeln!(text, "  {what}: {reason}");
            }
        }
        if !self.verdicts.is_empty() {
            text.push_str("\nTargets\n");
            let rows = self.verdicts.iter().map(Verdict::row).collect();
            text.push_str(&table(&["", "what", "target", "measured", ""], rows));
        }
        text
    }

    fn series_text(&self) -> String {
        let mut rows = Vec::new();
        let mut failures = String::new();
        for series in &self.series {
            let name = format!("{} under {}", series.description.name, series.observer.name());
            for failure in &series.failures {
                let _ = writeln!(failures, "  a round failed: {name}: {failure}");
            }
            let (Some(figure), Some(ratio)) = (Spread::of(&series.figures), Spread::of(&series.ratios))
            else {
                continue;
            };
            rows.push(vec![
                series.description.name.to_owned(),
                series.observer.name(),
                figure.n.to_string(),
                format!("{} {}", number(figure.median), series.description.unit),
                format!("{:.3}", ratio.median),
                format!("{:.3}–{:.3}", ratio.lower_quartile, ratio.upper_quartile),
                format!("{:.3}–{:.3}", ratio.min, ratio.max),
                Spread::of(&series.processor_ratios)
                    .map_or_else(String::new, |ratio| format!("{:.3}", ratio.median)),
                Spread::of(&series.processor_ratios).map_or_else(String::new, |ratio| {
                    format!("{:.3}–{:.3}", ratio.lower_quartile, ratio.upper_quartile)
                }),
            ]);
        }
        if rows.is_empty() && failures.is_empty() {
            return String::new();
        }
        let head = [
            "workload",
            "observer",
            "n",
            "median",
            "ratio to bare",
            "quartiles",
            "min–max",
            "CPU ratio",
            "quartiles",
        ];
        format!(
            "\nMedians; ratios are to the bare run of the same round; CPU is what the measured processes used, without a tracer's own\n{}{failures}",
            table(&head, rows)
        )
    }

    fn scale_text(&self) -> String {
        let rows: Vec<_> = self
            .scale
            .iter()
            .map(|outcome| {
                vec![
                    outcome.workload.to_owned(),
                    outcome.place.name().to_owned(),
                    outcome.observer.name(),
                    outcome.count.to_string(),
                    format!("{} µs", number(outcome.observed_us)),
                    format!("{:.3}", outcome.ratio()),
                    if outcome.is_complete { "complete".to_owned() } else { outcome.gaps.join(", ") },
                    if outcome.is_covered { "covered" } else { "NOT COVERED" }.to_owned(),
                    format!("{:.1}", mebibytes(outcome.footprint.resident_bytes)),
                    format!("{:.1}", mebibytes(outcome.footprint.peak_bytes)),
                    format!("{:.1} %", outcome.footprint.processor_share * 100.0),
                    format!("{:.1}", mebibytes(outcome.profile_bytes)),
                ]
            })
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        let head = [
            "workload",
            "by",
            "observer",
            "count",
            "each",
            "ratio to bare",
            "coverage",
            "plan",
            "RSS MiB",
            "peak MiB",
            "CPU",
            "profile MiB",
        ];
        format!("\nGreat numbers, once each\n{}", table(&head, rows))
    }

    fn footprint_text(&self) -> String {
        let rows: Vec<_> = self
            .series
            .iter()
            .filter_map(|series| {
                let footprint = series.footprint?;
                let share = Spread::of(&series.processor_shares)?;
                Some(vec![
                    series.description.name.to_owned(),
                    series.observer.name(),
                    format!("{:.1}", mebibytes(footprint.resident_bytes)),
                    format!("{:.1}", mebibytes(footprint.peak_bytes)),
                    format!("{:.1}", mebibytes(footprint.maps_bytes)),
                    format!("{:.2} %", share.median * 100.0),
                    format!("{:.2}–{:.2} %", share.min * 100.0, share.max * 100.0),
                ])
            })
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        let head = ["under load", "observer", "RSS MiB", "peak MiB", "BPF maps MiB", "CPU median", "min–max"];
        format!("\nWhat writepath itself takes (memory: the greatest of all rounds)\n{}", table(&head, rows))
    }
}

/// Bytes in MiB.
pub(super) fn mebibytes(bytes: u64) -> f64 {
    // Exact up to 2^53.
    bytes as f64 / MEBIBYTE
}

/// Three or more digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        value_abs if value_abs >= 100.0 => format!("{value:.0}"),
        value_abs if value_abs >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Columns side by side, as wide as their widest entry.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head: Vec<String> = head.iter().map(|&title| title.to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_not_bytes() {
        let rows = vec![vec!["µ".to_owned(), "1".to_owned()], vec!["long".to_owned(), "2".to_owned()]];
        assert_eq!(table(&["a", "b"], rows), "  a     b\n  µ     1\n  long  2\n");
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let description = Description { name: "x", unit: "ns", is_rate: false };
        let figure = |figure| Measurement { figure, processor_us: None, footprint: None };
        let mut series = Series::new(description, Observer::Tracepoint);
        series.add(figure(3.0), figure(2.0));
        series.add(figure(8.0), figure(4.0));
        assert_eq!(series.ratios, [1.5, 2.0]);
        assert_eq!(series.to_json()["ratio"]["median"], 1.75);
    }
}
