//! System calls in a loop, in a fresh process for each measurement: in the subject, or in a process that has nothing to
//! do with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::loads;
use super::subject::Held;
use super::workload::{Description, Measurement, Observation, Workload};

/// Name of the workload, verb of the program, whether it runs in the subject.
const LOOPS: [(&str, &str, bool); 6] = [
    ("open-write", "open-write", true),
    ("open-read", "open-read", true),
    ("create-unlink", "create-unlink", true),
    ("map-unmap", "map-unmap", true),
    ("unrelated-call", "cheap-call", true),
    ("unrelated-process", "cheap-call", false),
];

/// A loop.
struct Loop {
    name: &'static str,
    verb: &'static str,
    in_subject: bool,
    program: PathBuf,
    directory: PathBuf,
    milliseconds: u32,
    processors: String,
}

/// The names of all loops.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LOOPS.iter().map(|(name, ..)| *name)
}

/// The loop of this name: each measurement takes that many milliseconds, files are made in the directory.
pub(super) fn workload(
    name: &str,
    program: &Path,
    directory: &Path,
    milliseconds: u32,
    processors: &str,
) -> Option<Box<dyn Workload>> {
    let &(name, verb, in_subject) = LOOPS.iter().find(|(known, ..)| *known == name)?;
    Some(Box::new(Loop {
        name,
        verb,
        in_subject,
        program: program.to_owned(),
        directory: directory.to_owned(),
        milliseconds,
        processors: processors.to_owned(),
    }))
}

impl Workload for Loop {
    fn description(&self) -> Description {
        Description { name: self.name, unit: "ns", is_rate: false }
    }

    fn measure(&mut self, observation: &Observation<'_>) -> Result<Measurement> {
        let file = self.directory.join(self.verb);
        if self.verb.starts_with("open") {
            std::fs::write(&file, "x")?;
        }
        let mut work = Command::new(&self.program);
        work.arg(self.verb).arg(self.milliseconds.to_string()).arg(&file);
        let mut held = Held::start(&work, &self.processors)?;
        // Where the load runs elsewhere, the subject is held all the time.
        let idle = if self.in_subject { None } else { Some(Held::start(&work, &self.processors)?) };
        let attached = observation.attach(&idle.as_ref().unwrap_or(&held).subject)?;
        let before = held.subject.processor_us()?;
        let output = held.release()?;
        let used = held.subject.processor_us()? - before;
        let footprint = attached.end()?;
        let (times, figure) = loads::workload(&output)?;
        Ok(Measurement { figure, processor_us: Some(used / times), footprint })
    }
}
