//! The sensors: what the kernel is asked to report, and how its reports become facts.
//!
//! Owns the BPF programs' life and the decoding of what they send. Never decides what a fact means for a plan.
//! Mandatory: BTF, the tracepoints of `bpf::Programs::load`. Falls back: see there.

mod arch;
mod asks;
pub(crate) mod bpf;
pub(crate) mod btf;
pub(crate) mod calls;
pub(crate) mod decode;
pub(crate) mod symbols;

pub(crate) use bpf::{Programs, Records, resolve_offsets};

/// Sizes of the kernel half's tables.
#[derive(Debug, Clone)]
pub(crate) struct SensorOptions {
    /// Size of the ring buffer in bytes, a power of two.
    pub(crate) ring_bytes: u32,
    /// Entries of the table of operations.
    pub(crate) table_entries: u32,
    /// Distinct names per directory, operation and outcome before only the directory is counted.
    pub(crate) names_per_directory: u32,
    /// Which hooks to use.
    pub(crate) hooks: Hooks,
}

/// Which of the equivalent hooks to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Hooks {
    /// `fexit` where the kernel allows it, else tracepoints
    #[default]
    Auto,
    /// `fexit`: calls of no interest pay nothing
    Fexit,
    /// Tracepoints, where there are any
    Tracepoint,
}

impl Default for SensorOptions {
    fn default() -> Self {
        Self { ring_bytes: 4 << 20, table_entries: 65_536, names_per_directory: 64, hooks: Hooks::Auto }
    }
}

/// Why the sensors cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SensorError {
    /// The kernel offers no BTF.
    #[error(
        "the kernel offers no type information (/sys/kernel/btf/vmlinux: {0}); it takes CONFIG_DEBUG_INFO_BTF=y, as the kernels of all large distributions have"
    )]
    NoBtf(#[source] std::io::Error),
    /// A field is missing in it.
    #[error(transparent)]
    Btf(#[from] btf::BtfError),
    /// The kernel does not have what a program hooks.
    #[error("the kernel has no {hook}")]
    NoHook {
        /// What.
        hook: String,
    },
    /// A program was refused.
    #[error("the kernel refused {program}: {message}")]
    Load {
        /// Which.
        program: String,
        /// Why, the verifier's words included.
        message: String,
    },
    /// None of two equivalent hooks can be used.
    #[error("{}; instead of it: {}", .first.short(), .second.short())]
    Neither {
        /// What became of the one that was tried first.
        first: Box<SensorError>,
        /// And of the other.
        second: Box<SensorError>,
    },
    /// A map cannot be used.
    #[error("the BPF map {map} cannot be used: {message}")]
    Map {
        /// Which.
        map: String,
        /// Why.
        message: String,
    },
}

impl SensorError {
    /// Its first line: of a program that is refused it says why, and the rest is the verifier's log.
    pub(crate) fn short(&self) -> String {
        self.to_string().lines().next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::SensorError;

    #[test]
    fn where_both_kinds_are_refused_both_reasons_are_told() {
        let refused = |program: &str| SensorError::Load {
            program: program.to_owned(),
            message: format!("{program} is bad\n1: r0 = 1\n"),
        };
        let [first, second] = ["fexit/x", "tp_btf/y"].map(|program| Box::new(refused(program)));
        let error = SensorError::Neither { first, second }.to_string();
        assert!(error.contains("fexit/x is bad") && error.contains("tp_btf/y is bad"), "{error}");
        assert!(!error.contains("r0 = 1"), "{error}");
    }
}
