//! The programs that plans and reports are written for, so that tests can ask them what they read.
//!
//! Podman, systemd, kubectl and Chromium, which shows reports, come from the host's own packages. Debian 12's Podman (4.3)
//! has no Quadlet yet, so its generator is taken out of a newer release's package, into a directory below the target
//! directory: it needs nothing but the C library, and nothing of that release is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::archives::{Archive, Lists, Mirrors};
use crate::command::{self, say};
use crate::packages::{self, Package};
use crate::workspace;

/// The release whose Podman has the generator.
const RELEASE: &str = "trixie";
/// Where Podman's package has it.
const GENERATOR: &str = "usr/libexec/podman/quadlet";

/// Installs what is missing; returns where Quadlet's generator is.
pub(crate) fn ensure() -> Result<PathBuf> {
    packages::ensure(&[
        Package::program("chromium", "chromium"),
        // What the pages of the guide load their services with.
        Package::program("curl", "curl"),
        Package::program("docker-compose", "docker-compose"),
        Package::program("kubernetes-client", "kubectl"),
        Package::program("podman", "podman"),
        Package::program("runc", "runc"),
        Package::program("systemd", "systemd-analyze"),
    ])?;
    let installed = Path::new("/").join(GENERATOR);
    if installed.is_file() {
        return Ok(installed);
    }
    let directory = workspace::scratch().join("quadlet");
    let generator = directory.join("quadlet");
    if !generator.is_file() {
        say(&format!("fetching Quadlet's generator from {RELEASE}'s podman"));
        fetch(&directory, &generator)?;
    }
    Ok(generator)
}

fn fetch(directory: &Path, generator: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let work = tempfile::tempdir_in(directory)?;
    let source = Mirrors::of_host()?.source(Archive::Main, RELEASE)?;
    let lists = Lists::fetch(&work.path().join("apt"), &source)?;
    let tree = work.path().join("tree");
    for package in lists.download(&["podman".to_owned()], work.path())? {
        command::read(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&tree))?;
    }
    fs::rename(tree.join(GENERATOR), generator)
        .with_context(|| format!("{RELEASE}'s podman has no {GENERATOR}"))
}
