# Every half second, and once more when it is told to stop: the new lines of the log into a batch, the batch into a list,
# and where that ended.
set -u
log=/var/log/app/access.log
state=/var/lib/shipper/position
stop=
trap 'stop=1' TERM
done=$(cat "$state" 2>/dev/null || echo 0)
while :; do
    last=$stop
    all=$(wc -l < "$log" 2>/dev/null || echo 0)
    if [ "$all" -gt "$done" ]; then
        batch=$(mktemp /tmp/batch.XXXXXX) || exit 1
        sed -n "$((done + 1)),${all}p" "$log" | sed 's/^/RPUSH log "/; s/$/"/' > "$batch" || exit 1
        redis-cli -h cache < "$batch" > /dev/null || exit 1
        rm "$batch"
        done=$all
        echo "$done" > "$state.new" && mv "$state.new" "$state" || exit 1
    fi
    if [ -n "$last" ]; then
        echo stopped
        exit 0
    fi
    if [ -z "$stop" ]; then
        sleep 0.5 &
        wait $!
    fi
done
