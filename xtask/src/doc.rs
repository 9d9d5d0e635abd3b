//! `cargo xtask doc`: rustdoc for the workspace's own packages, warnings denied.

use anyhow::Result;

use crate::{command, workspace};

/// Builds the documentation.
pub(crate) fn run() -> Result<()> {
    command::run(
        workspace::cargo()
            .args(["doc", "--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}
