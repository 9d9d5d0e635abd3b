//! MariaDB: transactions by many clients, bulk rows, and a distinct sort that goes through temporary files.

use super::super::application::{Application, Image, Port, Ready};

/// Entrypoint as root, server as its user.
pub(super) const MARIADB: Application = Application {
    name: "mariadb",
    about: "entrypoint prepares as root and drops, system tables made on first use",
    image: Image::OfCatalog("mariadb"),
    package: "mariadb-server",
    port: Port::Published(3306),
    options: &[],
    arguments: &[],
    // The server that only sets the tables up has port 0.
    ready: Ready::Log("port: 3306"),
    // A row of the sort takes 1,280 bytes: more than memory is given, less than the smallest tmpfs on /tmp. With several times
    // as many, peaks come and go between two looks at sizes, and the plan's tmpfs is too small.
    load: r#"
server="--host=127.0.0.1 --port=$PORT --user=app --password=secret"
query() { mariadb $server --batch --skip-column-names app --execute "$1"; }
mariadb-slap $server --create-schema=app_slap --auto-generate-sql --auto-generate-sql-load-type=mixed --concurrency=4 --number-of-queries=400 > /tmp/slap
query 'CREATE TABLE t (id INT PRIMARY KEY, body VARCHAR(200)); INSERT INTO t SELECT seq, MD5(seq) FROM seq_1_to_20000; ALTER TABLE t ADD INDEX (body)'
[ "$(query 'SELECT COUNT(*) FROM t WHERE id = (SELECT id FROM t WHERE body = MD5(777))')" = 1 ]
for turn in $(seq 10); do [ "$(query 'SELECT COUNT(*) FROM (SELECT DISTINCT REPEAT(MD5(seq), 10) AS c FROM seq_1_to_12000 ORDER BY c) AS d')" = 12000 ]; done"#,
    alternatives: &["non-root"],
    is_in_subset: false,
};

/// Started as the server's user.
pub(super) const NON_ROOT: Application = Application {
    name: "mariadb-non-root",
    about: "the same with `--user mysql`",
    options: &["--user", "mysql"],
    alternatives: &[],
    ..MARIADB
};
