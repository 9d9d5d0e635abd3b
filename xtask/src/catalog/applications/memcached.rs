//! memcached: values set, read back and counted up.

use super::super::application::{Application, Image, Port, Ready};

/// Started as root; drops by itself.
pub(super) const MEMCACHED: Application = Application {
    name: "memcached",
    about: "starts as root and drops by itself",
    image: Image::OfCatalog("memcached"),
    package: "memcached",
    port: Port::Published(11211),
    options: &[],
    arguments: &["memcached", "-u", "memcache", "-m", "64", "-vv"],
    ready: Ready::Log("server listening"),
    load: r#"
exec python3 - <<'PY'
import os, socket
connection = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), 10)
stream = connection.makefile("rwb")
def ask(request):
    stream.write(request)
    stream.flush()
    return stream.readline()
for number in range(2000):
    value = b"x" * (number % 1000 + 1)
    assert ask(b"set key%d 0 0 %d\r\n%s\r\n" % (number, len(value), value)) == b"STORED\r\n"
    assert ask(b"get key%d\r\n" % number) == b"VALUE key%d 0 %d\r\n" % (number, len(value))
    assert stream.readline() == value + b"\r\n" and stream.readline() == b"END\r\n"
assert ask(b"set n 0 0 1\r\n1\r\n") == b"STORED\r\n" and ask(b"incr n 41\r\n") == b"42\r\n"
assert ask(b"delete n\r\n") == b"DELETED\r\n"
PY"#,
    alternatives: &["non-root"],
    is_in_subset: false,
};

/// As its public image runs it.
pub(super) const NON_ROOT: Application = Application {
    name: "memcached-non-root",
    about: "the same with `--user memcache`, as in the public image",
    options: &["--user", "memcache"],
    arguments: &["memcached", "-m", "64", "-vv"],
    alternatives: &[],
    ..MEMCACHED
};
