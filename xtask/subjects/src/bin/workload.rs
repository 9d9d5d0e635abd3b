//! `workload VERB [ARGUMENT…]`: what `cargo xtask bench` measures.
//!
//! A verb that measures prints one line, `TIMES NANOSECONDS`: how often, and how long all of it took by its own clock.
//! With a file RESULT the line goes there, for subjects whose output nobody passes on.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use subjects::measured::{self, Took, each, repeat};
use subjects::system::EndSignals;

const USAGE: &str =
    "usage: workload open-write|open-read|create-unlink|cheap-call|map-unmap MILLISECONDS PATH
       workload temp-files|directories|processes COUNT DIRECTORY [RESULT]
       workload stamp|touch FILE";

fn main() -> ExitCode {
    // The first act of `stamp`, before anything else takes time.
    let now = SystemTime::now();
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match run(&arguments, now) {
        Ok(Some(took)) => println!("{took}"),
        Ok(None) => {}
        Err(error) => {
            eprintln!("workload: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn run(arguments: &[OsString], now: SystemTime) -> io::Result<Option<Took>> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
    match arguments {
        [verb, file] => match verb.to_str() {
            Some("stamp") => {
                let nanoseconds = now.duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_nanos();
                // Whole or absent: somebody waits for it.
                let unfinished = Path::new(file).with_extension("part");
                fs::write(&unfinished, nanoseconds.to_string())?;
                fs::rename(unfinished, file)?;
                Ok(None)
            }
            Some("touch") => fs::write(file, "x").map(|()| None),
            _ => Err(usage()),
        },
        [verb, number, path, result @ ..] if result.len() <= 1 => {
            let number = number.to_str().and_then(|number| number.parse().ok()).ok_or_else(usage)?;
            if !result.is_empty() {
                // The first process of a container takes no notice of a signal unless it asks for it.
                let signals = EndSignals::hold_back()?;
                std::thread::spawn(move || signals.wait().map(|()| std::process::exit(143)));
            }
            let took =
                measure(verb.to_str().unwrap_or_default(), number, Path::new(path)).ok_or_else(usage)??;
            match result {
                [result] => fs::write(result, took.to_string()).map(|()| None),
                _ => Ok(Some(took)),
            }
        }
        _ => Err(usage()),
    }
}

fn measure(verb: &str, number: u64, path: &Path) -> Option<io::Result<Took>> {
    let span = Duration::from_millis(number);
    Some(match verb {
        "open-write" => repeat(span, || measured::open_for_writing(path)),
        "open-read" => repeat(span, || measured::open_for_reading(path)),
        "create-unlink" => repeat(span, || measured::create_and_unlink(path)),
        "cheap-call" => repeat(span, || {
            measured::cheap_call();
            Ok(())
        }),
        "map-unmap" => repeat(span, measured::map_and_unmap),
        "temp-files" => each(number, |n| measured::create_and_unlink(&path.join(format!("temp-{n}")))),
        "directories" => each(number, |n| {
            let directory = path.join(format!("directory-{n}"));
            fs::create_dir(&directory)?;
            fs::write(directory.join("file"), "x")
        }),
        "processes" => each(number, |n| measured::write_in_a_process(&path.join(format!("written-{n}")))),
        _ => return None,
    })
}
