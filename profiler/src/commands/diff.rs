//! `writepath diff`: what a new release writes, uses or needs that an old one did not.
//!
//! Compares two profiles or plans, or two directories of them, one file per service. Says by its exit status whether
//! something new was found that the baseline does not accept.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use reports::{
    diff::{Baseline, Diff, DiffOptions, FailOn, Input, MAX_BASELINE_BYTES, diff, diff_projects, render},
    text::printable,
};

use super::{Status, read_bytes};
use crate::{
    cli::DiffArgs,
    failure::{Failure, Kind},
    output,
    ui::Ui,
};

/// How many services a directory may have.
const MAX_SERVICES: usize = 4096;

/// Runs the command. A finding goes before an incomplete profile: it is one whatever else was not seen.
pub(crate) fn run(args: &DiffArgs, ui: Ui) -> Result<Status, Failure> {
    let fail_on = FailOn::parse_list(&args.fail_on)
        .map_err(|error| Failure::new(Kind::Usage, format!("--fail-on {:?}: {error}", args.fail_on)))?;
    if args.baseline.as_deref() == Some(Path::new("-")) {
        return Err(Failure::new(
            Kind::Usage,
            "--baseline -: a baseline is a file, which is read and may be written",
        ));
    }
    if let (true, Some(path)) = (args.accept, &args.baseline) {
        output::check_file(path, "--baseline")?;
    }
    let baseline = args.baseline.as_deref().map(|path| read_baseline(path, args.accept)).transpose()?;
    let mut differences = compare(args)?;
    if let Some(baseline) = &baseline {
        baseline.apply(&mut differences);
    }
    if let (true, Some(path), Some(baseline)) = (args.accept, &args.baseline, &baseline) {
        differences = accept(path, baseline, differences, ui)?;
    }
    for warning in &differences.warnings {
        ui.warn(&warning.message);
    }
    let options =
        DiffOptions { color: ui.color_on_stdout(), new_name: args.new.to_string_lossy().into_owned() };
    let text = render(args.format, &differences, &options)
        .map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    output::to_stdout(text.as_bytes())?;
    if differences.fails(&fail_on) {
        return Ok(Kind::Finding.status());
    }
    if differences.is_undecided() {
        ui.warn("NEW is incomplete: that nothing was found does not mean that nothing is new");
        if fail_on != [FailOn::None] {
            return Ok(Kind::Incomplete.status());
        }
    }
    Ok(0)
}

fn compare(args: &DiffArgs) -> Result<Diff, Failure> {
    match (args.old.is_dir(), args.new.is_dir()) {
        (false, false) => {
            if args.old == Path::new("-") && args.new == Path::new("-") {
                return Err(Failure::new(Kind::Usage, "OLD and NEW cannot both be read from standard input"));
            }
            let (old, new) = read_both(&args.old, &args.new)?;
            Ok(diff(&old, &new, args.size_factor))
        }
        (true, true) => {
            let (old, new) = (read_directory(&args.old)?, read_directory(&args.new)?);
            Ok(diff_projects(&old, &new, args.size_factor))
        }
        (old_is_directory, _) => {
            let (directory, file) =
                if old_is_directory { (&args.old, &args.new) } else { (&args.new, &args.old) };
            Err(Failure::new(
                Kind::Usage,
                format!("{} is a directory and {} is a file", directory.display(), file.display()),
            )
            .hint("compare two files, or two directories with one file per service"))
        }
    }
}

/// Reads both at the same time.
fn read_both(old: &Path, new: &Path) -> Result<(Input, Input), Failure> {
    if [old, new].contains(&Path::new("-")) {
        // What is wrong with the file is told without waiting for the other.
        return Ok((read_input(old)?, read_input(new)?));
    }
    let (old, new) = rayon::join(|| read_input(old), || read_input(new));
    Ok((old?, new?))
}

fn read_input(path: &Path) -> Result<Input, Failure> {
    let bytes = read_bytes(path).map_err(|error| unreadable(path, &error))?;
    Input::from_json(&bytes).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, why: &dyn Display) -> Failure {
    Failure::new(Kind::Usage, format!("{}: {why}", path.display())).hint(
        "it takes a profile, as `writepath run -o FILE` writes it, or a plan, as `writepath recommend --format json` prints it",
    )
}

/// The profiles or plans of a directory, by the names of their files, as `compose` writes them.
fn read_directory(directory: &Path) -> Result<BTreeMap<String, Input>, Failure> {
    let unreadable = |why: String| Failure::new(Kind::Usage, format!("{}: {why}", directory.display()));
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| unreadable(error.to_string()))? {
        let path = entry.map_err(|error| unreadable(error.to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "json") && !path.is_dir() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(unreadable("there is no profile in it".to_owned())
            .hint("`writepath compose -o DIR` writes one NAME.json for each service"));
    }
    if files.len() > MAX_SERVICES {
        return Err(unreadable(format!("there are more than {MAX_SERVICES} profiles in it")));
    }
    files.sort();
    let mut services = BTreeMap::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if services.insert(name.clone(), read_input(&file)?).is_some() {
            return Err(unreadable(format!("two files have the name {}", printable(&name))));
        }
    }
    Ok(services)
}

/// Reads the baseline. One that is about to be made need not be there.
fn read_baseline(path: &Path, may_be_missing: bool) -> Result<Baseline, Failure> {
    let unreadable = |why: String| Failure::new(Kind::Usage, format!("--baseline {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let limit = MAX_BASELINE_BYTES as u64 + 1;
    match std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Err(error) if error.kind() == ErrorKind::NotFound && may_be_missing => Ok(Baseline::default()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(unreadable(error.to_string()).hint("--accept makes it, with all that is new now"))
        }
        Err(error) => Err(unreadable(error.to_string())),
        Ok(_) => Baseline::from_toml(&bytes).map_err(|error| unreadable(error.to_string())),
    }
}

/// Writes what is new to the baseline, and returns the comparison with it accepted.
fn accept(path: &Path, baseline: &Baseline, differences: Diff, ui: Ui) -> Result<Diff, Failure> {
    let wrong = |why: String| Failure::new(Kind::Usage, format!("--baseline {}: {why}", path.display()));
    let text = baseline.accepting(&differences).map_err(|error| wrong(error.to_string()))?;
    let renewed = Baseline::from_toml(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    if differences.findings > 0 || !path.exists() {
        output::write(path, text.as_bytes())?;
        ui.note(&format!("wrote {}: {} accepted", path.display(), differences.findings));
    }
    let mut differences = differences;
    renewed.reapply(&mut differences);
    Ok(differences)
}
