# httpd refuses to start when an older container's process id is still on file.
set -eu
rm -f /run/apache2/httpd.pid
exec "$@"
