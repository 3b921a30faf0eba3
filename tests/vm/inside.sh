#!/bin/bash
# The only process of the emulated machine: makes it one that Docker runs on, runs the command, turns it off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
for at in run tmp dev/shm; do mkdir -p /$at && mount -t tmpfs tmpfs /$at; done
mkdir -p /dev/pts /run/lock /lib/modules /out /var/lib/docker
mount -t devpts devpts /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind "$(sed 's/.*gyre.modules=\([^ ]*\).*/\1/' /proc/cmdline)" /lib/modules
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none out /out
ip link set lo up
{
  mkfs.xfs -q -f /dev/vda && mount -o pquota /dev/vda /var/lib/docker && bash /out/command
  status=$?
} > /out/output 2>&1
echo "$status" > /out/status
sync
echo o > /proc/sysrq-trigger
while :; do read -r -t 60 _ < /dev/ttyS0; done
