//! Programs that are linked statically, and so run on every Linux of their architecture and in empty containers.
//!
//! rustc's own linker is enough for architectures other than this host's: nothing in them is C.

use std::process::Command;

use crate::workspace;

/// Cargo, ready to link for the target.
pub(crate) fn cargo(target: &str) -> Command {
    let mut cargo = workspace::cargo();
    if target != workspace::static_target() {
        cargo.env(variable(target, "LINKER"), "rust-lld");
    }
    cargo
}

/// What the environment variable of cargo's is called that says this of the target.
pub(crate) fn variable(target: &str, what: &str) -> String {
    format!("CARGO_TARGET_{}_{what}", target.to_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn variables_are_spelled_as_cargo_does() {
        assert_eq!(
            variable("aarch64-unknown-linux-musl", "LINKER"),
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER"
        );
    }
}
