//! The user's word on a plan: options of the command line, and `writepath.toml`.

use std::{io::Read, path::Path};

use reports::plan::{MAX_CONFIG_BYTES, Overrides};

use crate::{
    cli::OverrideArgs,
    failure::{Failure, Kind},
};

/// The file that is read where none is named.
const CONFIG: &str = "writepath.toml";

/// The command line's word over the file's.
///
/// # Errors
/// Where a file cannot be read, or says what cannot be understood.
pub(super) fn overrides(args: &OverrideArgs) -> Result<Overrides, Failure> {
    let own = Overrides {
        tmpfs: args.tmpfs.clone(),
        volumes: args.volume.clone(),
        ignore: args.ignore.clone(),
        max_tmpfs: args.max_tmpfs,
    };
    let file = match &args.config {
        Some(path) => Some(read_config(path)?),
        None if Path::new(CONFIG).exists() => Some(read_config(Path::new(CONFIG))?),
        None => None,
    };
    Ok(match file {
        Some(file) => own.over(file),
        None => own,
    })
}

fn read_config(path: &Path) -> Result<Overrides, Failure> {
    let unreadable = |why: String| {
        Failure::new(Kind::Usage, format!("{}: {why}", path.display())).hint(
            "its table [recommend] knows tmpfs, volume and ignore, which are lists, and max-tmpfs: what the options of these names take",
        )
    };
    let mut bytes = Vec::new();
    let limit = MAX_CONFIG_BYTES as u64 + 1;
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    Overrides::from_toml(&bytes).map_err(|error| unreadable(error.to_string()))
}
