//! The images of tests and demo, all made here: nothing is pulled.
//!
//! An image is built when none of its name carries the fingerprint of what it is made from, as a label. Debian's
//! packages are taken as they are on the day of the build; a newer package alone does not rebuild an image. Images
//! stay on the host's daemon; the second daemon is given copies and loses them when it is stopped.

mod catalog;
mod debian;
mod release;
mod scratch;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::command::{self, say};
use crate::daemon::{Daemon, host};
use crate::packages;

pub(crate) use catalog::BASE as CATALOG_BASE;
pub(crate) use debian::{BASE, CLEAN, NGINX, POSTGRES, REDIS};
pub(crate) use release::Release;
pub(crate) use scratch::{SAMPLE, SUBJECT, program};

/// What every image here is labelled with.
const OWN_LABEL: &str = "io.writepath.test=1";
/// The label that carries the fingerprint.
const FINGERPRINT_LABEL: &str = "io.writepath.test.fingerprint";

/// `cargo xtask images`.
pub(crate) fn run() -> Result<()> {
    build_all(&host::ensure()?)
}

/// Builds every image that the tests use, as far as it is missing or outdated.
pub(crate) fn build_all(daemon: &dyn Daemon) -> Result<()> {
    scratch::build_subject(daemon)?;
    scratch::build_sample(daemon)?;
    debian::build(daemon, &Release::of_host())
}

/// Every image that the tests use.
pub(crate) fn names() -> Vec<&'static str> {
    [SUBJECT, SAMPLE].into_iter().chain(debian::names()).collect()
}

/// Builds the image alone whose verbs do one thing each.
pub(crate) fn build_subject(daemon: &dyn Daemon) -> Result<()> {
    scratch::build_subject(daemon)
}

/// Builds the sample service's image alone.
pub(crate) fn build_sample(daemon: &dyn Daemon) -> Result<()> {
    scratch::build_sample(daemon)
}

/// Builds the images of the tests' real applications alone.
pub(crate) fn build_applications(daemon: &dyn Daemon, release: &Release) -> Result<()> {
    debian::build(daemon, release)
}

/// Builds the clean Debian system alone.
pub(crate) fn build_clean(daemon: &dyn Daemon) -> Result<()> {
    debian::build_clean(daemon)
}

/// Builds the images of these directories of the catalogue alone.
pub(crate) fn build_catalog(daemon: &dyn Daemon, release: &Release, directories: &[&str]) -> Result<()> {
    catalog::build(daemon, release, directories)
}

/// Where the program whose verbs do one thing each lies, built.
pub(crate) fn subject_program() -> Result<std::path::PathBuf> {
    scratch::program("subject")
}

/// Installs what building the application images takes.
fn ensure_tools() -> Result<()> {
    packages::ensure(&[packages::Package::program("mmdebstrap", "mmdebstrap")])
}

/// Gives the other daemon a copy of every image.
pub(crate) fn copy_all(from: &dyn Daemon, to: &dyn Daemon) -> Result<()> {
    let names = names();
    say(&format!("copying {} images to the {} daemon", names.len(), to.name()));
    let mut save = from.docker().arg("save").args(&names).stdout(Stdio::piped()).spawn()?;
    let stream = save.stdout.take().context("`docker save` has no output")?;
    let loaded = to.docker().args(["load", "--quiet"]).stdin(stream).stdout(Stdio::null()).status()?;
    let saved = save.wait()?;
    if !loaded.success() || !saved.success() {
        bail!("copying the images failed: save {saved}, load {loaded}");
    }
    Ok(())
}

/// Whether the daemon has this image with this fingerprint.
fn is_current(daemon: &dyn Daemon, name: &str, fingerprint: &str) -> bool {
    let format = format!("{{{{index .Config.Labels \"{FINGERPRINT_LABEL}\"}}}}");
    command::read(daemon.docker().args(["image", "inspect", "--format", &format, name]))
        .is_ok_and(|found| found == fingerprint)
}

/// `docker import` of a file-system archive, with labels.
fn import(
    daemon: &dyn Daemon,
    name: &str,
    fingerprint: &str,
    changes: &[String],
    archive: &Archive,
) -> Result<()> {
    let mut command = daemon.docker();
    command.arg("import");
    let labels = [format!("LABEL {OWN_LABEL}"), format!("LABEL {FINGERPRINT_LABEL}={fingerprint}")];
    for change in labels.iter().chain(changes) {
        command.args(["--change", change]);
    }
    run_import(command.args(["-", name]), archive).with_context(|| format!("importing {name}"))?;
    say(&format!("built {name}"));
    Ok(())
}

/// What `docker import` reads.
enum Archive {
    /// In memory.
    Bytes(Vec<u8>),
    /// A file.
    File(std::path::PathBuf),
}

fn run_import(command: &mut Command, archive: &Archive) -> Result<()> {
    use std::io::{Seek as _, Write as _};
    let input = match archive {
        Archive::Bytes(bytes) => {
            let mut file = tempfile::tempfile()?;
            file.write_all(bytes)?;
            file.rewind()?;
            file
        }
        Archive::File(path) => std::fs::File::open(path)?,
    };
    let status = command.stdin(input).stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("`{}` failed: {status}", command::shown(command));
    }
    Ok(())
}

/// A short digest of everything that something is made from. Not cryptographic: it tells an old image from a new one.
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        part.hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn a_fingerprint_knows_where_a_part_ends() {
        let (one, two): ([&[u8]; 2], [&[u8]; 2]) = ([b"ab", b"c"], [b"a", b"bc"]);
        assert_eq!(fingerprint(one), fingerprint(one));
        assert_ne!(fingerprint(one), fingerprint(two));
    }
}
