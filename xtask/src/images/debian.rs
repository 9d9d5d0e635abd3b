//! Images of real applications, from Debian's packages: one root file system with all of them, and for each
//! application a Dockerfile of ours on top (`xtask/images/NAME/`).
//!
//! The clients that put load on them (ab, pgbench, redis-benchmark) are in the common root file system, so tests
//! need none on the host.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};

use super::{Archive, FINGERPRINT_LABEL, OWN_LABEL, fingerprint, import, is_current};
use crate::command::{self, say};
use crate::daemon::Daemon;
use crate::workspace;

/// The common root file system.
const BASE: &str = "writepath-test/base";
/// The applications: the directory below `xtask/images` and the image's name.
const APPLICATIONS: [(&str, &str); 3] = [
    ("nginx", "writepath-test/nginx"),
    ("postgres", "writepath-test/postgres"),
    ("redis", "writepath-test/redis"),
];

/// What is installed: the applications, their load clients, and what entrypoints drop privileges with.
const PACKAGES: &str = "nginx-light,postgresql,redis-server,apache2-utils,gosu";

/// How it is installed, besides. Documentation is left out, and LLVM, which PostgreSQL does without (it merely
/// compiles no queries); no database cluster is made by the package, as that is the entrypoint's to do.
const OPTIONS: [&str; 11] = [
    "--mode=root",
    "--variant=minbase",
    "--aptopt=APT::Install-Recommends \"false\"",
    "--dpkgopt=force-confold",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/lib/*/libLLVM*",
    "--dpkgopt=path-exclude=/usr/lib/postgresql/*/lib/bitcode/*",
    "--essential-hook=mkdir -p \"$1/etc/postgresql-common\" && echo 'create_main_cluster = false' > \"$1/etc/postgresql-common/createcluster.conf\"",
    "--customize-hook=rm -rf \"$1\"/var/lib/apt/lists/* \"$1\"/var/cache/apt/* \"$1\"/var/log/*.log",
];

/// Used where the host is no Debian of its own.
const FALLBACK_SUITE: &str = "bookworm";

/// Every image of this module.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(BASE).chain(APPLICATIONS.map(|(_, image)| image))
}

/// Builds what is missing or outdated.
pub(super) fn build(daemon: &dyn Daemon) -> Result<()> {
    let base = &build_base(daemon)?;
    // Side by side: the classic builder makes a container for every line, which takes its time on some drivers.
    thread::scope(|scope| {
        let builds = APPLICATIONS
            .map(|(directory, image)| scope.spawn(move || build_application(daemon, base, directory, image)));
        builds.into_iter().try_for_each(|build| match build.join() {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        })
    })
}

/// Builds the common root file system; returns its fingerprint.
fn build_base(daemon: &dyn Daemon) -> Result<String> {
    let (suite, sources) = suite_and_sources()?;
    let options = OPTIONS.iter().map(|option| option.as_bytes());
    let fingerprint = fingerprint(options.chain([PACKAGES.as_bytes(), suite.as_bytes()]));
    if is_current(daemon, BASE, &fingerprint) {
        return Ok(fingerprint);
    }
    super::ensure_tools()?;
    say(&format!("building the root file system of the application images from Debian {suite}"));
    let directory = tempfile::Builder::new().prefix("writepath-images").tempdir()?;
    let archive = directory.path().join("base.tar");
    let mut bootstrap = Command::new("mmdebstrap");
    bootstrap.args(OPTIONS).arg(format!("--include={PACKAGES}")).arg("--quiet").arg(&suite).arg(&archive);
    command::run_quietly(bootstrap.args(sources))?;
    import(daemon, BASE, &fingerprint, &[], &Archive::File(archive))?;
    Ok(fingerprint)
}

/// The host's own Debian suite and its package sources; without them, mmdebstrap's defaults for a stable suite.
fn suite_and_sources() -> Result<(String, Vec<PathBuf>)> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim_matches('"').to_owned())
    };
    let (Some("debian"), Some(suite)) = (field("ID=").as_deref(), field("VERSION_CODENAME=")) else {
        return Ok((FALLBACK_SUITE.to_owned(), Vec::new()));
    };
    let mut sources = Vec::new();
    if Path::new("/etc/apt/sources.list").is_file() {
        sources.push(PathBuf::from("/etc/apt/sources.list"));
    }
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "list" || kind == "sources") {
                sources.push(path);
            }
        }
    }
    sources.sort();
    Ok((suite, sources))
}

fn build_application(daemon: &dyn Daemon, base: &str, directory: &str, image: &str) -> Result<()> {
    let context = workspace::root().join("xtask/images").join(directory);
    let fingerprint = fingerprint_of_context(base, &context)?;
    if is_current(daemon, image, &fingerprint) {
        return Ok(());
    }
    let mut build = daemon.docker();
    build
        .args(["build", "--quiet", "--force-rm", "--tag", image, "--label", OWN_LABEL])
        .args(["--label", &format!("{FINGERPRINT_LABEL}={fingerprint}")])
        .arg(&context);
    // The classic builder warns on standard error that it is the classic builder; what matters is in the error.
    command::read(&mut build)?;
    say(&format!("built {image}"));
    Ok(())
}

fn fingerprint_of_context(base: &str, context: &Path) -> Result<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(context).with_context(|| format!("{} cannot be read", context.display()))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut parts = vec![base.as_bytes().to_vec()];
    for path in paths {
        parts.push(path.file_name().unwrap_or_default().as_encoded_bytes().to_vec());
        parts.push(fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?);
    }
    Ok(fingerprint(parts.iter().map(Vec::as_slice)))
}
