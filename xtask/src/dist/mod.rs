//! `cargo xtask dist`: what is handed out, below `target/dist`: a static program, a Debian package, an image, and their
//! checksums.
//!
//! Nothing is called made before it was proven: the package is installed on a clean root file system, and a container is
//! profiled through the image. Only for this host's own architecture.

mod image;
mod package;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::command::{self, say};
use crate::daemon::host;
use crate::{musl, setup, workspace};

/// The version of everything in the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the artefacts are made of.
struct Artefacts {
    /// Where artefacts go, and nothing else.
    directory: PathBuf,
    /// The static program.
    program: PathBuf,
}

/// Makes and proves all of it.
pub(crate) fn run() -> Result<()> {
    setup::tool_chain()?;
    package::ensure_tools()?;
    setup::container_runtime()?;
    let daemon = host::ensure()?;
    let artefacts = build()?;
    let package = package::build(&artefacts)?;
    package::prove(&daemon, &package)?;
    image::build(&daemon, &artefacts)?;
    image::prove(&daemon)?;
    checksums(&artefacts.directory)
}

/// Builds the program, and puts it alone into the directory.
fn build() -> Result<Artefacts> {
    let target = workspace::static_target();
    command::run(musl::cargo(&target).args([
        "build",
        "--release",
        "--package",
        "profiler",
        "--target",
        &target,
    ]))?;
    let directory = workspace::target().join("dist");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    let program = directory.join(format!("writepath-{VERSION}-{}-linux", std::env::consts::ARCH));
    let built = workspace::target().join(target).join("release/writepath");
    fs::copy(&built, &program).with_context(|| format!("{} cannot be copied", built.display()))?;
    let said = command::read(Command::new(&program).arg("--version"))?;
    ensure!(said == format!("writepath {VERSION}"), "the program calls itself {said}");
    Ok(Artefacts { directory, program })
}

/// Writes `SHA256SUMS`, as `sha256sum --check` reads it.
fn checksums(directory: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.push(entry?.file_name());
    }
    names.sort();
    let sums = command::read(Command::new("sha256sum").args(&names).current_dir(directory))?;
    fs::write(directory.join("SHA256SUMS"), format!("{sums}\n"))?;
    say(&format!("made and proven, in {}:\n{sums}", directory.display()));
    Ok(())
}
