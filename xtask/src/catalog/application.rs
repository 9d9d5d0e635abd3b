//! What an application of the catalogue is: an image, how it is started, how one sees that it is ready, and the load on
//! it. Owns the command lines that follow from that; never runs one.

use anyhow::Result;

use crate::images::{self, Release};

/// A real application.
pub(super) struct Application {
    /// Its name, on the command line and of its files.
    pub(super) name: &'static str,
    /// What is particular about it, for the page.
    pub(super) about: &'static str,
    /// The image.
    pub(super) image: Image,
    /// The Debian package that the application is, whose version is told.
    pub(super) package: &'static str,
    /// Where it listens.
    pub(super) port: Port,
    /// Options of `docker run` besides.
    pub(super) options: &'static [&'static str],
    /// Arguments for the image's entrypoint, instead of the image's own.
    pub(super) arguments: &'static [&'static str],
    /// When the load can begin.
    pub(super) ready: Ready,
    /// Shell script for the image of clients, with `$PORT`; bounded in what it does, and fails when a request does.
    pub(super) load: &'static str,
    /// Alternatives of the plan that are to be found and to hold, by their kind.
    pub(super) alternatives: &'static [&'static str],
    /// Whether it is one of the few that `--subset` takes.
    pub(super) is_in_subset: bool,
}

/// The image of an application.
pub(super) enum Image {
    /// One that the integration tests use too, by its name.
    OfTests(&'static str),
    /// The directory below `xtask/images/catalog`.
    OfCatalog(&'static str),
}

/// Where an application listens.
#[derive(Clone, Copy)]
pub(super) enum Port {
    /// In a network of its own, published on a port of the host's loopback interface.
    Published(u16),
    /// On the host's network.
    OfHost(u16),
}

/// How one sees that an application is ready.
pub(super) enum Ready {
    /// Its log contains this text, which reads the same as a regular expression.
    Log(&'static str),
    /// It answers to a GET of this path.
    Http(&'static str),
}

/// What every load begins with: bash's strict mode, requests by ab (which succeeds whatever it was answered, so that its
/// report is looked at), and a command that has to fail (`!` is exempt from `set -e`).
const PRELUDE: &str = r#"set -euo pipefail
many() {
    ab -q -r -s 20 "$@" > /tmp/report
    grep -q '^Failed requests: *0$' /tmp/report
    refused grep '^Non-2xx' /tmp/report
}
refused() { if "$@"; then return 1; fi; }
"#;

/// How long a load may take, in seconds; it is ended then, and has failed.
const LOAD_LIMIT_S: u32 = 90;

/// How long an application may take to become ready, and to stop.
pub(super) const READY_LIMIT_S: u64 = 120;
pub(super) const STOP_LIMIT_S: u64 = 20;

impl Application {
    /// The name of its image from that release.
    pub(super) fn image(&self, release: &Release) -> String {
        match self.image {
            Image::OfTests(name) => release.image(name),
            Image::OfCatalog(directory) => release.image(&format!("writepath-catalog/{directory}")),
        }
    }

    /// The image that its load runs in, of the host's release whatever the application's is.
    fn clients(&self) -> &'static str {
        match self.image {
            Image::OfTests(_) => images::BASE,
            Image::OfCatalog(_) => images::CATALOG_BASE,
        }
    }

    /// What `docker run` and `writepath run` are told before the image.
    pub(super) fn options(&self, port: u16) -> Vec<String> {
        let network = match self.port {
            Port::Published(inside) => ["--publish".to_owned(), format!("127.0.0.1:{port}:{inside}")],
            Port::OfHost(_) => ["--network".to_owned(), "host".to_owned()],
        };
        network.into_iter().chain(self.options.iter().map(|&option| option.to_owned())).collect()
    }

    /// The load as one line for the host's shell.
    pub(super) fn load_line(&self, port: u16) -> Result<String> {
        let (port, limit) = (format!("PORT={port}"), LOAD_LIMIT_S.to_string());
        let script = format!("{PRELUDE}{}", self.load.trim());
        let docker = ["docker", "run", "--rm", "--network", "host", "--env", &port, self.clients()];
        // Bounded, whatever the clients wait for.
        Ok(shlex::try_join(docker.into_iter().chain(["timeout", &limit, "bash", "-c", &script]))?)
    }

    /// What `writepath` is told of the course of a run.
    pub(super) fn course(&self, port: u16) -> Result<[String; 8]> {
        let ready = match self.ready {
            Ready::Log(text) => format!("log:{text}"),
            Ready::Http(path) => format!("http:http://127.0.0.1:{port}{path}"),
        };
        let [ready_limit, stop_limit] = [READY_LIMIT_S, STOP_LIMIT_S].map(|seconds| format!("{seconds}s"));
        let [ready_flag, ready_limit_flag, load_flag, stop_limit_flag] =
            ["--ready", "--ready-timeout", "--load", "--stop-timeout"].map(str::to_owned);
        let load = self.load_line(port)?;
        Ok([ready_flag, ready, ready_limit_flag, ready_limit, load_flag, load, stop_limit_flag, stop_limit])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::applications::ALL;
    use super::*;

    #[test]
    fn names_are_unique_and_fit_for_files() {
        let names: BTreeSet<&str> = ALL.iter().map(|application| application.name).collect();
        assert_eq!(names.len(), ALL.len());
        for name in names {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        }
    }

    #[test]
    fn texts_to_wait_for_read_the_same_as_a_regular_expression() {
        for application in ALL {
            if let Ready::Log(text) = application.ready {
                assert!(!text.contains(['.', '*', '+', '?', '(', '[', '{', '|', '\\', '^', '$']), "{text}");
            }
        }
    }

    #[test]
    fn every_image_has_its_directory() {
        for application in ALL {
            if let Image::OfCatalog(directory) = application.image {
                let path = crate::workspace::root().join("xtask/images/catalog").join(directory);
                assert!(path.join("Dockerfile").is_file(), "{}", path.display());
            }
        }
    }

    #[test]
    fn a_load_is_one_word_for_each_argument() {
        let line = ALL[0].load_line(1234).unwrap();
        let words = shlex::split(&line).unwrap();
        assert!(words.contains(&"PORT=1234".to_owned()), "{line}");
        assert!(words.last().unwrap().starts_with("set -euo pipefail\n"), "{line}");
    }
}
