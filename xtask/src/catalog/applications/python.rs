//! Python's web server, which writes nothing.

use super::super::application::{Application, Image, Port, Ready};

/// On a port of its own network.
pub(super) const PYTHON: Application = Application {
    name: "python",
    about: "`http.server` on port 8080, writes nothing",
    image: Image::OfCatalog("python"),
    package: "python3",
    port: Port::Published(8080),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
many -n 300 -c 4 $url/
[ "$(curl -fsS $url/large.txt | wc -c)" = 300000 ]
[ "$(curl -sS -o /dev/null -w '%{http_code}' $url/none)" = 404 ]"#,
    alternatives: &[],
    is_in_subset: false,
};

/// On the host's network, where low ports are privileged.
pub(super) const PYTHON_HOST: Application = Application {
    name: "python-host-network",
    about: "the same on port 80 of the host's network",
    port: Port::OfHost(80),
    arguments: &["--bind", "127.0.0.1", "80"],
    ..PYTHON
};
