//! `cargo xtask cross`: the program for the other architecture, arm64, and what can be tried of it without a machine.
//!
//! The unit tests and the commands that need no kernel of their own run under QEMU's user mode emulation. The kernel that
//! answers is this host's: what is never tried here are the BPF programs on arm64.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::command::{self, say};
use crate::packages::{self, Package};
use crate::test::Tally;
use crate::{musl, setup, workspace};

/// The target.
const TARGET: &str = "aarch64-unknown-linux-musl";
/// What runs its programs.
const EMULATOR: &str = "qemu-aarch64-static";

/// A profile with one write and one capability.
const PROFILE: &str = r#"{"schema":"writepath.profile/v1","tool":{"name":"writepath","version":"0"},
"host":{"kernel":"k","arch":"aarch64"},"subject":{"name":"stored"},"run":{"started":"","duration_ms":1},
"coverage":{"complete":true},"writes":[{"path":"/run/x","op":"create","errno":0,"count":1,"mount":"/",
"first_ms":0,"last_ms":0,"processes":["/x"]}],"capabilities":[]}"#;

/// Builds and tries it.
pub(crate) fn run() -> Result<()> {
    setup::tool_chain()?;
    setup::target(TARGET)?;
    packages::ensure(&[Package::program("qemu-user-static", EMULATOR)])?;
    command::run(cargo().args(["build", "--package", "profiler", "--target", TARGET]))?;
    let mut tally = Tally::default();
    let mut test = cargo();
    test.args(["test", "--package", "profiler", "--bins", "--target", TARGET, "--"]);
    // The emulator of Debian 12 does not know openat2, which files are opened and names resolved with.
    tally.run(test.args(["--skip", "collect::view", "--skip", "collect::sizes"]))?;
    smoke()?;
    tally.close()
}

/// Cargo with a linker and the emulator for the target.
fn cargo() -> Command {
    let mut cargo = musl::cargo(TARGET);
    cargo.env(musl::variable(TARGET, "RUNNER"), EMULATOR);
    cargo
}

/// Commands that run anywhere, and `doctor`, which refuses a kernel of another architecture.
fn smoke() -> Result<()> {
    let program = workspace::target().join(TARGET).join("debug/writepath");
    let directory = tempfile::tempdir()?;
    let profile = directory.path().join("profile.json");
    fs::write(&profile, PROFILE)?;
    let profile = profile.to_str().context("the temporary directory has a plain name")?;
    for (arguments, status, words) in [
        (&["--help"][..], 0, "Usage: writepath"),
        (&["recommend", profile], 0, "/run"),
        (&["recommend", "--format", "json", profile], 0, "writepath.plan/v1"),
        (&["doctor"], 3, "pt_regs"),
    ] {
        let output = Command::new(EMULATOR).arg(&program).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let shown = arguments.join(" ");
        ensure!(output.status.code() == Some(status), "`{shown}` on arm64: {}\n{said}", output.status);
        ensure!(said.contains(words), "`{shown}` on arm64 does not say {words:?}:\n{said}");
        say(&format!("`{shown}` on arm64: as it should be"));
    }
    Ok(())
}
