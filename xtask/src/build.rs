//! `cargo xtask build`: the release binary, on a host that has been set up.

use anyhow::Result;

use crate::{command, setup, workspace};

/// Sets up and builds `target/release/writepath`.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    release()
}

/// Builds the release binary alone.
pub(crate) fn release() -> Result<()> {
    command::run(workspace::cargo().args(["build", "--release"]))?;
    command::say(&format!("built {}", workspace::target().join("release/writepath").display()));
    Ok(())
}
