# As root: whatever in the data directory is not the server's own is given to it. Then the server, as its user.
set -eu
if [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --clear-groups "$@"
fi
exec "$@"
