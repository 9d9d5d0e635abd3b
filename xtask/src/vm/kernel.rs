//! The kernels that can be booted, and their files: image and modules, from Debian's packages.
//!
//! Nothing is installed: the packages are fetched with package lists of their own and unpacked into the cache. The
//! flavour is Debian's for virtual machines; it differs from the usual one in the drivers that it lacks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::cache::Cache;
use super::disk;
use super::machine::Clock;
use crate::archives::{Archive, Lists, Mirrors};
use crate::command;

/// A line of the matrix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// What a person calls it: the beginning of its version.
    pub(super) name: &'static str,
    /// The archive that carries it.
    archive: Archive,
    /// The suite in the archive.
    pub(super) suite: &'static str,
    /// Whether it preempts programs at tracepoints, as those since Linux 7.0 do (see `profiler-ebpf/src/bpf/skipped.rs`).
    preempts: bool,
}

/// Why tracepoints lose runs where they are preempted.
const PREEMPTED: &str = "programs at tracepoints are preempted there, and the kernel skips them for other tasks \
    meanwhile: one program sees the exits of all system calls, so that two at a hook are not always enough";

/// Every kernel, oldest first.
pub(super) const MATRIX: [Kernel; 4] = [
    Kernel { name: "5.10", archive: Archive::Security, suite: "bullseye-security", preempts: false },
    Kernel { name: "6.1", archive: Archive::Main, suite: "bookworm", preempts: false },
    Kernel { name: "6.12", archive: Archive::Main, suite: "trixie", preempts: false },
    Kernel { name: "7.x", archive: Archive::Main, suite: "trixie-backports", preempts: true },
];

/// The flavour, which is how the names of all packages of a kernel end.
const FLAVOUR: &str = "cloud-amd64";
/// Depends on the suite's newest kernel.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// The kernels with these names; all of them where none is named.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static Kernel>> {
    if names.is_empty() {
        return Ok(MATRIX.iter().collect());
    }
    let known = |name: &String| {
        MATRIX.iter().find(|kernel| kernel.name == name.as_str()).with_context(|| {
            let names: Vec<&str> = MATRIX.iter().map(|kernel| kernel.name).collect();
            format!("there is no kernel {name}; there are {}", names.join(", "))
        })
    };
    names.iter().map(known).collect()
}

/// A kernel's files.
pub(super) struct Files {
    /// What QEMU boots.
    pub(super) image: PathBuf,
    /// The directory with `modules.dep`.
    pub(super) modules: PathBuf,
    /// `uname -r`.
    pub(super) release: String,
    /// A disk that holds the directory above under its name.
    pub(super) disk: PathBuf,
}

impl Kernel {
    /// Kinds of sensors that load there and do not see all, with the reason: only what is asked for is run with them.
    pub(super) fn lossy(&self) -> &'static [(&'static str, &'static str)] {
        if self.preempts { &[("tracepoint", PREEMPTED)] } else { &[] }
    }

    /// What its time goes by where its instructions are translated. By the host's clock there would be a tick, and with
    /// it another task in the middle of a program, after a few thousand instructions where a processor does millions.
    pub(super) fn clock(&self) -> Clock {
        if self.preempts { Clock::Instructions } else { Clock::Host }
    }

    /// Fetches and unpacks it, unless the cache has it.
    pub(super) fn files(&self, cache: &Cache, mirrors: &Mirrors) -> Result<Files> {
        let what = format!("kernel-{}", self.name);
        let parts = ["1", self.suite, PACKAGE, disk::OPTIONS];
        let directory = cache.entry(&what, &parts, |directory| self.unpack(directory, mirrors))?;
        let modules = only_entry(&directory.join("modules"))?;
        let release = file_name(&modules).to_owned();
        Ok(Files { image: directory.join("vmlinuz"), disk: directory.join("modules.ext4"), modules, release })
    }

    fn unpack(&self, directory: &Path, mirrors: &Mirrors) -> Result<()> {
        let work = tempfile::Builder::new().prefix("packages").tempdir_in(directory)?;
        let lists = Lists::fetch(&work.path().join("apt"), &mirrors.source(self.archive, self.suite)?)?;
        let packages = lists.dependencies(PACKAGE, is_of_one_version)?;
        let tree = work.path().join("tree");
        for package in lists.download(&packages, work.path())? {
            command::read(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&tree))?;
        }
        let image = find(&tree, &|name| name.starts_with("vmlinuz"))
            .with_context(|| format!("the packages of {} hold no kernel image", self.suite))?;
        fs::rename(image, directory.join("vmlinuz"))?;
        // Below /lib in older packages, below /usr/lib in newer ones.
        let modules = ["lib/modules", "usr/lib/modules"].map(|place| tree.join(place));
        let modules = modules.iter().find(|place| place.is_dir()).context("the packages hold no modules")?;
        let release = file_name(&only_entry(modules)?).to_owned();
        fs::rename(modules, directory.join("modules"))?;
        index(&directory.join("modules"), &release)?;
        disk::make(
            &directory.join("modules.ext4"),
            "modules",
            &directory.join("modules"),
            disk::Size::Fitting,
        )
    }
}

/// Writes `modules.dep` and its kin, which packages leave to their installation. `depmod` expects `lib/modules`.
fn index(modules: &Path, release: &str) -> Result<()> {
    let base = tempfile::tempdir()?;
    fs::create_dir(base.path().join("lib"))?;
    std::os::unix::fs::symlink(fs::canonicalize(modules)?, base.path().join("lib/modules"))?;
    let depmod = command::find("depmod").context("depmod is missing")?;
    command::read(Command::new(depmod).arg("-b").arg(base.path()).arg(release))?;
    Ok(())
}

/// Whether a package belongs to a kernel of one version. Those without a version in their names hold no files, and
/// mirrors do not always have them.
fn is_of_one_version(package: &str) -> bool {
    let middle = package.strip_prefix("linux-").and_then(|rest| rest.strip_suffix(FLAVOUR));
    middle.is_some_and(|middle| middle.contains(|c: char| c.is_ascii_digit()))
}

fn only_entry(directory: &Path) -> Result<PathBuf> {
    let mut entries =
        fs::read_dir(directory).with_context(|| format!("{} cannot be read", directory.display()))?;
    match (entries.next(), entries.next()) {
        (Some(entry), None) => Ok(entry?.path()),
        _ => bail!("{} should hold exactly one entry", directory.display()),
    }
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// The first file below the directory whose name will do.
fn find(directory: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(directory).ok()?.flatten() {
        // Links are not followed: they may lead out of the tree.
        let kind = entry.file_type().ok()?;
        if kind.is_dir() {
            directories.push(entry.path());
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    let here = files.into_iter().find(|path| wanted(file_name(path)));
    here.or_else(|| directories.iter().find_map(|directory| find(directory, wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_with_files_are_told_by_their_names() {
        assert!(is_of_one_version("linux-image-6.1.0-50-cloud-amd64"));
        assert!(is_of_one_version("linux-modules-7.3.4+deb13-cloud-amd64"));
        for other in [PACKAGE, "linux-base", "initramfs-tools", "linux-image-6.1.0-50-amd64-dbg"] {
            assert!(!is_of_one_version(other), "{other}");
        }
    }

    #[test]
    fn kernels_are_chosen_by_name() {
        assert_eq!(chosen(&[]).unwrap().len(), MATRIX.len());
        assert_eq!(chosen(&["6.12".to_owned()]).unwrap(), [&MATRIX[2]]);
        let error = chosen(&["2.6".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("2.6") && error.contains("5.10, 6.1, 6.12, 7.x"), "{error}");
    }
}
