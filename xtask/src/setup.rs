//! `cargo xtask setup`: the tool chain and the container runtime, as far as they are missing.
//!
//! Idempotent, and quick when all is there. The kernel half is compiled by nightly Rust and linked by `bpf-linker`,
//! whose LLVM must not be older than the compiler's; so the linker is built here against the LLVM of the same major
//! version, which Debian packages. What is only needed by tests is left to `cargo xtask test`.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};

use crate::command::{self, say};
use crate::packages::{self, HostLacks, Package};
use crate::workspace;

/// The version of the BPF linker that the kernel half is known to link with.
const BPF_LINKER: &str = "0.13.0";

/// Installs everything that building and running need.
pub(crate) fn run() -> Result<()> {
    tool_chain()?;
    container_runtime()?;
    say("set up: everything that building and running need is there");
    Ok(())
}

/// Installs what building needs.
pub(crate) fn tool_chain() -> Result<()> {
    rust()?;
    bpf_linker()
}

/// The nightly tool chain.
pub(crate) fn nightly() -> Result<()> {
    if command::find("rustup").is_none() {
        let what = "rustup is missing; it brings the nightly tool chain that compiles the kernel half";
        return Err(anyhow!(HostLacks { what: what.to_owned(), commands: Vec::new() }));
    }
    if !command::succeeds(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        say("installing the nightly tool chain");
        command::run(Command::new("rustup").args([
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
        ]))?;
    }
    Ok(())
}

/// The nightly tool chain with the standard library's source, and the static target of the stable one.
fn rust() -> Result<()> {
    nightly()?;
    let components = command::read(Command::new("rustup").args([
        "component",
        "list",
        "--installed",
        "--toolchain",
        "nightly",
    ]))?;
    if !components.lines().any(|line| line.starts_with("rust-src")) {
        say("adding the standard library's source to the nightly tool chain");
        command::run(Command::new("rustup").args([
            "component",
            "add",
            "rust-src",
            "--toolchain",
            "nightly",
        ]))?;
    }
    // What containers' programs are linked for.
    target(&workspace::static_target())
}

/// The standard library for a target.
pub(crate) fn target(target: &str) -> Result<()> {
    let targets = command::read(
        Command::new("rustup").args(["target", "list", "--installed"]).current_dir(workspace::root()),
    )?;
    if !targets.lines().any(|line| line == target) {
        say(&format!("adding the target {target}"));
        command::run(Command::new("rustup").args(["target", "add", target]).current_dir(workspace::root()))?;
    }
    Ok(())
}

/// What installs a version of a tool for cargo's user, with the dependencies it was released with. Whoever runs it may add
/// options.
pub(crate) fn cargo_install(tool: &str, version: &str) -> Command {
    let mut install = workspace::cargo();
    install.args(["install", tool, "--version", version, "--locked"]);
    // Nothing of it belongs among this project's own.
    install.env_remove("CARGO_TARGET_DIR");
    install
}

/// `bpf-linker`, built against the LLVM that the nightly compiler emits for.
fn bpf_linker() -> Result<()> {
    let wanted = format!("bpf-linker {BPF_LINKER}");
    if command::read(Command::new("bpf-linker").arg("--version")).is_ok_and(|version| version == wanted) {
        return Ok(());
    }
    let major = llvm_major()?;
    say(&format!("{wanted} is missing; building it against LLVM {major}"));
    packages::ensure(&[
        Package::program("gcc", "cc"),
        Package::program("g++", "c++"),
        Package::library(format!("llvm-{major}-dev")),
        Package::library(format!("libpolly-{major}-dev")),
        Package::library("libzstd-dev"),
        Package::library("zlib1g-dev"),
    ])?;
    let prefix = format!("/usr/lib/llvm-{major}");
    let mut install = cargo_install("bpf-linker", BPF_LINKER);
    install
        .args(["--force", "--no-default-features"])
        .arg(format!("--features=llvm-{major}"))
        .env("PATH", path_with(&Path::new(&prefix).join("bin"))?)
        .env("LLVM_PREFIX", &prefix);
    command::run(&mut install)?;
    command::read(Command::new("bpf-linker").arg("--version"))
        .context("bpf-linker was installed but does not run: is cargo's bin directory on the PATH?")?;
    Ok(())
}

/// The major version of the LLVM that the nightly compiler was built with.
fn llvm_major() -> Result<u32> {
    let version = command::read(Command::new("rustup").args(["run", "nightly", "rustc", "-vV"]))?;
    parse_llvm_major(&version).context("`rustc -vV` of the nightly tool chain names no LLVM version")
}

fn parse_llvm_major(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.trim().parse().ok()
}

fn path_with(first: &Path) -> Result<std::ffi::OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(std::iter::once(first.to_path_buf()).chain(env::split_paths(&path)))?)
}

/// Docker, unless it is there. A daemon is not started here: what needs one does.
pub(crate) fn container_runtime() -> Result<()> {
    if command::succeeds(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"])) {
        return Ok(());
    }
    packages::ensure(&[Package::program("docker.io", "dockerd")])?;
    packages::ensure(&[Package::program("docker-cli", "docker")])
}

#[cfg(test)]
mod tests {
    use super::parse_llvm_major;

    #[test]
    fn the_llvm_version_is_read_from_the_compilers_own_words() {
        let text = "rustc 1.97.0-nightly\nbinary: rustc\nLLVM version: 22.1.4\n";
        assert_eq!(parse_llvm_major(text), Some(22));
        assert_eq!(parse_llvm_major("rustc 1.97.0-nightly\n"), None);
    }
}
