//! The course of the run as bars: its phases, when kinds of operations were first seen, when each place was written and
//! when each capability was asked for.
//!
//! Owns the scale: every bar is drawn on [`WIDTH`] units, whatever the run took, and stretched to the room there is, so that
//! text beside it stays as it is. A profile knows of each kind of operation when it was first and last seen; between the
//! two a bar is pale. At most [`LANES`] places are drawn, the rest is counted.

use std::collections::BTreeMap;

use super::place::{Mounted, Mounts};
use super::words;
use crate::model::{Phase, Profile, SubjectPath, Verdict};
use crate::plan::Plan;

/// The units that the whole run takes.
const WIDTH: u64 = 1000;
/// Columns of the histogram.
const BINS: u64 = 100;
/// The height of the histogram, in units.
const HEIGHT: u64 = 100;
/// How many places are drawn at most.
const LANES: usize = 40;
/// How many marks are drawn in a bar at most.
const MARKS: usize = 200;
/// The width of what takes no time, in units.
const LEAST: u64 = 3;

/// The timeline.
pub(super) struct Timeline {
    pub(super) phases: Vec<Stretch>,
    pub(super) columns: Vec<Column>,
    /// The number that the highest column stands for.
    pub(super) highest: String,
    pub(super) places: Vec<Lane>,
    /// Places that are not drawn.
    pub(super) more: usize,
    pub(super) capabilities: Vec<Lane>,
    /// Moments to write below it.
    pub(super) ticks: Vec<String>,
    pub(super) duration: String,
}

/// A phase.
pub(super) struct Stretch {
    pub(super) bar: Bar,
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    pub(super) when: String,
    pub(super) took: String,
}

/// A bar, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: u64,
    pub(super) width: u64,
}

/// A column of the histogram, in units.
pub(super) struct Column {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) height: u64,
}

/// One place or capability.
pub(super) struct Lane {
    pub(super) name: String,
    /// What it is, in a few words.
    pub(super) kind: &'static str,
    pub(super) class: &'static str,
    /// From the first to the last time.
    pub(super) whole: Bar,
    /// First times.
    pub(super) marks: Vec<Bar>,
    pub(super) when: String,
    pub(super) count: String,
}

/// Makes the timeline.
pub(super) fn timeline(profile: &Profile, plan: &Plan) -> Timeline {
    let scale = Scale::of(profile);
    let phases = profile.run.phases.iter().map(|span| Stretch {
        bar: scale.bar(span.start_ms, span.end_ms),
        class: match span.phase {
            Phase::Startup => "startup",
            Phase::Steady => "steady",
            Phase::Shutdown => "shutdown",
        },
        name: words::phase(span.phase),
        when: words::span(span.start_ms, span.end_ms),
        took: words::duration(span.end_ms.saturating_sub(span.start_ms)),
    });
    let (columns, highest) = histogram(profile, scale);
    let (places, more) = places(profile, plan, scale);
    Timeline {
        phases: phases.take(LANES).collect(),
        columns,
        highest: words::number(highest),
        places,
        more,
        capabilities: capabilities(profile, scale),
        ticks: (0..=4)
            .map(|quarter| {
                words::duration(u64::try_from(u128::from(scale.0) * quarter / 4).unwrap_or(scale.0))
            })
            .collect(),
        duration: words::duration(scale.0),
    }
}

/// How long the drawn time is, in milliseconds; never 0.
#[derive(Clone, Copy)]
struct Scale(u64);

impl Scale {
    fn of(profile: &Profile) -> Self {
        let ends = profile.run.phases.iter().map(|span| span.end_ms);
        Self(ends.chain([profile.run.duration_ms, 1]).max().unwrap_or(1))
    }

    fn at(self, ms: u64, units: u64) -> u64 {
        let scaled = u128::from(ms.min(self.0)) * u128::from(units) / u128::from(self.0);
        u64::try_from(scaled).unwrap_or(units)
    }

    fn bar(self, first_ms: u64, last_ms: u64) -> Bar {
        let (first, last) = (self.at(first_ms, WIDTH), self.at(last_ms, WIDTH));
        let x = first.min(WIDTH - LEAST);
        Bar { x, width: last.saturating_sub(x).max(LEAST) }
    }
}

fn histogram(profile: &Profile, scale: Scale) -> (Vec<Column>, u64) {
    let mut bins = [0u64; BINS as usize];
    for write in &profile.writes {
        let bin = scale.at(write.first_ms, BINS).min(BINS - 1);
        if let Some(bin) = usize::try_from(bin).ok().and_then(|bin| bins.get_mut(bin)) {
            *bin = bin.saturating_add(1);
        }
    }
    let highest = bins.iter().copied().max().unwrap_or(0);
    let columns = (0u64..).zip(bins).filter(|(_, count)| *count > 0).map(|(index, count)| {
        // Square roots, so that what happens once can be seen beside a start-up that makes a thousand files.
        let height = ((count as f64).sqrt() / (highest as f64).sqrt() * HEIGHT as f64).round() as u64;
        let height = height.clamp(4, HEIGHT);
        Column { x: index * (WIDTH / BINS), y: HEIGHT - height, height }
    });
    (columns.collect(), highest)
}

/// What is known of one lane so far.
#[derive(Default)]
struct Seen {
    spans: Vec<(u64, u64)>,
    count: u64,
}

impl Seen {
    fn add(&mut self, first_ms: u64, last_ms: u64, count: u64) {
        self.spans.push((first_ms, last_ms));
        self.count = self.count.saturating_add(count);
    }

    fn lane(self, name: String, kind: &'static str, class: &'static str, scale: Scale) -> Lane {
        let first = self.spans.iter().map(|span| span.0).min().unwrap_or(0);
        let last = self.spans.iter().map(|span| span.1).max().unwrap_or(0);
        let mut marks: Vec<Bar> = self.spans.iter().map(|span| scale.bar(span.0, span.0)).collect();
        marks.sort_by_key(|mark| mark.x);
        marks.dedup_by(|next, mark| {
            let touches = next.x <= mark.x + mark.width;
            if touches {
                mark.width = next.x + next.width - mark.x;
            }
            touches
        });
        marks.truncate(MARKS);
        Lane {
            name,
            kind,
            class,
            whole: scale.bar(first, last),
            marks,
            when: words::span(first, last),
            count: words::times(self.count),
        }
    }
}

fn places(profile: &Profile, plan: &Plan, scale: Scale) -> (Vec<Lane>, usize) {
    let mounts = Mounts::of(profile, plan);
    let mut seen: BTreeMap<(Mounted, &[u8]), Seen> = BTreeMap::new();
    for write in profile.writes.iter().filter(|write| write.succeeded()) {
        let (target, mounted) = mounts.around(&write.path);
        // Devices and the like are one lane for all.
        let target = if mounted == Mounted::Kernel { b"/" } else { target };
        seen.entry((mounted, target)).or_default().add(write.first_ms, write.last_ms, write.count);
    }
    let more = seen.len().saturating_sub(LANES);
    let lanes = seen.into_iter().take(LANES).map(|((mounted, target), seen)| {
        let name = match mounted {
            Mounted::Kernel => "/proc, /sys, /dev".to_owned(),
            _ => SubjectPath::from_bytes(target)
                .map(|target| words::short(&target.to_string()))
                .unwrap_or_default(),
        };
        seen.lane(name, mounted.name(), mounted.class(), scale)
    });
    (lanes.collect(), more)
}

fn capabilities(profile: &Profile, scale: Scale) -> Vec<Lane> {
    let lanes = profile.capabilities.iter().take(LANES).map(|capability| {
        let (kind, class) = match capability.verdict {
            Verdict::Required => ("needed", "needed"),
            Verdict::Opportunistic => ("made no difference", "other"),
            Verdict::Attempted => ("asked for in vain", "other"),
        };
        let mut seen = Seen::default();
        for check in &capability.evidence {
            seen.add(check.first_ms, check.last_ms, check.count);
        }
        (capability.verdict, seen.lane(words::short(&capability.cap), kind, class, scale))
    });
    let mut lanes: Vec<(Verdict, Lane)> = lanes.collect();
    lanes.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
    lanes.into_iter().map(|(_, lane)| lane).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_on_the_scale_whatever_a_profile_says() {
        for (whole, first, last, want) in [
            (1000, 0, 1000, Bar { x: 0, width: 1000 }),
            (1000, 500, 500, Bar { x: 500, width: LEAST }),
            (1000, 1000, 1000, Bar { x: WIDTH - LEAST, width: LEAST }),
            (1, 0, 0, Bar { x: 0, width: LEAST }),
            (1000, 900, 100, Bar { x: 900, width: LEAST }),
            (u64::MAX, 0, u64::MAX, Bar { x: 0, width: 1000 }),
            (10, u64::MAX, u64::MAX, Bar { x: WIDTH - LEAST, width: LEAST }),
        ] {
            assert_eq!(Scale(whole).bar(first, last), want, "{whole} {first} {last}");
        }
    }
}
