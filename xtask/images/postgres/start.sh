# First as root: directories, owners, modes. Then once more as the user postgres: the cluster, on first use with the
# help of a server that listens on its socket only, and the server itself.
set -euo pipefail
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
sockets=/var/run/postgresql

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" "$sockets"
    chmod 0700 "$PGDATA"
    chmod 3775 "$sockets"
    find "$PGDATA" ! -user postgres -exec chown postgres '{}' +
    find "$sockets" ! -user postgres -exec chown postgres '{}' +
    exec gosu postgres /bin/bash "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username=postgres --auth=trust --no-instructions > /dev/null
    echo 'host all all all trust' >> "$PGDATA/pg_hba.conf"
    pg_ctl start --silent --wait --options="-c listen_addresses=''"
    createdb --username=postgres app
    pg_ctl stop --silent --wait --mode=fast
    echo 'start: the cluster is made'
fi
exec "$@" -c listen_addresses='*'
