# Looks whether the site's configuration may be changed, as images do that fill it in from the environment, and
# then becomes nginx. A configuration that may not be changed is used as it is.
set -eu
site=/etc/nginx/conf.d/default.conf
if touch "$site" 2>/dev/null; then
    echo "start: $site may be changed"
else
    echo "start: $site is fixed, using it as it is"
fi
exec "$@"
