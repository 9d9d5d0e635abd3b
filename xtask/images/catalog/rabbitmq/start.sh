# As root: whatever in the data directory is not the server's own is given to it. Then the server, as its user.
set -eu
if [ "$(id -u)" = 0 ]; then
    find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq '{}' +
    exec gosu rabbitmq /bin/sh "$0" "$@"
fi
exec "$@"
