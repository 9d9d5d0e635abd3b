//! The root file system that every kernel is booted with: the host's own Debian release, with Docker.
//!
//! The same release as the host's, so that programs linked here run there. It holds nothing of this project: that
//! comes on the payload's disk, so that a change there makes no new file system.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};

use super::cache::Cache;
use super::disk;
use crate::archives::{Archive, Mirrors};
use crate::command;
use crate::packages::HostLacks;

/// What is installed besides Debian's essential packages. `strace` is for whoever looks into a failure.
const PACKAGES: &str = "docker.io,iptables,apparmor,iproute2,kmod,busybox-static,ca-certificates,procps,strace,\
    systemd-sysv,dbus";

/// How it is installed, besides.
const OPTIONS: [&str; 8] = [
    "--mode=root",
    "--variant=minbase",
    "--aptopt=APT::Install-Recommends \"false\"",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--customize-hook=mkdir \"$1/payload\" && mkdir -p \"$1/lib/modules\" && echo '127.0.0.1 localhost' > \"$1/etc/hosts\"",
    "--customize-hook=rm -rf \"$1\"/var/lib/apt/lists/* \"$1\"/var/cache/apt/*",
];

/// Size of the file system: room for the images of real applications, twice (as an archive's layers, and unpacked).
const SIZE: disk::Size = disk::Size::Mebibytes(8192);

/// The userland's files.
pub(super) struct Userland {
    /// The root file system.
    pub(super) disk: PathBuf,
    /// A statically linked busybox, for the initramfs.
    pub(super) busybox: PathBuf,
}

/// Builds it, unless the cache has it.
pub(super) fn build(cache: &Cache, mirrors: &Mirrors) -> Result<Userland> {
    let suite = suite()?;
    let packages = match suite.as_str() {
        "bullseye" | "bookworm" => PACKAGES.to_owned(),
        // The client is a package of its own since then.
        _ => format!("{PACKAGES},docker-cli"),
    };
    let mut parts = vec!["1", &suite, &packages, disk::OPTIONS];
    parts.extend(OPTIONS);
    let directory = cache.entry("userland", &parts, |directory| {
        let tree = directory.join("tree");
        let sources = directory.join("sources.list");
        let main = mirrors.source(Archive::Main, &suite)?;
        let security = mirrors.source(Archive::Security, &format!("{suite}-security"));
        // A host without the security archive gets the release as it is.
        fs::write(&sources, format!("{main}\n{}\n", security.unwrap_or_default()))?;
        let mut bootstrap = Command::new("mmdebstrap");
        bootstrap.args(OPTIONS).arg(format!("--include={packages}")).arg("--quiet").arg(&suite);
        command::run_quietly(bootstrap.arg(&tree).arg(&sources))?;
        fs::copy(tree.join("bin/busybox"), directory.join("busybox"))
            .context("busybox is not where it should be")?;
        disk::make(&directory.join("root.ext4"), "root", &tree, SIZE)?;
        fs::remove_dir_all(&tree)?;
        Ok(fs::remove_file(&sources)?)
    })?;
    Ok(Userland { disk: directory.join("root.ext4"), busybox: directory.join("busybox") })
}

/// The host's own release.
fn suite() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(|name| name.trim_matches('"').to_owned()).ok_or_else(|| {
        let what = "this host's /etc/os-release names no Debian release to build a root file system of";
        anyhow!(HostLacks { what: what.to_owned(), commands: Vec::new() })
    })
}
