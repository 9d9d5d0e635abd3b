//! The first root file system: busybox, a script, and the modules that it takes to reach the real one.
//!
//! Written as an uncompressed cpio archive by hand, which takes neither root nor another program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::kernel;

/// The script that the kernel starts.
const INIT: &str = include_str!("guest/initramfs.sh");

/// What is loaded, with all that it depends on. What a kernel does not have as a module it has built in, or does
/// without: ext4 asks for its checksum by name, and only some kernels have that as a module.
const MODULES: [&str; 6] =
    ["virtio_pci", "virtio_blk", "crc32c_generic", "crc32c-cryptoapi", "crc32c_cryptoapi", "ext4"];

/// Makes the archive for a kernel.
pub(super) fn make(file: &Path, busybox: &Path, kernel: &kernel::Files) -> Result<()> {
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "modules", "proc", "root", "sys"] {
        archive.add(directory, 0o040_755, &[])?;
    }
    archive.add("init", 0o100_755, INIT.as_bytes())?;
    let program = fs::read(busybox).with_context(|| format!("{} cannot be read", busybox.display()))?;
    archive.add("bin/busybox", 0o100_755, &program)?;
    let dependencies =
        fs::read_to_string(kernel.modules.join("modules.dep")).context("reading modules.dep")?;
    for (number, module) in load_order(&dependencies).iter().enumerate() {
        // The script loads them in the order of their names.
        let name = Path::new(module).file_name().unwrap_or_default().to_string_lossy();
        let name = name.split(".ko").next().unwrap_or_default();
        archive.add(
            &format!("modules/{number:02}-{name}.ko"),
            0o100_644,
            &uncompressed(&kernel.modules.join(module))?,
        )?;
    }
    fs::write(file, archive.finish()?)?;
    Ok(())
}

/// The files of the wanted modules, each behind those that it depends on.
fn load_order(dependencies: &str) -> Vec<&str> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for wanted in MODULES {
        for line in dependencies.lines() {
            let Some((module, needed)) = line.split_once(':') else { continue };
            let name = module.rsplit('/').next().and_then(|file| file.split(".ko").next());
            if name == Some(wanted) {
                // A line names direct and indirect dependencies, those that must be loaded first last.
                let needed = needed.split_whitespace().rev();
                order.extend(needed.chain([module]).filter(|file| seen.insert(*file)));
            }
        }
    }
    order
}

fn uncompressed(module: &Path) -> Result<Vec<u8>> {
    let program = match module.extension().and_then(|kind| kind.to_str()) {
        Some("ko") => {
            return fs::read(module).with_context(|| format!("{} cannot be read", module.display()));
        }
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => bail!("{} is compressed in a way that is not known here", module.display()),
    };
    let output = Command::new(program)
        .args(["--decompress", "--stdout"])
        .arg(module)
        .output()
        .with_context(|| format!("{program} cannot be started"))?;
    if !output.status.success() {
        bail!("{program} cannot unpack {}", module.display());
    }
    Ok(output.stdout)
}

/// A cpio archive in the making, in the one format that the kernel reads ("newc"): every number has eight
/// hexadecimal digits, names and contents are padded to multiples of four bytes.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a file or (without content) a directory; the mode holds the file's type too.
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entries += 1;
        let (size, name_size) = (u32::try_from(content.len())?, u32::try_from(name.len() + 1)?);
        // Inode, mode, owner, group, links, time, size, device (two), special device (two), length of name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        self.add("TRAILER!!!", 0, &[])?;
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_behind_what_they_depend_on() {
        let dependencies = "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz
kernel/lib/crc16.ko.xz:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
";
        let order = load_order(dependencies).into_iter().map(|file| file.rsplit('/').next().unwrap());
        let expected =
            "virtio_ring.ko virtio.ko virtio_pci.ko virtio_blk.ko crc16.ko.xz jbd2.ko.xz ext4.ko.xz";
        assert_eq!(order.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn an_archive_is_aligned_and_closed() {
        let mut archive = Archive::default();
        archive.add("a", 0o100_644, b"12345").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[..6], b"070701");
        // 110 bytes of header and two of name, then the content.
        assert_eq!(&bytes[112..117], b"12345");
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }
}
