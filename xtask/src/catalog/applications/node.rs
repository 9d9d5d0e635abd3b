//! A Node.js service that takes uploads through temporary files.

use super::super::application::{Application, Image, Port, Ready};

/// As root, without preparation.
pub(super) const NODE: Application = Application {
    name: "node",
    about: "runs as root without need; uploads through temporary files",
    image: Image::OfCatalog("node"),
    package: "nodejs",
    port: Port::Published(3000),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
many -n 1000 -c 8 $url/
for size in 10 100000 5000000; do
    head -c $size /dev/urandom > /tmp/body
    [ "$(curl -fsS --data-binary @/tmp/body $url/upload)" = "$(sha256sum < /tmp/body | cut -d ' ' -f 1)" ]
done"#,
    alternatives: &[],
    is_in_subset: false,
};

/// As another user.
pub(super) const NON_ROOT: Application = Application {
    name: "node-non-root",
    about: "the same with `--user 1000:1000`",
    options: &["--user", "1000:1000"],
    is_in_subset: false,
    ..NODE
};
