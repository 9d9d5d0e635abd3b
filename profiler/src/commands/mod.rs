//! One file per command of the command line.

pub(crate) mod attach;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod recommend;
pub(crate) mod run;

use std::{io::Read, path::Path};

use reports::model::{MAX_PROFILE_BYTES, Profile};

use crate::{
    cli::TrainingArgs,
    failure::{Failure, Kind},
    output,
    sensor::SensorOptions,
    training::{Trained, TrainingOptions},
    ui::Ui,
};

/// The exit status of a command that went through.
pub(crate) type Status = u8;

/// Reads a profile from a file, or from standard input where it is `-`.
fn read_profile(path: &Path) -> Result<Profile, Failure> {
    let unreadable = |why: String| {
        Failure::new(Kind::Usage, format!("{}: {why}", path.display()))
            .hint("a profile is what `writepath run -o FILE` writes")
    };
    let mut bytes = Vec::new();
    let limit = MAX_PROFILE_BYTES as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| unreadable(error.to_string()))?;
    Profile::from_json(&bytes).map_err(|error| unreadable(error.to_string()))
}

fn training_options(args: &TrainingArgs) -> TrainingOptions {
    TrainingOptions {
        load: args.load.clone(),
        ready: args.ready.clone(),
        ready_timeout: args.ready_timeout,
        duration: args.duration,
        stop_timeout: args.stop_timeout,
        sensor: SensorOptions {
            ring_bytes: args.ring_size * 1024,
            table_entries: args.table_size,
            hooks: args.sensor,
            ..SensorOptions::default()
        },
    }
}

/// Writes the profile of a run and tells what it amounts to.
fn conclude(trained: Trained, path: &Path, ui: Ui) -> Result<Status, Failure> {
    let Trained { profile, finding } = trained;
    let bytes = profile.to_json().map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    output::write(path, &bytes)?;
    if path != Path::new("-") {
        ui.note(&format!(
            "wrote {}: {} operations, {} capabilities; see `writepath recommend {}`",
            path.display(),
            profile.writes.len(),
            profile.capabilities.len(),
            path.display()
        ));
    }
    for gap in &profile.coverage.gaps {
        ui.warn(&format!("the profile is incomplete: {} × {} ({})", gap.count, gap.message, gap.code));
    }
    match finding {
        Some(failure) => Err(failure),
        None if !profile.coverage.complete => Ok(Kind::Incomplete.status()),
        None => Ok(0),
    }
}
