//! What the applications of another Debian release do that those of the host's release do not.
//!
//! Trains them once, keeps their profiles in `reports/releases/RELEASE`, and compares each with the profile in
//! `reports/catalog`. A difference between two releases of an application is no failure: it is what `writepath diff` is
//! for. Never proves a plan.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::application::Application;
use super::training::Training;
use super::verify::{FINDING, INCOMPLETE, said};
use super::{Catalog, keep_profile, names};
use crate::command::say;
use crate::images::Release;
use crate::workspace;

/// One application in two releases.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Comparison {
    /// The application.
    pub(super) name: String,
    /// The Debian package.
    pub(super) package: String,
    /// The older one: release and version of the package.
    pub(super) old: Version,
    /// The newer one.
    pub(super) new: Version,
    /// What `writepath diff` says; absent where nothing is new.
    pub(super) differences: Option<String>,
}

/// A version of a package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    /// The Debian release.
    pub(super) release: String,
    /// Its version.
    pub(super) version: String,
}

/// Trains and compares; `is_update` brings the results into the repository.
pub(super) fn run(catalog: &Catalog<'_>, chosen: &[&Application], is_update: bool) -> Result<()> {
    // For the versions of its packages.
    let host = Release::of_host();
    super::build_images(catalog.daemon, &host, chosen)?;
    let results = catalog.each(chosen, |training| comparison(training, &host))?;
    let mut comparisons = Vec::new();
    let mut failures = Vec::new();
    for (application, result) in chosen.iter().zip(results) {
        match result {
            Ok(comparison) => comparisons.push(comparison),
            Err(error) => failures.push(format!("{}: {error:#}", application.name)),
        }
    }
    for Comparison { name, package, old, new, differences } in &comparisons {
        println!("{name}: {package} {} ({}) and {} ({})", old.version, old.release, new.version, new.release);
        println!("{}", differences.as_deref().unwrap_or("nothing new"));
    }
    if is_update {
        update(catalog, comparisons)?;
    }
    super::judge(&failures)
}

fn comparison(training: &Training<'_>, host: &Release) -> Result<Comparison> {
    let application = training.application;
    training.run()?;
    let recorded = super::profiles().join(format!("{}.json", application.name));
    let mut diff = training.writepath();
    diff.arg("diff").arg(recorded).arg(training.profile());
    Ok(Comparison {
        name: application.name.to_owned(),
        package: application.package.to_owned(),
        old: version(training, host)?,
        new: version(training, training.release)?,
        // Where the newer profile is incomplete, nothing new is no answer.
        differences: said(&mut diff, &[FINDING, INCOMPLETE])?.err(),
    })
}

/// The version of the application's package in its image from that release.
fn version(training: &Training<'_>, release: &Release) -> Result<Version> {
    let application = training.application;
    let mut query = training.daemon.docker();
    query.args(["run", "--rm", "--network", "none", "--entrypoint", "dpkg-query"]);
    query.arg(application.image(release)).args(["-W", "-f", "${Version}", application.package]);
    let version = crate::command::read(&mut query)?;
    Ok(Version { release: release.suite().to_owned(), version })
}

/// Brings profiles and comparisons into the repository, in place of older ones of the same applications.
fn update(catalog: &Catalog<'_>, comparisons: Vec<Comparison>) -> Result<()> {
    let suite = catalog.release.suite();
    for comparison in &comparisons {
        let profile = super::scratch().join(suite).join(&comparison.name).join("profile.json");
        keep_profile(
            &profile,
            &workspace::root().join("reports/releases").join(suite).join(format!("{}.json", comparison.name)),
        )?;
    }
    let mut all = recorded()?;
    all.retain(|older| {
        let is_known = names().any(|name| name == older.name);
        let is_again =
            comparisons.iter().any(|new| new.name == older.name && new.new.release == older.new.release);
        is_known && !is_again
    });
    all.extend(comparisons);
    all.sort_by_key(|one| (one.new.release.clone(), names().position(|name| name == one.name)));
    super::write(&figures(), &all)?;
    super::write_page(&super::recorded()?, &all)?;
    say(&format!("wrote {}, and profiles to reports/releases/{suite}", figures().display()));
    Ok(())
}

fn figures() -> PathBuf {
    workspace::root().join("docs/releases.json")
}

/// The comparisons in the repository.
pub(super) fn recorded() -> Result<Vec<Comparison>> {
    let figures = figures();
    match fs::read(&figures) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{}", figures.display())),
        Err(_) => Ok(Vec::new()),
    }
}
