#!/bin/sh
# Profiles a container that runs on this node, from a container with the least privileges that it takes. See docs/fleet.md.
#
#   docker-run.sh CONTAINER DIRECTORY [DURATION]
#
# Writes DIRECTORY/NODE-CONTAINER-TIME.json. WRITEPATH_IMAGE names the image, writepath:VERSION. Ctrl-C ends before DURATION (10m),
# and the profile is written. The status is that of `writepath attach`: 4, as the start-up was not seen, is what to expect.
set -eu

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
container=$1
directory=$2
duration=${3:-10m}
image=${WRITEPATH_IMAGE:?name the image: writepath:VERSION}

name=$(uname -n)-$container-$(date -u +%Y%m%dT%H%M%SZ).json
mkdir -p "$directory"
# `writepath merge DIRECTORY` passes over hidden files: this one is not whole yet.
part=$directory/.$name

# The shell waits for the container, which gets the signal, too.
trap : INT
status=0
# No terminal (-t): it would mix warnings into the profile.
docker run --rm \
    --pid=host --cgroupns=host \
    --volume=/sys/fs/cgroup:/sys/fs/cgroup:ro \
    --volume=/var/run/docker.sock:/var/run/docker.sock \
    --cap-drop=ALL --cap-add=SYS_ADMIN --cap-add=SYS_PTRACE --cap-add=DAC_READ_SEARCH --cap-add=SYSLOG \
    --security-opt=no-new-privileges --read-only \
    "$image" attach --output=- --duration="$duration" -- "$container" >"$part" || status=$?

# 1: the container ended early; 4: not everything was seen. Both leave a profile.
case $status in
0 | 1 | 4) ;;
*) rm -f "$part" ;;
esac
if [ -s "$part" ]; then
    mv "$part" "$directory/$name"
    echo "wrote $directory/$name" >&2
else
    rm -f "$part"
fi
exit "$status"
