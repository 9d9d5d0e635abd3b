//! Disk images: file systems made from directories without mounting anything.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command;

/// How file systems are made: nothing here has to survive a crash.
pub(super) const OPTIONS: &str = "^has_journal,^resize_inode";

/// How large a file system is. Images are sparse: what is not used takes no space.
#[derive(Clone, Copy)]
pub(super) enum Size {
    /// As large as its content takes, for those that are only read.
    Fitting,
    /// With this many MiB.
    Mebibytes(u64),
}

/// Makes an ext4 image of the directory's content, with its owners and modes.
pub(super) fn make(image: &Path, label: &str, content: &Path, size: Size) -> Result<()> {
    let mebibytes = match size {
        Size::Mebibytes(mebibytes) => mebibytes,
        Size::Fitting => {
            let used =
                command::read(Command::new("du").args(["--summarize", "--block-size=1M"]).arg(content))?;
            let used = used.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
            // A tenth, and something for small ones, for the file system's own tables.
            used.context("du prints no size")? * 11 / 10 + 24
        }
    };
    let program = command::find("mke2fs").context("mke2fs is missing")?;
    command::read(
        Command::new(program)
            .args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", OPTIONS, "-L", label, "-d"])
            .arg(content)
            .arg(image)
            .arg(format!("{mebibytes}M")),
    )?;
    Ok(())
}

/// Makes an empty image that a guest writes an archive to.
pub(super) fn blank(image: &Path, mebibytes: u64) -> Result<()> {
    File::create(image)?.set_len(mebibytes * 1024 * 1024)?;
    Ok(())
}

/// Unpacks the archive that a guest wrote to an image. An image that the guest never came to is an empty archive.
pub(super) fn unpack(image: &Path, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let mut archive = tar::Archive::new(File::open(image)?);
    archive.set_preserve_ownerships(false);
    archive.unpack(directory).with_context(|| format!("the results in {} cannot be read", image.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_wrote_is_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let (image, out) = (directory.path().join("image"), directory.path().join("out"));
        blank(&image, 1).unwrap();
        unpack(&image, &out).unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
        let mut builder = tar::Builder::new(File::options().write(true).open(&image).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        builder.append_data(&mut header, "a", &b"hello"[..]).unwrap();
        builder.finish().unwrap();
        unpack(&image, &out).unwrap();
        assert_eq!(fs::read(out.join("a")).unwrap(), b"hello");
    }
}
