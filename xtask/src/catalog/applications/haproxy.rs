//! HAProxy: requests passed on, and requests denied.

use super::super::application::{Application, Image, Port, Ready};

/// Started as root: administration socket, chroot, another user.
pub(super) const HAPROXY: Application = Application {
    name: "haproxy",
    about: "starts as root, makes its socket, confines itself by chroot and drops",
    image: Image::OfCatalog("haproxy"),
    package: "haproxy",
    port: Port::Published(8080),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
many -n 2000 -c 8 $url/
[ "$(curl -fsS $url/)" = 'it works' ]
[ "$(curl -sS -o /dev/null -w '%{http_code}' $url/private/x)" = 403 ]"#,
    alternatives: &[],
    is_in_subset: false,
};

/// As its public image runs it.
pub(super) const NON_ROOT: Application = Application {
    name: "haproxy-non-root",
    about: "without socket and chroot, `--user haproxy`, as in the public image",
    options: &["--user", "haproxy"],
    arguments: &["haproxy", "-W", "-db", "-f", "/etc/haproxy/plain.cfg"],
    ..HAPROXY
};
