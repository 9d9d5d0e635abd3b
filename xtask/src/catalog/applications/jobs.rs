//! Jobs at intervals, each with root's rights by sudo: a set-id program.

use super::super::application::{Application, Image, Port, Ready};

/// The scheduler is no root, its jobs are.
pub(super) const JOBS: Application = Application {
    name: "jobs",
    about: "a scheduler without rights whose jobs use sudo (set-id)",
    image: Image::OfCatalog("jobs"),
    package: "sudo",
    port: Port::Published(8080),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
tries=0
until curl -fsS $url/ | grep -qE '^done [0-9]{2,} failed 0$'; do
    curl -fsS $url/ | grep -q 'failed 0$'
    tries=$((tries + 1)); [ $tries -lt 200 ]; sleep 0.2
done"#,
    alternatives: &[],
    is_in_subset: false,
};
