//! `cargo xtask lint`: format and clippy, warnings denied, on every package.
//!
//! The kernel half has no host build, so clippy sees it with the nightly tool chain and the BPF target. Where that
//! tool chain has no clippy the step is left out, and said to be.

use std::process::Command;

use anyhow::Result;

use crate::{command, fmt, workspace};

/// Checks everything.
pub(crate) fn run() -> Result<()> {
    fmt::run(true)?;
    let deny = ["--", "-D", "warnings"];
    command::run(workspace::cargo().args(["clippy", "--all-targets"]).args(deny))?;
    command::run(workspace::cargo().args(["clippy", "-p", "subjects", "--all-targets"]).args(deny))?;
    command::run(
        workspace::cargo().args(["clippy", "-p", "profiler-ebpf", "--lib", "--all-features"]).args(deny),
    )?;
    if !command::succeeds(Command::new("rustup").args(["run", "nightly", "cargo", "clippy", "--version"])) {
        command::say(
            "the nightly tool chain has no clippy (`rustup component add clippy --toolchain nightly`): the kernel half is not linted",
        );
        return Ok(());
    }
    command::run(
        workspace::cargo_nightly()
            .args(["clippy", "-p", "profiler-ebpf", "--bins", "-Z", "build-std=core"])
            .args(["--target", bpf_target()])
            .args(deny),
    )
}

/// The BPF target of this host's byte order.
fn bpf_target() -> &'static str {
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" }
}
