//! `writepath report`: one HTML page about one or several profiles.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use reports::{
    html::{Source, render},
    model::Profile,
    plan::recommend_with,
};

use super::{Status, overrides::overrides, read_profile, verify_project::read_manifest};
use crate::{
    cli::ReportArgs,
    failure::{Failure, Kind},
    output,
    ui::Ui,
};

/// Runs the command. The page of an incomplete profile is written, and the status says so.
pub(crate) fn run(args: &ReportArgs, ui: Ui) -> Result<Status, Failure> {
    output::check_new(&args.output, args.force)?;
    let overrides = overrides(&args.overrides)?;
    let files = files(&args.profiles)?;
    for (_, path) in &files {
        check_kept(path, &args.output)?;
    }
    let mut profiles = Vec::new();
    for (label, path) in files {
        let profile = read_profile(&path)?;
        let plan = recommend_with(&profile, &overrides)
            .map_err(|error| Failure::new(Kind::Usage, format!("{}: {error}", path.display())))?;
        note_newer(&profile, &path, ui);
        profiles.push((label, profile, plan));
    }
    let sources: Vec<Source<'_>> =
        profiles.iter().map(|(label, profile, plan)| Source { label, profile, plan }).collect();
    let page = render(&sources).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    output::write(&args.output, page.as_bytes())?;
    if args.output != Path::new("-") {
        ui.note(&format!("wrote {}", args.output.display()));
    }
    let mut status = 0;
    for (label, profile, _) in &profiles {
        if !profile.coverage.complete {
            ui.warn(&format!("{label}: the profile is incomplete, its plan may lack something"));
            status = Kind::Incomplete.status();
        }
    }
    Ok(status)
}

/// The profiles' files, with what tells them apart on the page: a service's name, or the file's, or, where several have the
/// same, the path.
fn files(given: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() {
            let services = read_manifest(path)?.services;
            files.extend(services.into_iter().map(|(service, kept)| (service, path.join(kept.profile))));
        } else if path == Path::new("-") {
            files.push(("standard input".to_owned(), path.clone()));
        } else {
            let name = path.file_stem().unwrap_or(path.as_os_str());
            files.push((name.to_string_lossy().into_owned(), path.clone()));
        }
    }
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    for (label, _) in &files {
        *named.entry(label.clone()).or_default() += 1;
    }
    for (label, path) in &mut files {
        if named.get(label).is_some_and(|times| *times > 1) {
            *label = path.display().to_string();
        }
    }
    Ok(files)
}

/// `--force` is for old pages, not for the profile that the page is about.
fn check_kept(profile: &Path, output: &Path) -> Result<(), Failure> {
    match (profile.canonicalize(), output.canonicalize()) {
        (Ok(profile), Ok(written)) if profile == written => {
            Err(Failure::new(Kind::Usage, format!("--output {}: it is the profile itself", output.display()))
                .hint("name another file"))
        }
        _ => Ok(()),
    }
}

/// What a newer version records may have fields that this one does not know; they are passed over.
fn note_newer(profile: &Profile, path: &Path, ui: Ui) {
    if profile.tool.is_newer() {
        ui.warn(&format!(
            "{}: written by version {}, newer than this one ({}); what only that one knows of is not on the page",
            path.display(),
            profile.tool.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
}
