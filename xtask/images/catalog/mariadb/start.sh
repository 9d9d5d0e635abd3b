# First as root: owners. Then once more as the user mysql: the system tables, on first use with the help of a server
# that listens on its socket only, and the server itself.
set -euo pipefail
data=/var/lib/mysql
sockets=/run/mysqld

if [ "$(id -u)" = 0 ]; then
    find "$data" ! -user mysql -exec chown mysql: '{}' +
    find "$sockets" -maxdepth 0 ! -user mysql -exec chown mysql: '{}' +
    exec gosu mysql bash "$0" "$@"
fi

if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db > /dev/null
    "$@" --skip-networking &
    server=$!
    for _ in {300..0}; do
        if mariadb-admin --user=root --silent ping; then break; fi
        sleep 0.1
    done
    mariadb --user=root <<'SQL'
CREATE DATABASE app;
CREATE USER app@'%' IDENTIFIED BY 'secret';
GRANT ALL ON `app%`.* TO app@'%';
SQL
    mariadb-admin --user=root shutdown
    wait "$server"
    echo 'start: the system tables are made'
fi
exec "$@"
