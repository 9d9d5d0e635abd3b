//! The Debian package: program, manual pages and completions, laid out by cargo-deb as `profiler/Cargo.toml` says.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{Artefacts, VERSION};
use crate::command::{self, say};
use crate::daemon::Daemon;
use crate::images;
use crate::packages::{self, Package};
use crate::{setup, workspace};

/// The version of cargo-deb that the package is known to come out right with.
const CARGO_DEB: &str = "3.8.0";

/// What lintian asks of uploads to Debian (a bug that they close), of shared objects that are no static programs, and of the
/// field that cargo-deb writes although a static program depends on nothing.
const NOT_FOR_US: [&str; 3] =
    ["initial-upload-closes-no-bugs", "shared-library-lacks-prerequisites", "empty-field"];

/// Where the manifest looks for what is generated, wherever cargo's target directory is.
const PARTS: &str = "target/xtask/package";

/// Completions: the shell, and the file's name where its package looks for it.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "writepath"), ("zsh", "_writepath"), ("fish", "writepath.fish")];

/// What is looked at in a clean root file system, in this order: what it is, and lines for a shell there. `/dist` is the
/// directory of the package, `/catalog` has profiles.
const PROOFS: [(&str, &str); 7] = [
    ("it is installed without anything else", "dpkg --install /dist/*.deb"),
    ("the program runs", "writepath --version && writepath recommend /catalog/redis.json | grep 'Plan for'"),
    (
        "the manual is there",
        "man --where writepath writepath-run && man writepath-verify | grep -A 9 '^EXIT STATUS'",
    ),
    (
        "bash completes commands",
        ". /usr/share/bash-completion/completions/writepath && complete -p writepath \
         && COMP_WORDS=(writepath rec) COMP_CWORD=1 && _writepath writepath rec writepath && [ \"${COMPREPLY[*]}\" = recommend ]",
    ),
    (
        "zsh's and fish's files are where they look",
        "ls /usr/share/zsh/vendor-completions/_writepath /usr/share/fish/vendor_completions.d/writepath.fish",
    ),
    ("no file differs from the package's", "[ -z \"$(dpkg --verify writepath)\" ]"),
    (
        "it is removed without a trace",
        // Pages that were read are in man's cache.
        "dpkg --purge writepath && [ -z \"$(find / -xdev -name '*writepath*' -not -path '/var/cache/man/*' | tee /dev/stderr)\" ]",
    ),
];

/// Installs what makes and checks a package.
pub(super) fn ensure_tools() -> Result<()> {
    packages::ensure(&[Package::program("dpkg-dev", "dpkg-deb"), Package::program("lintian", "lintian")])?;
    if command::read(workspace::cargo().args(["deb", "--version"]))
        .is_ok_and(|version| version.ends_with(CARGO_DEB))
    {
        return Ok(());
    }
    say(&format!("cargo-deb {CARGO_DEB} is missing; building it"));
    // What it does is soon done: time goes into building it.
    command::run(setup::cargo_install("cargo-deb", CARGO_DEB).args(["--force", "--debug"]))
}

/// Makes the package; returns where it is.
pub(super) fn build(artefacts: &Artefacts) -> Result<PathBuf> {
    let parts = workspace::root().join(PARTS);
    if parts.exists() {
        fs::remove_dir_all(&parts)?;
    }
    fs::create_dir_all(&parts)?;
    command::run(
        Command::new(&artefacts.program).arg("--quiet").arg("man").arg("--output").arg(parts.join("man")),
    )?;
    for (shell, name) in COMPLETIONS {
        let script = File::create(parts.join(name))?;
        let status = Command::new(&artefacts.program).args(["completions", shell]).stdout(script).status()?;
        ensure!(status.success(), "`writepath completions {shell}` failed: {status}");
    }
    let time = command::read(workspace::git().args(["log", "-1", "--format=%ct %cD"]))?;
    let (seconds, date) = time.split_once(' ').context("git names no time of the last commit")?;
    fs::write(parts.join("changelog"), changelog(date))?;
    let mut deb = workspace::cargo();
    deb.args(["deb", "--package", "profiler", "--no-build", "--target", &workspace::static_target()]);
    // The same sources give the same package.
    deb.env("SOURCE_DATE_EPOCH", seconds).arg("--output").arg(&artefacts.directory);
    command::run(&mut deb)?;
    let package = find(&artefacts.directory)?;
    command::run(
        Command::new("lintian")
            .args(["--fail-on", "error,warning", "--tag-display-limit", "0"])
            .args(["--suppress-tags", &NOT_FOR_US.join(",")])
            .arg(&package),
    )?;
    Ok(package)
}

/// What Debian's policy wants to be told of a version; what has changed is in the repository.
fn changelog(date: &str) -> String {
    format!(
        "writepath ({VERSION}-1) unstable; urgency=medium\n\n  * Release {VERSION}.\n\n -- {MAINTAINER}  {date}\n"
    )
}

/// As in `profiler/Cargo.toml`.
const MAINTAINER: &str = "the writepath maintainers <writepath@writepath.invalid>";

fn find(directory: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "deb") {
            return Ok(path);
        }
    }
    anyhow::bail!("cargo-deb left no package in {}", directory.display())
}

/// Installs it on a clean root file system, looks at everything it brings, and removes it.
pub(super) fn prove(daemon: &dyn Daemon, package: &Path) -> Result<()> {
    images::build_clean(daemon)?;
    let directory = package.parent().context("a package lies in a directory")?;
    let container = Container::start(
        daemon,
        &[(directory, "/dist"), (&workspace::root().join("reports/catalog"), "/catalog")],
    )?;
    for (what, script) in PROOFS {
        let said =
            container.bash(script).with_context(|| format!("the package, on a clean system: {what}"))?;
        say(&format!("the package, on a clean system: {what}\n{said}"));
    }
    Ok(())
}

/// A container of the clean system that does nothing by itself; removed when dropped.
struct Container<'a> {
    daemon: &'a dyn Daemon,
    id: String,
}

impl<'a> Container<'a> {
    /// Starts it, with these directories mounted read-only and no network.
    fn start(daemon: &'a dyn Daemon, mounts: &[(&Path, &str)]) -> Result<Self> {
        let mut docker = daemon.docker();
        docker.args(["run", "--detach", "--init", "--network", "none"]);
        for (source, target) in mounts {
            docker.arg("--volume").arg(format!("{}:{target}:ro", source.display()));
        }
        let id = command::read(docker.args([images::CLEAN, "sleep", "infinity"]))?;
        Ok(Self { daemon, id })
    }

    fn bash(&self, script: &str) -> Result<String> {
        command::read(self.daemon.docker().args(["exec", &self.id, "bash", "-euo", "pipefail", "-c", script]))
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        command::succeeds(self.daemon.docker().args(["rm", "--force", "--volumes", &self.id]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changelog_is_the_manifests() {
        let manifest = fs::read_to_string(workspace::root().join("profiler/Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("maintainer = \"{MAINTAINER}\"")));
        assert!(manifest.contains(&format!("changelog = \"../{PARTS}/changelog\"")));
    }
}
