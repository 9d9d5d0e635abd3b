//! Redis with both kinds of persistence, so that data is written, saved and rewritten.

use super::super::application::{Application, Image, Port, Ready};
use crate::images;

/// Entrypoint as root, server as its user.
pub(super) const REDIS: Application = Application {
    name: "redis",
    about: "entrypoint chowns its data as root and drops",
    image: Image::OfTests(images::REDIS),
    package: "redis-server",
    port: Port::Published(6379),
    options: &[],
    arguments: &[],
    ready: Ready::Log("Ready to accept connections"),
    load: r#"
redis-benchmark -p $PORT -q -n 20000 -t set,lpush,incr
[ "$(redis-cli -p $PORT set answer 42)" = OK ]
[ "$(redis-cli -p $PORT get answer)" = 42 ]
redis-cli -p $PORT bgsave
redis-cli -p $PORT bgrewriteaof
until [ "$(redis-cli -p $PORT info persistence | grep -cE '^(rdb_bgsave|aof_rewrite)_(in_progress|scheduled):1')" = 0 ]
do sleep 0.1; done
redis-cli -p $PORT info persistence | grep -q '^rdb_last_bgsave_status:ok'
redis-cli -p $PORT info persistence | grep -q '^aof_last_bgrewrite_status:ok'"#,
    alternatives: &["non-root"],
    is_in_subset: true,
};
