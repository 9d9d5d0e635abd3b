# As root: the data directory. Then the application, as its user.
set -eu
if [ "$(id -u)" = 0 ]; then
    chown -R notes:notes /data
    exec setpriv --reuid=notes --regid=notes --clear-groups "$@"
fi
exec "$@"
