//! `cargo xtask btf`: the offsets that the program finds in the BTF of each kernel, against what a C compiler makes of
//! that kernel's types.
//!
//! The BTF is taken from the kernel's image as Debian ships it, the C declarations from there by bpftool; the test
//! itself is profiler/src/sensor/btf/kernels.rs, which knows what is resolved. No machine is booted.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::cache::Cache;
use super::kernel::Kernel;
use crate::archives::Mirrors;
use crate::command::{self, say};
use crate::packages::{self, Package};
use crate::test::Tally;
use crate::workspace;

/// The only tests that look at what is prepared here.
const TESTS: &str = "sensor::btf::kernels";

/// Extracts the BTF of the kernels and tests the resolver against it.
pub(super) fn check(kernels: &[&Kernel], cache: &Cache, mirrors: &Mirrors) -> Result<()> {
    packages::ensure(&[
        Package::program("bpftool", "bpftool"),
        Package::program("binutils", "objcopy"),
        Package::program("gcc", "cc"),
        Package::program("xz-utils", "xz"),
        Package::program("zstd", "zstd"),
        Package::program("gzip", "gzip"),
        Package::program("lz4", "lz4"),
    ])?;
    let directory = workspace::scratch().join("btf");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    for kernel in kernels {
        let files = kernel.files(cache, mirrors)?;
        say(&format!("extracting the BTF of Linux {}", files.release));
        let place = |kind: &str| directory.join(format!("{}.{kind}", kernel.name));
        extract(&files.image, &place("btf"))
            .with_context(|| format!("extracting the BTF of Linux {}", files.release))?;
        declarations(&place("btf"), &place("h"))?;
    }
    let mut tally = Tally::default();
    let mut test = workspace::cargo();
    test.args(["test", "--package", "profiler", "--bins", "--", "--nocapture", TESTS]);
    tally.run(test.env("WRITEPATH_BTF", &directory))?;
    tally.close()
}

/// Writes the content of the section `.BTF` of the kernel inside a bzImage.
fn extract(image: &Path, btf: &Path) -> Result<()> {
    let image = fs::read(image)?;
    let packed = Packed::of_image(&image)?;
    let work = tempfile::tempdir()?;
    let kernel = work.path().join("vmlinux");
    packed.unpack(&kernel)?;
    let section = format!(".BTF={}", btf.display());
    command::read(
        Command::new("objcopy").args(["--dump-section", &section]).arg(&kernel).arg(work.path().join("rest")),
    )?;
    ensure!(btf.is_file(), "the kernel has no section .BTF");
    Ok(())
}

/// The C declarations of all types, as bpftool writes them.
fn declarations(btf: &Path, header: &Path) -> Result<()> {
    let bpftool = command::find("bpftool").context("bpftool is missing")?;
    let mut dump = Command::new(bpftool);
    dump.args(["btf", "dump", "file"]).arg(btf).args(["format", "c"]);
    // On standard error an older bpftool names each kind of type that it leaves out; none of them lays out a structure.
    let status = dump.stdin(Stdio::null()).stdout(File::create(header)?).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "`{}` failed: {status}", command::shown(&dump));
    Ok(())
}

/// The compressed kernel inside a bzImage (Linux Documentation/arch/x86/boot.rst, protocol 2.08).
#[derive(Debug, PartialEq, Eq)]
struct Packed<'a> {
    /// What unpacks it, from standard input to standard output.
    program: [&'static str; 2],
    data: &'a [u8],
}

/// How each format begins, what unpacks it, and whether the length of the content follows it (it does where the format
/// itself does not say).
const FORMATS: [(&[u8], [&str; 2], bool); 4] = [
    (&[0x1f, 0x8b], ["gzip", "-dc"], false),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], ["xz", "-dc"], true),
    (&[0x28, 0xb5, 0x2f, 0xfd], ["zstd", "-dc"], true),
    (&[0x02, 0x21, 0x4c, 0x18], ["lz4", "-dc"], true),
];

impl<'a> Packed<'a> {
    fn of_image(image: &'a [u8]) -> Result<Self> {
        let word = |at: usize| -> Option<usize> {
            let bytes = image.get(at..at.checked_add(4)?)?;
            usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        ensure!(image.get(0x202..0x206) == Some(b"HdrS".as_slice()), "this is no bzImage");
        // The real-mode code takes one sector more than its header says; 0 stands for 4.
        let sectors = match image[0x1f1] {
            0 => 5,
            sectors => usize::from(sectors) + 1,
        };
        let payload = word(0x248).zip(word(0x24c)).and_then(|(offset, length)| {
            let begin = offset.checked_add(sectors * 512)?;
            image.get(begin..begin.checked_add(length)?)
        });
        let payload = payload.context("the bzImage is cut short")?;
        for (magic, program, has_length) in FORMATS {
            if payload.starts_with(magic) {
                let length = if has_length { payload.len().saturating_sub(4) } else { payload.len() };
                return Ok(Self { program, data: &payload[..length] });
            }
        }
        bail!(
            "the kernel is packed in a way that is not known here: {:02x?}",
            &payload[..payload.len().min(8)]
        )
    }

    fn unpack(&self, to: &Path) -> Result<()> {
        let mut packed = tempfile::tempfile()?;
        packed.write_all(self.data)?;
        std::io::Seek::rewind(&mut packed)?;
        let mut unpack = Command::new(self.program[0]);
        let status = unpack.arg(self.program[1]).stdin(packed).stdout(File::create(to)?).status()?;
        ensure!(status.success(), "`{}` failed: {status}", command::shown(&unpack));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bzImage with this payload.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024 + 16];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&16u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        image.extend_from_slice(payload);
        image
    }

    #[test]
    fn the_kernel_is_found_in_its_image() {
        let zstd = image(b"\x28\xb5\x2f\xfdcontent\x07\x00\x00\x00");
        let packed = Packed::of_image(&zstd).unwrap();
        assert_eq!(packed, Packed { program: ["zstd", "-dc"], data: b"\x28\xb5\x2f\xfdcontent" });
        let gzip = image(b"\x1f\x8bcontent");
        assert_eq!(Packed::of_image(&gzip).unwrap().data, b"\x1f\x8bcontent");
    }

    #[test]
    fn what_is_no_such_image_is_refused() {
        let good = image(b"\x1f\x8bcontent");
        for bad in [&b""[..], &good[..good.len() - 1], &image(b"content")] {
            assert!(Packed::of_image(bad).is_err());
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("content");
        fs::write(&path, "content").unwrap();
        command::read(Command::new("gzip").arg("--keep").arg(&path)).unwrap();
        let packed = fs::read(directory.path().join("content.gz")).unwrap();
        let image = image(&packed);
        let unpacked = directory.path().join("unpacked");
        Packed::of_image(&image).unwrap().unpack(&unpacked).unwrap();
        assert_eq!(fs::read(unpacked).unwrap(), b"content");
    }
}
