#!/bin/sh
# A gate for releases: profiles the new image under the project's load test, and compares it with the profile that is
# kept in the repository. See docs/ci.md.
#
#   gate.sh check IMAGE [ARG…]   status 0: nothing new, or all of it accepted; 1: something new; 2, 3: it could not be
#                                done; 4: nothing new was found, but not everything was seen
#   gate.sh accept               after a check: accepts what it found, for good (commit accepted.toml)
#   gate.sh renew                after a check: makes its profile the one to compare with (commit baseline.json), and
#                                forgets what was accepted against the old one
#
# Set READY and LOAD to the project's own, as `writepath run` takes them. Options of the container go into RUN_OPTIONS,
# separated by blanks.
set -u

WRITEPATH=${WRITEPATH:-writepath}
# In the repository: baseline.json and accepted.toml.
KEPT=${KEPT:-.writepath}
# Of this run: new.json, diff.md, diff.sarif, diff.json.
OUT=${OUT:-writepath-out}

baseline=$KEPT/baseline.json
accepted=$KEPT/accepted.toml
new=$OUT/new.json

# Compares with the options given, --baseline among them where there is one.
compare() {
    if [ -e "$accepted" ]; then
        set -- --baseline "$accepted" "$@"
    fi
    "$WRITEPATH" diff "$baseline" "$new" "$@"
}

check() {
    mkdir -p "$KEPT" "$OUT" || return 2
    # RUN_OPTIONS is meant to be split.
    # shellcheck disable=SC2086
    "$WRITEPATH" run -o "$new" ${READY:+--ready "$READY"} ${LOAD:+--load "$LOAD"} ${RUN_OPTIONS:-} "$@"
    status=$?
    # An incomplete profile is compared as well: what is new in it is new.
    if [ "$status" -ne 0 ] && [ "$status" -ne 4 ]; then
        echo "gate: profiling failed with status $status" >&2
        return "$status"
    fi
    if [ ! -e "$baseline" ]; then
        cp "$new" "$baseline" || return 2
        echo "gate: there was no $baseline to compare with; this profile is it now, commit it" >&2
        return "$status"
    fi
    compare --format markdown --fail-on none --quiet >"$OUT/diff.md" || return
    compare --format sarif --fail-on none --quiet >"$OUT/diff.sarif" || return
    compare --format json --fail-on none --quiet >"$OUT/diff.json" || return
    compare
}

case ${1:-} in
check)
    shift
    check "$@"
    ;;
accept)
    "$WRITEPATH" diff "$baseline" "$new" --baseline "$accepted" --accept
    ;;
renew)
    cp "$new" "$baseline" && rm -f "$accepted"
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
