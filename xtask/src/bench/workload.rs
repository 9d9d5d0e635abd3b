//! What is measured under every observer: one figure each time, for instance nanoseconds per call or requests a second.

use anyhow::Result;

use super::footprint::Footprint;
use super::observers::{Attached, Observer, Tools};
use super::subject::Subject;

/// What a workload's figure means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Description {
    /// As `--workload` takes it.
    pub(super) name: &'static str,
    /// Unit of the figure.
    pub(super) unit: &'static str,
    /// Whether a greater figure is better: a rate, not a time.
    pub(super) is_rate: bool,
}

/// One figure, and what our observer cost meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measurement {
    pub(super) figure: f64,
    /// Processor time of the measured processes in microseconds, for as much work as in every other measurement. Unlike
    /// the figure it hardly depends on what else the host does, but what a tracer does in its own process is not in it.
    pub(super) processor_us: Option<f64>,
    pub(super) footprint: Option<Footprint>,
}

/// An observer, ready to be attached.
pub(super) struct Observation<'a> {
    pub(super) observer: Observer,
    pub(super) tools: &'a Tools,
}

impl Observation<'_> {
    /// Attaches it.
    pub(super) fn attach(&self, subject: &Subject) -> Result<Attached> {
        self.observer.attach(self.tools, subject)
    }
}

/// Something to measure. Dropping it ends what it started.
pub(super) trait Workload {
    /// What its figure means.
    fn description(&self) -> Description;

    /// Measures once under the observer.
    ///
    /// # Errors
    /// Where the observer cannot be attached or the load fails.
    fn measure(&mut self, observation: &Observation<'_>) -> Result<Measurement>;
}
