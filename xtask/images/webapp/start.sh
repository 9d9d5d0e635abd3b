# As root: directories for the log and for bodies of requests. Then the application, as its user.
set -eu
if [ "$(id -u)" = 0 ]; then
    mkdir -p /var/log/app /var/spool/app
    chown www-data:www-data /var/log/app /var/spool/app
    exec setpriv --reuid=www-data --regid=www-data --clear-groups "$@"
fi
exec "$@"
