//! One file per command of the command line.

pub(crate) mod attach;
pub(crate) mod completions;
pub(crate) mod compose;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod man;
pub(crate) mod merge;
mod overrides;
pub(crate) mod recommend;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod verify;
mod verify_project;

use std::{io::Read, path::Path};

use reports::{
    model::{MAX_PROFILE_BYTES, Profile},
    plan::{Plan, with_alternative},
};

use crate::{
    cli::{CourseArgs, TrainingArgs},
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
    let bytes = read_bytes(path).map_err(|error| unreadable(error.to_string()))?;
    Profile::from_json(&bytes).map_err(|error| unreadable(error.to_string()))
}

/// The content of a file, or of standard input where it is `-`: as much of it as a profile may have, and one byte more.
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MAX_PROFILE_BYTES as u64 + 1;
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The plan under its alternative of that kind.
fn alternative(plan: &Plan, kind: &str) -> Result<Plan, Failure> {
    with_alternative(plan, kind).ok_or_else(|| {
        let kinds: Vec<&str> =
            plan.alternatives.iter().map(|alternative| alternative.kind.as_str()).collect();
        let message = match plan.alternatives.iter().find(|alternative| alternative.kind == kind) {
            Some(_) => format!("--alternative {kind}: the profile does not tell which user that would be"),
            None if kinds.is_empty() => format!("--alternative {kind}: the plan has no alternatives"),
            None => format!("--alternative {kind}: the plan has only {}", kinds.join(", ")),
        };
        Failure::new(Kind::Usage, message)
    })
}

fn training_options(args: &TrainingArgs) -> TrainingOptions {
    course_options(&args.course)
}

fn course_options(args: &CourseArgs) -> TrainingOptions {
    TrainingOptions {
        load: args.load.clone(),
        ready: args.ready.clone(),
        ready_timeout: args.ready_timeout,
        load_timeout: args.load_timeout,
        duration: args.duration,
        stop_timeout: args.stop_timeout,
        hasty: false,
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
    let Trained { profile, finding, last_lines: _ } = trained;
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
