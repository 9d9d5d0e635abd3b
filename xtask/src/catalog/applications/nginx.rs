//! nginx: small files, then bodies and responses that go through temporary files.

use super::super::application::{Application, Image, Port, Ready};
use crate::images;

/// Master as root, workers as another user.
pub(super) const NGINX: Application = Application {
    name: "nginx",
    about: "entrypoint touches its configuration, master as root, workers drop",
    image: Image::OfTests(images::NGINX),
    package: "nginx",
    port: Port::Published(80),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
many -n 2000 -c 8 $url/
many -n 100 -c 4 -T application/octet-stream -p /usr/bin/redis-cli $url/upload
many -n 40 -c 20 $url/download"#,
    alternatives: &["non-root"],
    is_in_subset: true,
};
