//! Temporary directories that the next run removes where a killed one could not.

use std::path::Path;
use std::{env, fs};

use anyhow::Result;
use tempfile::TempDir;

/// The beginning of their names, before the owner's process id.
const PREFIX: &str = "writepath-bench-";

/// Makes one.
pub(super) fn temporary() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix(&format!("{PREFIX}{}-", std::process::id())).tempdir()?)
}

/// Removes those whose owner is gone.
pub(super) fn remove_leftovers() {
    for entry in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .to_str()
            .and_then(owner)
            .is_some_and(|pid| !Path::new("/proc").join(pid).exists())
        {
            // Another run may be at it as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process id in a name.
fn owner(name: &str) -> Option<&str> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    (!pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_ours_have_an_owner() {
        assert_eq!(owner("writepath-bench-12-abc"), Some("12"));
        for name in ["writepath-bench-x-abc", "writepath-bench--a", "writepath-bench-12", "other-12-a"] {
            assert_eq!(owner(name), None, "{name}");
        }
        let directory = temporary().unwrap();
        remove_leftovers();
        assert!(directory.path().exists());
    }
}
