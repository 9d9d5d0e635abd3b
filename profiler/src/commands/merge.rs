//! `writepath merge`: the union of any number of profiles of one subject.
//!
//! Reads one profile at a time, and holds no other but the union. A file may hold several, one after the other, as the
//! standard outputs of many runs do when they are joined.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use reports::{
    merge::{MergeError, Mixing, Union},
    model::{MAX_PROFILE_BYTES, Profile},
};
use serde_json::value::RawValue;

use super::Status;
use crate::{
    cli::MergeArgs,
    failure::{Failure, Kind},
    output,
    ui::Ui,
};

/// The longest list of files that is read, in bytes.
const MAX_LIST_BYTES: u64 = 64 << 20;

/// What is not larger is read whole, which is faster.
const WHOLE_BYTES: u64 = 64 << 20;

const WHAT_A_PROFILE_IS: &str = "a profile is what `writepath run -o FILE` writes";

/// Runs the command. The union of a profile that is incomplete is incomplete, and the status says so.
pub(crate) fn run(args: &MergeArgs, ui: Ui) -> Result<Status, Failure> {
    output::check_writable(&args.output)?;
    let mut sources = args.profiles.clone();
    for list in &args.files_from {
        sources.extend(listed(list)?);
    }
    let mut union = Union::new(if args.force { Mixing::Allowed } else { Mixing::Refused });
    let mut files = 0_usize;
    for source in &sources {
        for file in files_of(source)? {
            add(&file, &mut union)?;
            files += 1;
            ui.detail(&format!(
                "{}: {} runs, {} operations so far",
                file.display(),
                union.runs(),
                union.operations()
            ));
        }
    }
    let Some(profile) = union.finish() else {
        return Err(Failure::new(Kind::Usage, "there is no profile to merge")
            .hint("name profiles, directories with profiles (*.json), or a list of them with --files-from"));
    };
    let bytes = profile.to_json().map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    output::write(&args.output, &bytes)?;
    let runs = profile.run.merged.as_ref().map_or(0, |merged| merged.runs.len());
    ui.note(&format!(
        "merged {} ({}): {} operations, {} capabilities",
        count(files, "file"),
        count(runs, "run"),
        profile.writes.len(),
        profile.capabilities.len()
    ));
    for gap in &profile.coverage.gaps {
        ui.warn(&format!("the union is incomplete: {} × {} ({})", gap.count, gap.message, gap.code));
    }
    Ok(if profile.coverage.complete { 0 } else { Kind::Incomplete.status() })
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> Failure {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    Failure::new(Kind::Usage, format!("{name}: {why}"))
}

/// The paths in a list, one in a line.
fn listed(list: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut text = String::new();
    let (mut stdin, mut file);
    let source: &mut dyn Read = if list == Path::new("-") {
        stdin = io::stdin().lock();
        &mut stdin
    } else {
        file = File::open(list).map_err(|error| unreadable(list, error))?;
        &mut file
    };
    source.take(MAX_LIST_BYTES + 1).read_to_string(&mut text).map_err(|error| unreadable(list, error))?;
    if text.len() as u64 > MAX_LIST_BYTES {
        return Err(unreadable(list, format_args!("a list of more than {} MiB", MAX_LIST_BYTES >> 20)));
    }
    Ok(text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect())
}

/// The path itself, or the profiles in the directory that it is: `*.json`, but for hidden ones, which are being written.
fn files_of(source: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !source.is_dir() {
        return Ok(vec![source.to_path_buf()]);
    }
    let is_profile = |path: &PathBuf| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension().is_some_and(|extension| extension == "json") && !path.is_dir()
    };
    let entries = std::fs::read_dir(source).map_err(|error| unreadable(source, error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.map_err(|error| unreadable(source, error))?;
    paths.retain(is_profile);
    paths.sort();
    if paths.is_empty() {
        return Err(unreadable(source, "the directory has no *.json"));
    }
    Ok(paths)
}

/// Adds the profiles in a file, or in standard input where it is `-`.
fn add(path: &Path, union: &mut Union) -> Result<(), Failure> {
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|error| unreadable(path, error))?)
    };
    let mut bytes = Vec::new();
    source.by_ref().take(WHOLE_BYTES).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    let mut document = 0_usize;
    if (bytes.len() as u64) < WHOLE_BYTES {
        let documents = serde_json::Deserializer::from_slice(&bytes).into_iter::<&RawValue>();
        for next in documents {
            document += 1;
            match next {
                Ok(text) => add_profile(path, document, text.get().as_bytes(), union)?,
                // Whoever reads profiles tells better what is wrong with one that stands alone.
                Err(_) if document == 1 => add_profile(path, document, &bytes, union)?,
                Err(error) => return Err(no_json(path, document, &error)),
            }
        }
    } else {
        let left = Rc::new(Cell::new(MAX_PROFILE_BYTES));
        let source = BufReader::with_capacity(1 << 16, io::Cursor::new(bytes).chain(source));
        let bounded = Bounded { source, left: Rc::clone(&left) };
        let documents = serde_json::Deserializer::from_reader(bounded).into_iter::<Box<RawValue>>();
        for next in documents {
            document += 1;
            let text = next.map_err(|error| no_json(path, document, &error))?;
            add_profile(path, document, text.get().as_bytes(), union)?;
            left.set(MAX_PROFILE_BYTES);
        }
    }
    if document == 0 {
        return Err(unreadable(path, "it is empty").hint(WHAT_A_PROFILE_IS));
    }
    Ok(())
}

/// Adds the `number`th profile of a file. Where that is not the first, lines are counted from its own beginning.
fn add_profile(path: &Path, number: usize, text: &[u8], union: &mut Union) -> Result<(), Failure> {
    let profile =
        Profile::from_json(text).map_err(|error| nth(path, number, &error).hint(WHAT_A_PROFILE_IS))?;
    union.add(profile).map_err(|error| {
        let failure = nth(path, number, &error);
        match error {
            MergeError::Mismatch(_) => failure.hint("merge profiles of one subject, or say --force"),
            MergeError::TooLarge { .. } => failure,
        }
    })
}

fn no_json(path: &Path, number: usize, error: &serde_json::Error) -> Failure {
    nth(path, number, error).hint(WHAT_A_PROFILE_IS)
}

fn nth(path: &Path, number: usize, why: &dyn std::fmt::Display) -> Failure {
    match number {
        0 | 1 => unreadable(path, why),
        _ => unreadable(path, format_args!("profile {number}: {why}")),
    }
}

/// A source of which no more can be read than is left.
struct Bounded<R> {
    source: BufReader<R>,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.source.fill_buf()?;
        let length = available.len().min(into.len());
        if length > self.left.get() {
            return Err(io::Error::other(format!(
                "a profile is larger than {} MiB",
                MAX_PROFILE_BYTES >> 20
            )));
        }
        let (Some(to), Some(from)) = (into.get_mut(..length), available.get(..length)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.source.consume(length);
        self.left.set(self.left.get() - length);
        Ok(length)
    }
}
