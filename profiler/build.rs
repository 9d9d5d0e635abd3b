//! Compiles the kernel half for the BPF target and puts the object into `OUT_DIR`, where `sensor::bpf` embeds it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aya_build::{Package, Toolchain};
use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiler-ebpf");
    let root = root.to_str().ok_or_else(|| anyhow::anyhow!("the path of the checkout is no UTF-8"))?;
    let package = Package { name: "profiler-ebpf", root_dir: root, ..Package::default() };
    aya_build::build_ebpf([package], Toolchain::default()).map_err(|error| {
        error.context("the BPF object could not be built; `cargo xtask setup` installs what that takes")
    })?;
    let object = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?).join("writepath");
    strip(&object).with_context(|| format!("stripping {}", object.display()))
}

/// What the program has no use for: DWARF, which it takes to make BTF.
const NOT_WANTED: [&[u8]; 3] = [b".debug_", b".rel.debug_", b".rel.BTF.ext"];

/// Takes out of the object what is not wanted in it: with the lines of the sources, three quarters of it, and to be read and
/// relocated with every start.
fn strip(path: &Path) -> anyhow::Result<()> {
    let data = std::fs::read(path)?;
    let mut object = Builder::read(data.as_slice())?;
    for section in object.sections.iter_mut() {
        section.delete = NOT_WANTED.iter().any(|start| section.name.starts_with(start));
        if section.name.as_slice() == b".BTF.ext"
            && let SectionData::Data(data) = &section.data
        {
            section.data = SectionData::Data(functions_only(data)?.into());
        }
    }
    object.delete_orphans();
    if !object.sections.iter().any(|section| matches!(section.data, SectionData::SectionString)) {
        // LLVM keeps the sections' names with those of the symbols; what writes here wants them apart.
        let names = object.sections.add();
        names.name = ".shstrtab".into();
        names.sh_type = SHT_STRTAB;
        names.data = SectionData::SectionString;
    }
    let mut stripped = Vec::new();
    object.write(&mut stripped)?;
    Ok(std::fs::write(path, stripped)?)
}

/// The section `.BTF.ext` with the types of functions, by which the kernel tells those that are to be verified by themselves,
/// and without the source lines of every instruction, which the verifier would print.
///
/// The header (Linux Documentation/bpf/btf.rst, 4.2): magic, version, flags, then words: its length, and offset from its
/// end and length of the functions, of the lines, and of the relocations.
fn functions_only(section: &[u8]) -> anyhow::Result<Vec<u8>> {
    let word = |index: usize| {
        let bytes = section.get(index * 4..index * 4 + 4).context("a short header of .BTF.ext")?;
        Ok::<_, anyhow::Error>(u32::from_le_bytes(bytes.try_into()?) as usize)
    };
    let (header, start, length) = (word(1)?, word(2)?, word(3)?);
    let functions = header + start..header + start + length;
    let mut kept = section.get(..header).context("a short .BTF.ext")?.to_vec();
    // Everything behind the place and length of the functions, which come first now.
    kept.get_mut(16..).context("a short header of .BTF.ext")?.fill(0);
    kept[8..12].fill(0);
    kept.extend(section.get(functions).context("a short .BTF.ext")?);
    Ok(kept)
}
