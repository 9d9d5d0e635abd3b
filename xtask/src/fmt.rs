//! `cargo xtask fmt`: rustfmt on every package of the workspace.

use anyhow::Result;

use crate::{command, workspace};

/// Formats, or with `check` only looks.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["fmt", "--all"]);
    if check {
        cargo.arg("--check");
    }
    command::run(&mut cargo)
}
