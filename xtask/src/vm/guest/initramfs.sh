#!/bin/busybox sh
# The first process of the machine: loads the modules that reach the disks, mounts the root file system and hands
# over to the payload's init. Whatever fails here ends the machine (panic=-1), and the console says what it was.

set -e
/bin/busybox --install -s /bin
export PATH=/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

# The host only wants to know whether a kernel starts at all under its accelerator.
if grep -q 'vm-test\.probe' /proc/cmdline; then
    echo '@vm probe' > /dev/ttyS1
    poweroff -f
fi

for module in /modules/*.ko; do
    insmod "$module"
done

# Disks appear in the order of the host's command line. The last one is waited for.
tries=0
while [ ! -b /dev/vdd ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo 'the disks did not appear'; exit 1; }
    sleep 0.1
done
mount -t ext4 /dev/vda /root
mount -t ext4 -o ro /dev/vdb /root/lib/modules
mount -t ext4 -o ro /dev/vdc /root/payload

# With systemd as the first process, the payload is a service of it.
if grep -q 'vm-test\.systemd' /proc/cmdline; then
    init=/lib/systemd/systemd
    units=/root/etc/systemd/system
    mkdir -p "$units/multi-user.target.wants"
    cp /root/payload/vm-test.service "$units/"
    ln -s ../vm-test.service "$units/multi-user.target.wants/vm-test.service"
else
    init=/payload/init
fi

mount --move /dev /root/dev
umount /proc /sys
exec switch_root /root "$init"
