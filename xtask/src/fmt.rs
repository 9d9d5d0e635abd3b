//! `cargo xtask fmt`: rustfmt on every package of the workspace, and on the fuzz targets beside it.

use anyhow::Result;

use crate::{command, workspace};

/// Formats, or with `check` only looks.
pub(crate) fn run(check: bool) -> Result<()> {
    for arguments in [&["--all"][..], &["--manifest-path", "reports/fuzz/Cargo.toml"]] {
        let mut cargo = workspace::cargo();
        cargo.arg("fmt").args(arguments);
        if check {
            cargo.arg("--check");
        }
        command::run(&mut cargo)?;
    }
    Ok(())
}
