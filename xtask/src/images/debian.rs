//! Images of real applications, from Debian's packages: a root file system with all of them, and for each
//! application a Dockerfile of ours on top (`xtask/images/NAME/`).
//!
//! The clients that put load on them (ab, pgbench, redis-benchmark) are in the common root file system, so tests
//! need none on the host. The catalogue has a root file system of its own ([`super::catalog`]), made in the same way.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};

use super::release::Release;
use super::{Archive, FINGERPRINT_LABEL, OWN_LABEL, fingerprint, import, is_current};
use crate::command::{self, say};
use crate::daemon::Daemon;
use crate::workspace;

/// The common root file system.
pub(crate) const BASE: &str = "writepath-test/base";
/// nginx.
pub(crate) const NGINX: &str = "writepath-test/nginx";
/// PostgreSQL.
pub(crate) const POSTGRES: &str = "writepath-test/postgres";
/// Redis.
pub(crate) const REDIS: &str = "writepath-test/redis";
/// A small web application, for projects of several services.
const WEBAPP: &str = "writepath-test/webapp";
/// What sends on the log of another container.
const SHIPPER: &str = "writepath-test/shipper";
/// The applications: the directory below `xtask/images` and the image's name.
const APPLICATIONS: [(&str, &str); 5] =
    [("nginx", NGINX), ("postgres", POSTGRES), ("redis", REDIS), ("webapp", WEBAPP), ("shipper", SHIPPER)];

/// The root file system of the tests' applications: they, their load clients, and what entrypoints drop privileges
/// with. LLVM is left out, which PostgreSQL does without (it merely compiles no queries); no database cluster is made
/// by the package, as that is the entrypoint's to do.
const TESTS: RootFileSystem = RootFileSystem {
    image: BASE,
    packages: "nginx-light,postgresql,redis-server,apache2-utils,gosu",
    options: &[
        "--dpkgopt=path-exclude=/usr/lib/*/libLLVM*",
        "--dpkgopt=path-exclude=/usr/lib/postgresql/*/lib/bitcode/*",
        "--essential-hook=mkdir -p \"$1/etc/postgresql-common\" && echo 'create_main_cluster = false' > \"$1/etc/postgresql-common/createcluster.conf\"",
    ],
    documented: false,
};

/// A system that nothing of this project's was ever on, with what reads manual pages and completions.
pub(crate) const CLEAN: &str = "writepath-test/clean";

/// The system that the Debian package is installed on. Unlike the others it takes documentation.
const CLEAN_SYSTEM: RootFileSystem =
    RootFileSystem { image: CLEAN, packages: "man-db,bash-completion", options: &[], documented: true };

/// How packages are installed, whichever they are.
const OPTIONS: [&str; 4] = [
    "--mode=root",
    "--variant=minbase",
    "--aptopt=APT::Install-Recommends \"false\"",
    "--dpkgopt=force-confold",
];

/// Leaves documentation out, now and whenever packages are installed on it.
const UNDOCUMENTED: [&str; 3] = [
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
];

/// What is removed at the end.
const CLEANING: &str =
    "--customize-hook=rm -rf \"$1\"/var/lib/apt/lists/* \"$1\"/var/cache/apt/* \"$1\"/var/log/*.log";

/// Every image of this module.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(BASE).chain(APPLICATIONS.map(|(_, image)| image))
}

/// Builds the clean system where it is missing or outdated.
pub(super) fn build_clean(daemon: &dyn Daemon) -> Result<()> {
    CLEAN_SYSTEM.build(daemon, &Release::of_host()).map(drop)
}

/// Builds what is missing or outdated.
pub(super) fn build(daemon: &dyn Daemon, release: &Release) -> Result<()> {
    let base = TESTS.build(daemon, release)?;
    let builds = APPLICATIONS.map(|(directory, image)| (directory.to_owned(), release.image(image)));
    build_on(daemon, release, &base, &builds)
}

/// Builds the images of directories below `xtask/images` that are missing or outdated: directory and image. `base` is the
/// fingerprint of the release's root file system, which they are built on.
pub(super) fn build_on(
    daemon: &dyn Daemon,
    release: &Release,
    base: &str,
    builds: &[(String, String)],
) -> Result<()> {
    // Side by side: the classic builder makes a container for every line, which takes its time on some drivers.
    thread::scope(|scope| {
        let builds: Vec<_> = builds
            .iter()
            .map(|(directory, image)| {
                scope.spawn(move || build_application(daemon, release, base, directory, image))
            })
            .collect();
        builds.into_iter().try_for_each(|build| match build.join() {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        })
    })
}

/// A root file system out of Debian's packages, as an image.
pub(super) struct RootFileSystem {
    /// The image's name.
    pub(super) image: &'static str,
    /// The packages, separated by commas.
    pub(super) packages: &'static str,
    /// What mmdebstrap is told besides.
    pub(super) options: &'static [&'static str],
    /// Whether packages' documentation is installed.
    pub(super) documented: bool,
}

impl RootFileSystem {
    /// Builds it where it is missing or outdated; returns its fingerprint.
    pub(super) fn build(&self, daemon: &dyn Daemon, release: &Release) -> Result<String> {
        let (suite, image) = (release.suite(), release.image(self.image));
        let left_out = if self.documented { [].as_slice() } else { &UNDOCUMENTED };
        let options: Vec<&str> =
            OPTIONS.iter().chain(left_out).chain(self.options).copied().chain([CLEANING]).collect();
        let parts = options.iter().map(|option| option.as_bytes());
        let fingerprint = fingerprint(parts.chain([self.packages.as_bytes(), suite.as_bytes()]));
        if is_current(daemon, &image, &fingerprint) {
            return Ok(fingerprint);
        }
        super::ensure_tools()?;
        say(&format!("building the root file system {image} from Debian {suite}"));
        let directory = tempfile::Builder::new().prefix("writepath-images").tempdir()?;
        let archive = directory.path().join("base.tar");
        let mut bootstrap = Command::new("mmdebstrap");
        bootstrap
            .args(options)
            .arg(format!("--include={}", self.packages))
            .arg("--quiet")
            .arg(suite)
            .arg(&archive);
        command::run_quietly(bootstrap.args(release.sources()?))?;
        import(daemon, &image, &fingerprint, &[], &Archive::File(archive))?;
        Ok(fingerprint)
    }
}

fn build_application(
    daemon: &dyn Daemon,
    release: &Release,
    base: &str,
    directory: &str,
    image: &str,
) -> Result<()> {
    let context = workspace::root().join("xtask/images").join(directory);
    let fingerprint = fingerprint_of_context(base, &context)?;
    if is_current(daemon, image, &fingerprint) {
        return Ok(());
    }
    let mut build = daemon.docker();
    build
        .args(["build", "--quiet", "--force-rm", "--tag", image, "--label", OWN_LABEL])
        .args(["--build-arg", &format!("RELEASE={}", release.tag())])
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
