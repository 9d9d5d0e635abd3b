//! What takes long to make is made once: directories named by the digest of what they are made from.
//!
//! An entry is whole or absent: it is made under another name and renamed at the end. Older entries for the same thing
//! are removed then. Debian's packages are taken as they are on the day; a newer package alone does not make an entry
//! anew (`--rebuild` does).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::command::say;
use crate::images;

/// The directory of all entries.
pub(super) struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// The cache in this directory; emptied on request.
    pub(super) fn open(directory: PathBuf, rebuild: bool) -> Result<Self> {
        if rebuild && directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// The directory of the thing that is made from these parts; `make` fills it where there is none.
    pub(super) fn entry(
        &self,
        what: &str,
        parts: &[&str],
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let digest = images::fingerprint(parts.iter().map(|part| part.as_bytes()));
        let finished = self.directory.join(format!("{what}-{digest}"));
        if finished.is_dir() {
            return Ok(finished);
        }
        say(&format!("making {what}"));
        let start = Instant::now();
        let unfinished = tempfile::Builder::new().prefix(&format!(".{what}-")).tempdir_in(&self.directory)?;
        make(unfinished.path()).with_context(|| format!("making {what}"))?;
        self.remove_others(what, unfinished.path())?;
        fs::rename(unfinished.keep(), &finished)?;
        say(&format!("made {what} in {} s", start.elapsed().as_secs()));
        Ok(finished)
    }

    /// Removes entries made from other parts, and what a process that was killed left.
    fn remove_others(&self, what: &str, kept: &Path) -> Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.strip_prefix('.').unwrap_or(&name);
            let is_other = name.strip_prefix(what).and_then(|rest| rest.strip_prefix('-')).is_some();
            if is_other && path != kept {
                fs::remove_dir_all(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_made_once_and_replaced_when_its_parts_change() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache"), false).unwrap();
        let make = |directory: &Path| Ok(fs::write(directory.join("file"), "content")?);
        let first = cache.entry("thing", &["1"], make).unwrap();
        assert!(first.join("file").is_file());
        assert_eq!(cache.entry("thing", &["1"], |_| anyhow::bail!("made again")).unwrap(), first);
        assert!(cache.entry("thing", &["2"], |_| anyhow::bail!("no")).is_err());
        assert!(first.is_dir(), "a failure removes nothing");
        fs::create_dir(directory.path().join("cache/.thing-left")).unwrap();
        let second = cache.entry("thing", &["2"], make).unwrap();
        assert!(second.is_dir() && !first.exists());
        assert_eq!(fs::read_dir(directory.path().join("cache")).unwrap().count(), 1);
    }
}
