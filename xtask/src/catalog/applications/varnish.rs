//! Varnish: a configuration that is compiled and loaded, hits and misses.

use super::super::application::{Application, Image, Port, Ready};

/// Started as root; its processes run as users of their own.
pub(super) const VARNISH: Application = Application {
    name: "varnish",
    about: "starts as root, compiles its configuration and loads it, its processes drop",
    image: Image::OfCatalog("varnish"),
    package: "varnish",
    port: Port::Published(8080),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
many -n 2000 -c 8 $url/page
[ "$(curl -fsS $url/page)" = 'it works' ]
hits=$(curl -fsS -o /dev/null -D - $url/page | tr -d '\r' | sed -n 's/^X-Cache: //p')
[ "$hits" -ge 1000 ]
for number in $(seq 100); do curl -fsS -o /dev/null "$url/miss?$number"; done"#,
    alternatives: &[],
    is_in_subset: false,
};

/// As its public image runs it.
pub(super) const NON_ROOT: Application = Application {
    name: "varnish-non-root",
    about: "the same with `--user varnish`, as in the public image",
    options: &["--user", "varnish"],
    ..VARNISH
};
