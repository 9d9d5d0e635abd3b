#!/bin/sh
# The guest's first process once its root file system is there, or a service of systemd's (`init work`): prepares the machine as a host with Docker on cgroup
# v2 alone, runs the payload's jobs, hands the results over, switches off.
#
# The host reads the second serial port. A line that starts with `@vm ` is for it:
#
#     @vm release RELEASE             the kernel's release
#     @vm note TEXT                   something a person may want to know
#     @vm begin JOB                   all further lines are the job's output, until
#     @vm end JOB STATUS SECONDS
#     @vm skip JOB                    not run: a job that it builds on failed, or it is left out
#     @vm finished                    the results are on their disk
#
# Files that jobs put into $WRITEPATH_VM_RESULTS reach the host as an archive on the fourth disk.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8

# The work is done by a child: the first process only reaps what is left to it, and switches off whatever happens.
if [ "${1:-}" != work ]; then
    "$0" work
    sync
    exec busybox poweroff -f
fi

exec < /dev/null
stty -F /dev/ttyS1 raw -echo 115200
# Messages go to the host; what programs print here goes to the console.
exec 3> /dev/ttyS1
tell() { printf '@vm %s\n' "$*" >&3; }

tell release "$(uname -r)"

# TYPE DIRECTORY OPTIONS, unless something is mounted there already.
provide() {
    mountpoint -q "$2" && return
    mkdir -p "$2"
    mount -t "$1" -o "$3" "$1" "$2"
}
mountpoint -q /proc || mount -t proc -o nosuid,nodev,noexec proc /proc
provide sysfs /sys nosuid,nodev,noexec
provide tmpfs /run nosuid,nodev,mode=0755
provide tmpfs /tmp nosuid,nodev
provide devpts /dev/pts gid=5,mode=620
provide tmpfs /dev/shm nosuid,nodev
provide mqueue /dev/mqueue nosuid,nodev,noexec
provide cgroup2 /sys/fs/cgroup nosuid,nodev,noexec
provide bpf /sys/fs/bpf nosuid,nodev,noexec,mode=700
provide tracefs /sys/kernel/tracing nosuid,nodev,noexec
provide securityfs /sys/kernel/security nosuid,nodev,noexec
mount --make-rshared /
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
hostname writepath-vm
ip link set lo up

results=/run/results
mkdir -p "$results"
export WRITEPATH_VM_RESULTS=$results

# Programs expect files under the paths that they have on the host.
(cd /payload/tree && find . -type f) | while read -r file; do
    path=${file#.}
    mkdir -p "${path%/*}"
    ln -sf "/payload/tree$path" "$path"
done

seconds() { cut -d. -f1 < /proc/uptime; }
tell note "booted after $(seconds) s"

driver=cgroupfs
if [ -d /run/systemd/system ]; then
    driver=systemd
fi
dockerd --storage-driver overlay2 --exec-opt "native.cgroupdriver=$driver" --log-level warn \
    > "$results/dockerd.log" 2>&1 &
docker=$!
until docker version > /dev/null 2>&1; do
    if ! kill -0 "$docker" 2> /dev/null; then
        tell note 'dockerd ended'
        break
    fi
    sleep 0.5
done
if [ -f /payload/images.tar ]; then
    docker load --quiet < /payload/images.tar > "$results/docker-load.log" 2>&1 ||
        tell note "docker load failed: $(tail -n 1 "$results/docker-load.log")"
fi
tell note "$(docker info --format 'Docker {{.ServerVersion}}, {{.Driver}}, cgroup v{{.CgroupVersion}} by {{.CgroupDriver}}') after $(seconds) s"

# Jobs are directories in the order of their names: `run` is the script, `limit` its time in seconds, and where
# `vital` exists the rest of its `group` is skipped when the job ends with 3: this host cannot do it. The kernel's
# parameter `vm-test.without=KIND` leaves out jobs whose names end with the kind.
without=$(tr ' ' '\n' < /proc/cmdline | sed -n 's/^vm-test\.without=//p')
skip=none
for directory in /payload/jobs/*/; do
    directory=${directory%/}
    job=${directory##*/}
    group=$(cat "$directory/group")
    if [ "$group" = "$skip" ] || { [ -n "$without" ] && [ "${job##*-}" = "$without" ]; }; then
        tell skip "$job"
        continue
    fi
    start=$(seconds)
    tell begin "$job"
    status=$results/.status
    {
        timeout --kill-after=10 "$(cat "$directory/limit")" sh "$directory/run"
        echo $? > "$status"
    } 2>&1 | tee "$results/$job.log" >&3
    # The job's last line may lack its end.
    echo >&3
    tell end "$job" "$(cat "$status")" $(($(seconds) - start))
    if [ -f "$directory/vital" ] && [ "$(cat "$status")" = 3 ]; then
        skip=$group
    fi
done
rm -f "$results/.status"

kill "$docker" 2> /dev/null && wait "$docker"
dmesg > "$results/dmesg.log"
tar --create --file /dev/vdd --directory "$results" . && sync && tell finished
