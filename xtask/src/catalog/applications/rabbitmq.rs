//! RabbitMQ: a durable queue, persistent messages published and consumed.

use super::super::application::{Application, Image, Port, Ready};

/// Entrypoint as root, server as its user.
pub(super) const RABBITMQ: Application = Application {
    name: "rabbitmq",
    about: "entrypoint prepares as root and drops; Erlang",
    image: Image::OfCatalog("rabbitmq"),
    package: "rabbitmq-server",
    port: Port::Published(5672),
    options: &[],
    arguments: &[],
    ready: Ready::Log("Server startup complete"),
    load: r#"
server=amqp://guest:guest@127.0.0.1:$PORT
amqp-declare-queue --url=$server --queue=jobs --durable > /dev/null
for number in $(seq 100); do amqp-publish --url=$server --routing-key=jobs --persistent --body="job $number"; done
head -c 200000 /dev/zero | tr '\0' 'x' | amqp-publish --url=$server --routing-key=jobs --persistent
[ "$(amqp-get --url=$server --queue=jobs)" = 'job 1' ]
[ "$(amqp-consume --url=$server --queue=jobs --count=100 cat | wc -c)" -ge 200000 ]
refused amqp-get --url=$server --queue=jobs
amqp-delete-queue --url=$server --queue=jobs > /dev/null"#,
    alternatives: &["non-root"],
    is_in_subset: false,
};

/// Started as the server's user.
pub(super) const NON_ROOT: Application = Application {
    name: "rabbitmq-non-root",
    about: "the same with `--user rabbitmq`",
    options: &["--user", "rabbitmq"],
    alternatives: &[],
    ..RABBITMQ
};
