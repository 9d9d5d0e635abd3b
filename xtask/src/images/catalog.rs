//! The catalogue's images: one root file system with every application and every client, and for each application a
//! Dockerfile of ours on top (`xtask/images/catalog/NAME/`).
//!
//! Built for `cargo xtask catalog` alone; no test needs them.

use anyhow::Result;

use super::debian::{self, RootFileSystem};
use super::release::Release;
use crate::daemon::Daemon;

/// The common root file system, with the clients that put load on the applications.
pub(crate) const BASE: &str = "writepath-catalog/base";

/// Applications first, then what entrypoints drop privileges with, a compiler for what Java calls, then clients. The
/// directory for manuals must be there for Java's alternatives, although nothing is put in it.
const ROOT: RootFileSystem = RootFileSystem {
    image: BASE,
    packages: "mariadb-server,memcached,haproxy,apache2,rabbitmq-server,nodejs,python3,gunicorn,php-fpm,varnish,default-jdk-headless,sudo,gosu,\
               gcc,libc6-dev,apache2-utils,amqp-tools,libfcgi-bin,curl",
    options: &["--essential-hook=mkdir -p \"$1/usr/share/man/man1\""],
    documented: false,
};

/// Builds what is missing or outdated of these directories' images, `writepath-catalog/NAME`.
pub(super) fn build(daemon: &dyn Daemon, release: &Release, directories: &[&str]) -> Result<()> {
    let base = ROOT.build(daemon, release)?;
    let builds: Vec<(String, String)> = directories
        .iter()
        .map(|directory| {
            (format!("catalog/{directory}"), release.image(&format!("writepath-catalog/{directory}")))
        })
        .collect();
    debian::build_on(daemon, release, &base, &builds)
}
