//! PostgreSQL: a cluster made on first use, transactions, and a sort that does not fit into memory.

use super::super::application::{Application, Image, Port, Ready};
use crate::images;

/// Entrypoint as root, server as its user.
pub(super) const POSTGRES: Application = Application {
    name: "postgres",
    about: "entrypoint prepares as root and drops, cluster made on first use",
    image: Image::OfTests(images::POSTGRES),
    package: "postgresql",
    port: Port::Published(5432),
    options: &[],
    arguments: &[],
    // Not the server that only sets the cluster up: that one listens on its socket alone.
    ready: Ready::Log("listening on IPv4 address"),
    load: r#"
server="-h 127.0.0.1 -p $PORT -U postgres"
tries=0
until pg_isready -q $server; do tries=$((tries + 1)); [ $tries -lt 100 ]; sleep 0.1; done
pgbench -q -i -s 2 $server app
pgbench -n -c 4 -t 200 $server app | grep -q '^number of failed transactions: 0 '
[ "$(psql $server -Atc 'SELECT count(*) FROM (SELECT repeat(md5(i::text), 4) AS t FROM generate_series(1, 100000) i ORDER BY t) s' app)" = 100000 ]"#,
    alternatives: &["non-root"],
    is_in_subset: true,
};

/// Started as the server's user.
pub(super) const NON_ROOT: Application = Application {
    name: "postgres-non-root",
    about: "the same with `--user postgres`",
    options: &["--user", "postgres"],
    alternatives: &[],
    ..POSTGRES
};
