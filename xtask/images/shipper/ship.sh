# Every half second: the new lines of the log into a batch, the batch into a list, and where that ended.
set -u
log=/var/log/app/access.log
state=/var/lib/shipper/position
trap 'echo stopped; exit 0' TERM
done=$(cat "$state" 2>/dev/null || echo 0)
while :; do
    all=$(wc -l < "$log" 2>/dev/null || echo 0)
    if [ "$all" -gt "$done" ]; then
        batch=$(mktemp /tmp/batch.XXXXXX) || exit 1
        sed -n "$((done + 1)),${all}p" "$log" | sed 's/^/RPUSH log "/; s/$/"/' > "$batch" || exit 1
        redis-cli -h cache < "$batch" > /dev/null || exit 1
        rm "$batch"
        done=$all
        echo "$done" > "$state.new" && mv "$state.new" "$state" || exit 1
    fi
    sleep 0.5 &
    wait $!
done
