//! The resolver against whole kernels: every offset that the programs are given must be the one that a C compiler lays
//! the same structure out with. `cargo xtask btf` prepares the directory that `WRITEPATH_BTF` names: `NAME.btf`, a kernel's BTF,
//! and `NAME.h`, its types as C, which another program wrote.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use profiler_ebpf::fields;

use super::{super::arch, Btf};

/// What a C compiler finds wrong with these offsets and the size of `struct pt_regs`; nothing where they are right.
fn complaints(header: &Path, offsets: &[(&str, &str, u32)], registers_size: u32) -> String {
    let mut source = format!("#include \"{}\"\n", header.display());
    for (structure, member, offset) in offsets {
        let _ = writeln!(
            source,
            "_Static_assert(__builtin_offsetof(struct {structure}, {member}) == {offset}, \"{structure}.{member}\");"
        );
    }
    let _ = writeln!(source, "_Static_assert(sizeof(struct pt_regs) == {registers_size}, \"pt_regs\");");
    let mut compiler = Command::new("cc")
        .args(["-std=gnu11", "-fms-extensions", "-w", "-fsyntax-only", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a C compiler is installed");
    compiler.stdin.take().expect("it was asked for").write_all(source.as_bytes()).expect("it reads");
    let output = compiler.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), errors.is_empty(), "{errors}");
    errors
}

/// All that is resolved.
fn resolved(btf: &Btf) -> Vec<(&'static str, &'static str, u32)> {
    let fields = fields::ALL.iter().map(|field| (field.structure, field.member));
    let all = fields.chain(arch::members());
    all.map(|(structure, member)| {
        (structure, member, btf.offset_of(structure, member).expect("every kernel has it"))
    })
    .collect()
}

#[test]
fn offsets_are_those_of_a_c_compiler() {
    let Some(directory) = std::env::var_os("WRITEPATH_BTF").map(PathBuf::from) else {
        println!("skipped: WRITEPATH_BTF names no directory (cargo xtask btf)");
        return;
    };
    let mut kernels = 0;
    for entry in std::fs::read_dir(&directory).expect("the directory is there") {
        let path = entry.expect("the directory can be read").path();
        if path.extension().is_none_or(|kind| kind != "btf") {
            continue;
        }
        let btf = Btf::parse(&std::fs::read(&path).expect("a file")).expect("a kernel's BTF");
        let offsets = resolved(&btf);
        let size = btf.size_of("pt_regs").expect("every kernel has it");
        let header = path.with_extension("h");
        let errors = complaints(&header, &offsets, size);
        assert!(errors.is_empty(), "{}: {errors}", path.display());
        // That a wrong one would be noticed.
        let mut wrong = offsets.clone();
        wrong[0].2 += 4;
        let errors = complaints(&header, &wrong, size);
        let (structure, member, _) = wrong[0];
        assert!(errors.contains(&format!("{structure}.{member}")), "{errors}");
        println!("{}: {} offsets are those of the C compiler", path.display(), offsets.len());
        kernels += 1;
    }
    assert!(kernels > 0, "{} holds no BTF", directory.display());
}
