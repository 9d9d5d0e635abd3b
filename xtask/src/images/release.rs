//! The Debian release that the packages of an image come from: the host's own, or another one by its name.
//!
//! Images of another release carry its name as their tag, so that those of several lie beside one another. Never
//! touches the host's own package lists.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::archives::{Archive, Mirrors};

/// Used where the host is no Debian of its own.
const FALLBACK_SUITE: &str = "bookworm";

/// A Debian release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    suite: String,
    is_hosts: bool,
}

impl Release {
    /// The host's own; a stable one where the host is no Debian.
    pub(crate) fn of_host() -> Self {
        let suite = debian_suite().unwrap_or_else(|| FALLBACK_SUITE.to_owned());
        Self { suite, is_hosts: true }
    }

    /// The one of that name, for instance `trixie`.
    ///
    /// # Errors
    /// Where that cannot be the name of one.
    pub(crate) fn named(suite: &str) -> Result<Self> {
        let host = Self::of_host();
        if host.suite == suite {
            return Ok(host);
        }
        if suite.is_empty() || !suite.bytes().all(|byte| byte.is_ascii_lowercase()) {
            bail!(
                "`{suite}` is no name of a Debian release: those are lower-case letters, for instance trixie"
            );
        }
        Ok(Self { suite: suite.to_owned(), is_hosts: false })
    }

    /// Its name.
    pub(crate) fn suite(&self) -> &str {
        &self.suite
    }

    /// Whether it is the host's own.
    pub(crate) fn is_hosts(&self) -> bool {
        self.is_hosts
    }

    /// The tag of its images.
    pub(super) fn tag(&self) -> &str {
        if self.is_hosts { "latest" } else { &self.suite }
    }

    /// An image of that name from this release.
    pub(crate) fn image(&self, name: &str) -> String {
        if self.is_hosts { name.to_owned() } else { format!("{name}:{}", self.suite) }
    }

    /// Where its packages come from, in the words of mmdebstrap: files with package sources or lines of them; nothing
    /// where its own defaults will do.
    ///
    /// # Errors
    /// Where the host's package sources lead to no archive with this release.
    pub(super) fn sources(&self) -> Result<Vec<String>> {
        if !self.is_hosts {
            return Ok(vec![Mirrors::of_host()?.source(Archive::Main, &self.suite)?]);
        }
        let mut sources = Vec::new();
        if debian_suite().is_none() {
            return Ok(sources);
        }
        if Path::new("/etc/apt/sources.list").is_file() {
            sources.push("/etc/apt/sources.list".to_owned());
        }
        for entry in fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten() {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "list" || kind == "sources") {
                sources.push(path.display().to_string());
            }
        }
        sources.sort();
        Ok(sources)
    }
}

/// The host's suite, where it is a Debian.
fn debian_suite() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let field = |name: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(name))?;
        Some(value.trim_matches('"').to_owned())
    };
    field("ID=").filter(|id| id == "debian")?;
    field("VERSION_CODENAME=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_the_hosts_release_have_no_tag() {
        let host = Release::of_host();
        assert_eq!(host.image("a/b"), "a/b");
        assert_eq!(Release::named(host.suite()).unwrap(), host);
        let other = Release::named("othername").unwrap();
        assert_eq!(other.image("a/b"), "a/b:othername");
        for name in ["", "a b", "-x", "Trixie", "a:b"] {
            assert!(Release::named(name).is_err(), "{name}");
        }
    }
}
