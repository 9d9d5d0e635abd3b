//! A parallel build: `make -j2` of a C project that is generated here, many processes and many small files.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use super::directory;
use super::subject::Held;
use super::workload::{Description, Measurement, Observation, Workload};
use crate::packages::{self, Package};

/// The name of the workload.
pub(super) const NAME: &str = "build";

/// A project in a directory of its own.
pub(super) struct Build {
    directory: tempfile::TempDir,
}

impl Build {
    /// Generates a project of so many source files.
    pub(super) fn prepare(files: u32) -> Result<Self> {
        packages::ensure(&[
            Package::program("gcc", "gcc"),
            Package::program("make", "make"),
            Package::library("libc6-dev"),
        ])?;
        let directory = directory::temporary()?;
        let objects: Vec<String> = (0..files).map(|file| format!("part{file}.o")).collect();
        for file in 0..files {
            fs::write(directory.path().join(format!("part{file}.c")), source(file))?;
        }
        let objects = objects.join(" ");
        let makefile = format!(
            "all: libparts.a\nlibparts.a: {objects}\n\trm -f $@\n\tar rcs $@ {objects}\n%.o: %.c\n\tgcc -O1 -c -o $@ $<\n"
        );
        fs::write(directory.path().join("Makefile"), makefile)?;
        Ok(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// One source file: standard headers and functions enough that the compiler has something to do.
fn source(file: u32) -> String {
    let mut text =
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n#include <unistd.h>\n"
            .to_owned();
    for function in 0..40 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "int part{file}_{function}(int n) {{ int s = 0; for (int i = 0; i < n; i++) {{ s += (i * {function}) ^ (s >> 3); \
             if (s % 7 == 0) s -= (int)strlen(\"part\"); }} return s; }}"
        );
    }
    text
}

impl Workload for Build {
    fn description(&self) -> Description {
        Description { name: NAME, unit: "s", is_rate: false }
    }

    fn measure(&mut self, observation: &Observation<'_>) -> Result<Measurement> {
        let mut make = Command::new("make");
        make.args(["--silent", "--always-make", "-j2"]).current_dir(self.path());
        let processors = format!("0-{}", super::processor_count() - 1);
        let mut held = Held::start(&make, &processors)?;
        let attached = observation.attach(&held.subject)?;
        let before = held.subject.processor_us()?;
        let start = Instant::now();
        held.release()?;
        let figure = start.elapsed().as_secs_f64();
        let processor_us = held.subject.processor_us()? - before;
        let footprint = attached.end()?;
        Ok(Measurement { figure, processor_us: Some(processor_us), footprint })
    }
}
