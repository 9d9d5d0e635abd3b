//! `cargo xtask catalog [APP…]`: real applications profiled, their plans proven, and every element of them put to the
//! test.
//!
//! For each application: a training run under load, the plan, its verification, ablation, its alternatives, and beside
//! that what others would recommend. Fails where an application misses the targets. Everything is written below the
//! target directory; `--update` brings profiles, figures and the page into the repository.
//!
//! Two other questions to the same applications: do two runs of one differ in anything ([`stability`], `--repeat`), and
//! what does another Debian release's do that the host's does not ([`releases`], `--release`).

mod application;
mod applications;
mod entry;
mod plain;
mod readings;
mod releases;
mod report;
mod stability;
mod training;
mod verify;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Serialize;

use crate::command::{self, say};
use crate::daemon::{Daemon, host};
use crate::images::Release;
use crate::packages::{self, HostLacks};
use crate::{images, setup, workspace};
use application::{Application, Image, Port};
use applications::ALL;
use entry::Entry;
use releases::Comparison;
use report::Totals;
use training::Training;

/// Which applications, and what becomes of the results.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these applications [default: all]
    #[arg(value_name = "APP", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    applications: Vec<String>,
    /// Only the few that are enough to see that the catalogue works
    #[arg(long, conflicts_with = "applications")]
    subset: bool,
    /// How many applications are looked at side by side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: u8,
    /// Only train each application N + 1 times, and fail where two of the profiles differ
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeat: Option<u16>,
    /// Only train the applications of another Debian release, and compare them with the profiles in the repository
    #[arg(long, value_name = "NAME", conflicts_with = "repeat")]
    release: Option<String>,
    /// Bring profiles, figures and page into the repository (`reports/catalog`, `docs/catalog.json`, `docs/catalog.md`)
    #[arg(long)]
    update: bool,
}

fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|application| application.name)
}

impl Options {
    fn takes(&self, application: &Application) -> bool {
        match self.applications.as_slice() {
            [] => application.is_in_subset || !self.subset,
            named => named.iter().any(|name| name == application.name),
        }
    }
}

/// Profiles, proves, compares, and judges.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !packages::is_root() {
        let what = "the catalogue loads BPF programs and needs root".to_owned();
        return Err(anyhow!(HostLacks { what, commands: vec!["cargo xtask catalog".to_owned()] }));
    }
    let release = match &options.release {
        Some(name) => Release::named(name)?,
        None => Release::of_host(),
    };
    let chosen: Vec<&Application> = ALL.iter().filter(|application| options.takes(application)).collect();
    setup::tool_chain()?;
    setup::container_runtime()?;
    command::run(workspace::cargo().args(["build", "--release", "--package", "profiler"]))?;
    let daemon = host::ensure()?;
    build_images(&daemon, &release, &chosen)?;
    let program = workspace::target().join("release/writepath");
    let program = program.to_str().context("the path of the target directory is no UTF-8")?;
    let catalog = Catalog { daemon: &daemon, program, release: &release, jobs: options.jobs };
    if let Some(times) = options.repeat {
        return stability::run(&catalog, &chosen, times);
    }
    if !release.is_hosts() {
        return releases::run(&catalog, &chosen, options.update);
    }
    prove(&catalog, &chosen, options.update)
}

/// Plan, proof and ablation of each.
fn prove(catalog: &Catalog<'_>, chosen: &[&Application], is_update: bool) -> Result<()> {
    let results = catalog.each(chosen, |training| {
        let entry = Entry::of(training)?;
        say(&report::line(&entry));
        Ok(entry)
    })?;
    let mut entries = Vec::new();
    let mut failures = Vec::new();
    for (application, result) in chosen.iter().zip(results) {
        match result {
            Ok(entry) => {
                let named = entry.failures().into_iter().map(|failure| format!("{}: {failure}", entry.name));
                failures.extend(named);
                entries.push(entry);
            }
            Err(error) => failures.push(format!("{}: {error:#}", application.name)),
        }
    }
    let scratch = scratch();
    write(&scratch.join("catalog.json"), &entries)?;
    fs::write(scratch.join("catalog.md"), report::page(&entries, &releases::recorded()?))?;
    for entry in &entries {
        println!("{}", report::line(entry));
    }
    let totals = Totals::of(&entries);
    println!("{}", totals.to_text());
    // Of a few applications one element is many per cent; those must not get worse.
    let missed = if chosen.len() == ALL.len() {
        totals.missed_by_all()
    } else {
        [totals.missed(), report::unnecessary_since(&recorded()?, &entries)].concat()
    };
    if is_update {
        update(&scratch, entries)?;
    }
    failures.extend(missed);
    judge(&failures)
}

/// Fails where anything is amiss.
fn judge(failures: &[String]) -> Result<()> {
    if !failures.is_empty() {
        bail!("{} targets are missed:\n  {}", failures.len(), failures.join("\n  "));
    }
    Ok(())
}

fn scratch() -> PathBuf {
    workspace::scratch().join("catalog")
}

fn build_images(daemon: &dyn Daemon, release: &Release, chosen: &[&Application]) -> Result<()> {
    let mut directories = Vec::new();
    let mut has_tests = false;
    for application in chosen {
        match application.image {
            Image::OfTests(_) => has_tests = true,
            Image::OfCatalog(directory) if !directories.contains(&directory) => directories.push(directory),
            Image::OfCatalog(_) => {}
        }
    }
    if has_tests {
        images::build_applications(daemon, release)?;
    }
    if directories.is_empty() { Ok(()) } else { images::build_catalog(daemon, release, &directories) }
}

/// Where and how the applications are run.
struct Catalog<'a> {
    daemon: &'a dyn Daemon,
    /// The path of `writepath`.
    program: &'a str,
    release: &'a Release,
    /// How many at a time.
    jobs: u8,
}

impl Catalog<'_> {
    /// What comes of each application, or an error, in their order.
    fn each<T: Send>(
        &self,
        chosen: &[&Application],
        question: impl Fn(&Training<'_>) -> Result<T> + Sync,
    ) -> Result<Vec<Result<T>>> {
        let queue = Mutex::new(chosen.iter().enumerate());
        let done = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    // The lock is held for as long as taking the next one takes.
                    while let Some((index, application)) = locked(&queue, Iterator::next) {
                        say(&format!("{}: {}", application.name, application.about));
                        let result = self.training(application).and_then(|training| question(&training));
                        locked(&done, |done| done.push((index, result)));
                    }
                });
            }
        });
        let mut done = done.into_inner().map_err(|_| anyhow!("an application's thread has panicked"))?;
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }

    fn training<'a>(&'a self, application: &'a Application) -> Result<Training<'a>> {
        let Self { daemon, program, release, jobs: _ } = *self;
        let port = match application.port {
            Port::OfHost(port) => port,
            // Chosen by the kernel among those that nothing listens on.
            Port::Published(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port(),
        };
        let directory = scratch().join(release.suite()).join(application.name);
        Ok(Training { daemon, program, application, release, port, directory })
    }
}

fn locked<T, R>(mutex: &Mutex<T>, then: impl FnOnce(&mut T) -> R) -> R {
    then(&mut mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Brings the results into the repository, in place of older ones of the same applications.
fn update(scratch: &Path, entries: Vec<Entry>) -> Result<()> {
    let catalog = profiles();
    let scratch = scratch.join(Release::of_host().suite());
    for entry in &entries {
        let profile = scratch.join(&entry.name).join("profile.json");
        keep_profile(&profile, &catalog.join(format!("{}.json", entry.name)))?;
    }
    let mut all = recorded()?;
    all.retain(|older| {
        names().any(|name| name == older.name) && !entries.iter().any(|new| new.name == older.name)
    });
    all.extend(entries);
    all.sort_by_key(|entry| names().position(|name| name == entry.name));
    write(&figures(), &all)?;
    write_page(&all, &releases::recorded()?)?;
    say(&format!("wrote the page, and profiles to {}", catalog.display()));
    Ok(())
}

/// Brings a profile into the repository, without what tells of the host that it was recorded on.
fn keep_profile(from: &Path, to: &Path) -> Result<()> {
    let mut profile = training::read_json(from)?;
    let kernel = &mut profile["host"]["kernel"];
    *kernel = version(kernel.as_str().unwrap_or_default()).into();
    write(to, &profile)
}

fn write_page(entries: &[Entry], comparisons: &[Comparison]) -> Result<()> {
    let page = workspace::root().join("docs/catalog.md");
    fs::write(&page, report::page(entries, comparisons)).with_context(|| format!("{}", page.display()))
}

/// The profiles in the repository, those of the release that the plans are proven with.
fn profiles() -> PathBuf {
    workspace::root().join("reports/catalog")
}

fn figures() -> PathBuf {
    workspace::root().join("docs/catalog.json")
}

/// The figures in the repository.
fn recorded() -> Result<Vec<Entry>> {
    let figures = figures();
    match fs::read(&figures) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{}", figures.display())),
        Err(_) => Ok(Vec::new()),
    }
}

/// The version in a kernel's release, without what its builder put behind it.
fn version(release: &str) -> &str {
    let end = release.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(release.len());
    &release[..end]
}

fn write(path: &Path, entries: &impl Serialize) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, serde_json::to_string_pretty(entries)? + "\n")?;
    Ok(())
}
