//! Apache httpd: static files, a CGI program, and uploads by WebDAV, which go through temporary files and locks.

use super::super::application::{Application, Image, Port, Ready};

/// Master as root, workers and CGI daemon as another user.
pub(super) const HTTPD: Application = Application {
    name: "httpd",
    about: "master as root, workers drop; WebDAV, CGI daemon",
    image: Image::OfCatalog("httpd"),
    package: "apache2",
    port: Port::Published(80),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
many -n 2000 -c 8 $url/
[ "$(curl -fsS "$url/cgi/hello.cgi?world")" = 'hello world' ]
head -c 3000000 /dev/urandom > /tmp/body
want=$(sha256sum < /tmp/body)
for number in 1 2 3; do curl -fsS -T /tmp/body $url/dav/upload$number > /dev/null; done
[ "$(curl -fsS $url/dav/upload1 | sha256sum)" = "$want" ]
curl -fsS -X MKCOL $url/dav/kept > /dev/null
curl -fsS -X MOVE -H "Destination: $url/dav/kept/upload1" $url/dav/upload1 > /dev/null
lock='<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
token=$(curl -fsS -X LOCK -d "$lock" $url/dav/upload2 | grep -o 'opaquelocktoken:[0-9a-f-]*' | head -n 1)
[ "$(curl -sS -o /dev/null -w '%{http_code}' -X DELETE $url/dav/upload2)" = 423 ]
curl -fsS -X UNLOCK -H "Lock-Token: <$token>" $url/dav/upload2
curl -fsS -X DELETE $url/dav/upload2
[ "$(curl -fsS $url/dav/kept/upload1 | sha256sum)" = "$want" ]"#,
    alternatives: &["non-root"],
    is_in_subset: false,
};
