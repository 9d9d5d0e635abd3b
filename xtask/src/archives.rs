//! Debian's archives, wherever this host gets them from, and package lists of other suites than the host's own.
//!
//! The addresses come from the host's package sources: no other place is ever asked. A suite's lists live in a
//! directory of their own, so that the host's lists and its installed packages are neither used nor changed. What is
//! fetched is checked against Debian's own keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};

use crate::command;
use crate::packages::HostLacks;

/// The keys of Debian's archives, from the package `debian-archive-keyring`.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One of Debian's archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Archive {
    /// Releases and backports.
    Main,
    /// Security updates, of old releases too.
    Security,
}

impl Archive {
    /// The label in the archive's release file.
    fn label(self) -> &'static str {
        match self {
            Self::Main => "Debian",
            Self::Security => "Debian-Security",
        }
    }
}

/// Where this host gets the archives from.
pub(crate) struct Mirrors {
    /// Label and address.
    repositories: Vec<(String, String)>,
}

impl Mirrors {
    /// Those of the host's package sources.
    ///
    /// # Errors
    /// [`HostLacks`] where the host is no Debian.
    pub(crate) fn of_host() -> Result<Self> {
        let mirrors = Self { repositories: repositories()? };
        if mirrors.address(Archive::Main).is_some() {
            return Ok(mirrors);
        }
        // A fresh machine has no lists yet, and the labels are in the lists.
        command::read(Command::new("apt-get").args(["-qq", "update"]))?;
        Ok(Self { repositories: repositories()? })
    }

    fn address(&self, archive: Archive) -> Option<&str> {
        let found = self.repositories.iter().find(|(label, _)| label == archive.label());
        found.map(|(_, address)| address.as_str())
    }

    /// A line of `sources.list` for a suite.
    pub(crate) fn source(&self, archive: Archive, suite: &str) -> Result<String> {
        let address = self.address(archive).ok_or_else(|| {
            let what = format!(
                "this host's package sources name no archive labelled {}, which {suite} is taken from",
                archive.label()
            );
            anyhow!(HostLacks { what, commands: Vec::new() })
        })?;
        Ok(format!("deb [arch=amd64 signed-by={KEYS}] {address} {suite} main"))
    }
}

fn repositories() -> Result<Vec<(String, String)>> {
    let lines = command::read(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(LABEL) $(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let pairs = lines.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs.map(|(label, address)| (label.to_owned(), address.to_owned())).collect())
}

/// The package lists of one source.
pub(crate) struct Lists {
    directory: PathBuf,
}

impl Lists {
    /// Fetches them into the directory.
    pub(crate) fn fetch(directory: &Path, source: &str) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(directory.join(part))?;
        }
        fs::write(directory.join("sources.list"), format!("{source}\n"))?;
        // Nothing is installed, as far as these lists are concerned.
        fs::write(directory.join("status"), "")?;
        let lists = Self { directory: directory.to_path_buf() };
        command::read(lists.apt("apt-get").arg("update"))?;
        Ok(lists)
    }

    fn apt(&self, program: &str) -> Command {
        let own = |file: &str| self.directory.join(file).display().to_string();
        let mut command = Command::new(program);
        command.arg("-qq");
        for option in [
            format!("Dir::Etc::sourcelist={}", own("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State={}", own("state")),
            format!("Dir::State::status={}", own("status")),
            format!("Dir::Cache={}", own("cache")),
            // The user that apt would drop to may not enter these directories.
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    }

    /// The package and all that it depends on, directly or not, as far as the names will do.
    pub(crate) fn dependencies(&self, package: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let lines =
            command::read(self.apt("apt-cache").args(["depends", "--recurse", "--important", package]))?;
        // A package starts its line, what it depends on is indented.
        let names = lines.lines().filter(|line| !line.starts_with([' ', '|', '<']) && wanted(line));
        let names: Vec<String> = names.map(str::to_owned).collect();
        if names.is_empty() {
            return Err(anyhow!("the suite has no package {package}"));
        }
        Ok(names)
    }

    /// Downloads the packages into a directory; returns their files.
    pub(crate) fn download(&self, packages: &[String], directory: &Path) -> Result<Vec<PathBuf>> {
        command::read(self.apt("apt-get").arg("download").args(packages).current_dir(directory))
            .with_context(|| format!("downloading {}", packages.join(" ")))?;
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "deb") {
                files.push(path);
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_the_hosts_address_and_debians_keys() {
        let repositories = vec![("Debian".to_owned(), "mirror://one/".to_owned())];
        let mirrors = Mirrors { repositories };
        let line = mirrors.source(Archive::Main, "trixie").unwrap();
        assert_eq!(line, format!("deb [arch=amd64 signed-by={KEYS}] mirror://one/ trixie main"));
        let error = mirrors.source(Archive::Security, "bullseye-security").unwrap_err();
        assert!(error.downcast_ref::<HostLacks>().is_some() && error.to_string().contains("Debian-Security"));
    }
}
