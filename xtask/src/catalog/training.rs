//! The training run of an application and its files; what is asked of its profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::application::Application;
use crate::command;
use crate::daemon::Daemon;
use crate::images::Release;

/// An application with the directory of its files.
pub(super) struct Training<'a> {
    pub(super) daemon: &'a dyn Daemon,
    /// The program.
    pub(super) program: &'a str,
    pub(super) application: &'a Application,
    /// The Debian release that it is from.
    pub(super) release: &'a Release,
    /// The port that it is reached at.
    pub(super) port: u16,
    /// For the files of this application alone.
    pub(super) directory: PathBuf,
}

impl Training<'_> {
    /// Profiles the application under its load, from its first instruction to its end.
    pub(super) fn run(&self) -> Result<Value> {
        self.run_to(&self.profile())
    }

    /// The same, with the profile in another file.
    pub(super) fn run_to(&self, profile: &Path) -> Result<Value> {
        fs::create_dir_all(&self.directory)?;
        let mut run = self.writepath();
        run.arg("run").arg("-o").arg(profile).args(self.course()?);
        run.args(self.application.options(self.port)).arg(self.application.image(self.release));
        let output = run.args(self.application.arguments).output().context("writepath cannot be started")?;
        // An incomplete profile is written all the same, and says so.
        if !matches!(output.status.code(), Some(0 | 4)) {
            bail!(
                "the training run ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        read_json(profile)
    }

    /// The plan that the profile leads to.
    pub(super) fn recommend(&self) -> Result<Value> {
        let plan =
            command::read(self.writepath().args(["recommend", "--format", "json"]).arg(self.profile()))?;
        serde_json::from_str(&plan).context("the plan is no JSON")
    }

    /// Where the profile is written.
    pub(super) fn profile(&self) -> PathBuf {
        self.file("profile.json")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Readiness, load and limits, for `run` and `verify`.
    pub(super) fn course(&self) -> Result<[String; 8]> {
        self.application.course(self.port)
    }

    pub(super) fn writepath(&self) -> Command {
        self.daemon.command(self.program)
    }
}

/// A JSON document from a file.
pub(super) fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}
