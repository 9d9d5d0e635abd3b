//! A web application with SQLite under gunicorn: notes added by several clients, counted, exported.

use super::super::application::{Application, Image, Port, Ready};

/// Entrypoint as root, application as its user.
pub(super) const NOTES: Application = Application {
    name: "sqlite",
    about: "gunicorn and SQLite; entrypoint chowns its data as root and drops",
    image: Image::OfCatalog("notes"),
    package: "gunicorn",
    port: Port::Published(8000),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
head -c 2000 /dev/zero | tr '\0' 'n' > /tmp/note
many -l -n 200 -c 4 -T text/plain -p /tmp/note $url/
[ "$(curl -fsS $url/)" = 200 ]
[ "$(curl -fsS $url/export | wc -c)" = $((200 * 2001)) ]"#,
    alternatives: &["non-root"],
    is_in_subset: false,
};

/// Started as the application's user.
pub(super) const NON_ROOT: Application = Application {
    name: "sqlite-non-root",
    about: "the same with `--user notes`",
    options: &["--user", "notes"],
    alternatives: &[],
    ..NOTES
};
