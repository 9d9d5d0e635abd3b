//! The host's packages: which are missing, and their installation with `apt-get` where root may do that.
//!
//! Never installs anything that is there under another package's name: a program counts as present when it is
//! found, wherever it came from. Without root or without `apt-get`, the exact commands are reported instead.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, anyhow};

use crate::command;

/// One thing the host should have, and the Debian package that brings it.
pub(crate) struct Package {
    /// The Debian package.
    pub(crate) name: String,
    /// How its presence is seen.
    pub(crate) sign: Sign,
}

/// How one sees that a package is there.
pub(crate) enum Sign {
    /// A program of this name is found.
    Program(&'static str),
    /// Debian's package database lists it as installed.
    Installed,
}

impl Package {
    /// A package that is there when the program is.
    pub(crate) fn program(name: &str, program: &'static str) -> Self {
        Self { name: name.to_owned(), sign: Sign::Program(program) }
    }

    /// A package that only the package database knows about: a library, headers.
    pub(crate) fn library(name: impl Into<String>) -> Self {
        Self { name: name.into(), sign: Sign::Installed }
    }

    fn is_there(&self) -> bool {
        match self.sign {
            Sign::Program(program) => command::find(program).is_some(),
            Sign::Installed => command::read(Command::new("dpkg-query").args([
                "-W",
                "-f",
                "${db:Status-Status}",
                &self.name,
            ]))
            .is_ok_and(|status| status == "installed"),
        }
    }
}

/// Something is missing that could not be installed from here; the program ends with status 3.
#[derive(Debug)]
pub(crate) struct HostLacks {
    /// What is missing and why it was not installed.
    pub(crate) what: String,
    /// Commands that mend it.
    pub(crate) commands: Vec<String>,
}

impl fmt::Display for HostLacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if !self.commands.is_empty() {
            write!(f, "; as root, run:")?;
        }
        for command in &self.commands {
            write!(f, "\n    {command}")?;
        }
        Ok(())
    }
}

impl std::error::Error for HostLacks {}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Installs those of the packages that are missing.
///
/// # Errors
/// [`HostLacks`] where that takes root or another package manager; whatever `apt-get` reports.
pub(crate) fn ensure(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().filter(|p| !p.is_there()).map(|p| p.name.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let commands =
        vec!["apt-get update".to_owned(), format!("apt-get install --yes --no-install-recommends {list}")];
    if command::find("apt-get").is_none() {
        let what = format!(
            "missing: {list} (Debian's names; this host has no apt-get, use its own package manager)"
        );
        return Err(anyhow!(HostLacks { what, commands: Vec::new() }));
    }
    if !is_root() {
        return Err(anyhow!(HostLacks { what: format!("missing: {list}, and this is not root"), commands }));
    }
    command::say(&format!("installing Debian packages: {list}"));
    command::run(apt_get().args(["-qq", "update"]))?;
    command::run(apt_get().args(["-qq", "install", "--yes", "--no-install-recommends"]).args(&missing))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").current_dir(Path::new("/"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed() {
        ensure(&[Package::program("dash", "sh")]).unwrap();
    }

    #[test]
    fn the_message_ends_with_the_commands() {
        let lacks = HostLacks { what: "missing: x".to_owned(), commands: vec!["apt-get update".to_owned()] };
        assert_eq!(lacks.to_string(), "missing: x; as root, run:\n    apt-get update");
    }
}
