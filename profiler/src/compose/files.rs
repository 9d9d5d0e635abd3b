//! Which files a project is made of where none is named.

use std::path::PathBuf;

use crate::failure::{Failure, Kind};

/// In the order of preference (compose-spec, 03-compose-file.md; docker-compose 1.29 knows the same).
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// What is laid over them.
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// Those that `COMPOSE_FILE` names, or the one in the current directory or the next one above that has one, with its
/// override. They are looked for here because an override file can only be added to files that are named.
///
/// # Errors
/// Where there is none.
pub(crate) fn compose_files() -> Result<Vec<PathBuf>, Failure> {
    if let Some(given) = std::env::var_os("COMPOSE_FILE").filter(|files| !files.is_empty()) {
        return Ok(std::env::split_paths(&given).collect());
    }
    let current = std::env::current_dir()
        .map_err(|error| Failure::new(Kind::Usage, format!("the current directory: {error}")))?;
    for directory in current.ancestors() {
        let find =
            |names: [&str; 4]| names.map(|name| directory.join(name)).into_iter().find(|path| path.is_file());
        if let Some(file) = find(NAMES) {
            return Ok([Some(file), find(OVERRIDES)].into_iter().flatten().collect());
        }
    }
    Err(Failure::new(Kind::Usage, "there is no Compose file here or in the directories above")
        .hint("name it with -f FILE"))
}
