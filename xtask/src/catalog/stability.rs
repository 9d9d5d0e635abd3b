//! Do two runs of one image differ in anything? Each application is trained again and again, and every profile is
//! compared with the first one and with the one before it.
//!
//! Names that differ from run to run (process ids, temporary files, counters) must not show; what does show is either
//! a name that the comparison takes for another place, or something that the load does not always do.

use anyhow::Result;

use super::Catalog;
use super::application::Application;
use super::training::Training;
use super::verify::finding;
use crate::command::say;

/// Trains each application `times` + 1 times; fails where any two compared profiles differ.
pub(super) fn run(catalog: &Catalog<'_>, chosen: &[&Application], times: u16) -> Result<()> {
    let results = catalog.each(chosen, |training| {
        let differences = differences(training, times)?;
        say(&format!("{}: {times} more runs, {} differ", training.application.name, differences.len()));
        Ok(differences)
    })?;
    let mut failures = Vec::new();
    for (application, result) in chosen.iter().zip(results) {
        let name = application.name;
        match result {
            Ok(differences) if differences.is_empty() => {
                println!("{name}: {times} more runs differ in nothing");
            }
            Ok(differences) => {
                failures.extend(differences.into_iter().map(|what| format!("{name}: {what}")));
            }
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    super::judge(&failures)
}

/// What `writepath diff` says of those runs that differ from the first or from the one before.
fn differences(training: &Training<'_>, times: u16) -> Result<Vec<String>> {
    let file = |number: u16| training.file(&format!("run-{number}.json"));
    let mut differences = Vec::new();
    training.run_to(&file(0))?;
    for number in 1..=times {
        training.run_to(&file(number))?;
        let mut olders = vec![0, number - 1];
        olders.dedup();
        for older in olders {
            let mut diff = training.writepath();
            diff.arg("diff").args([file(older), file(number)]);
            if let Err(what) = finding(&mut diff)? {
                differences.push(format!("run {number} differs from run {older}:\n{what}"));
            }
        }
    }
    Ok(differences)
}
