//! Compiles the kernel half for the BPF target and puts the object into `OUT_DIR`, where `sensor::bpf` embeds it.

use aya_build::{Package, Toolchain};

fn main() -> anyhow::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiler-ebpf");
    let root = root.to_str().ok_or_else(|| anyhow::anyhow!("the path of the checkout is no UTF-8"))?;
    let package = Package { name: "profiler-ebpf", root_dir: root, ..Package::default() };
    aya_build::build_ebpf([package], Toolchain::default()).map_err(|error| {
        error.context("the BPF object could not be built; `cargo xtask setup` installs what that takes")
    })
}
