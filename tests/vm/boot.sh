#!/bin/bash
# Runs a command under Debian's own kernel, for what the kernel of this machine may not have: an XFS with project quotas,
# on which Docker bounds a container's disk in a way that `df` shows. An emulated machine (QEMU, no KVM needed) sees this
# machine's files, read-only below a layer in memory, and an empty XFS at /var/lib/docker.
#
#   tests/vm/boot.sh DIR COMMAND...
#
# The command runs as root, in this repository's root; what it writes under /out is in DIR/out afterwards, beside its
# `output`, which is printed. The exit status is the command's; 125 when there was no machine to run it in. The kernel
# comes from the Debian mirror once and is kept in DIR. Needs root, and qemu-system-x86, xfsprogs, kmod, cpio.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
repository=$(cd "$here/../.." && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
limit=1200 # seconds; emulated processors are some ten times slower than real ones

die() { echo "boot.sh: $*" >&2; exit 125; }

# ---- the kernel, unpacked and not installed: it is not for this machine ----

fetch_kernel() {
  local image
  rm -rf "$dir/kernel" && mkdir -p "$dir/kernel"
  image=$(apt-cache depends linux-image-amd64 2> /dev/null | sed -n 's/^ *Depends: //p' | head -n 1)
  [ -n "$image" ] && (cd "$dir/kernel" && apt-get -q -o APT::Sandbox::User=root download "$image") > "$dir/download.log" 2>&1
}

if [ ! -e "$dir/kernel/complete" ]; then
  # The lists may be older than the mirror, which keeps one kernel at a time.
  fetch_kernel || { apt-get -q update > "$dir/update.log" 2>&1 && fetch_kernel; } ||
    die "Debian's kernel cannot be downloaded; apt-get's words are in $dir/download.log and $dir/update.log"
  dpkg-deb -x "$dir"/kernel/*.deb "$dir/kernel"
  rm "$dir"/kernel/*.deb
  touch "$dir/kernel/complete"
fi
version=$(ls "$dir/kernel/lib/modules")
depmod -b "$dir/kernel" "$version"

# ---- its first files: what it needs to see ours ----

first=$(mktemp -d)
trap 'rm -rf "$first" "$dir/disk.img"' EXIT
mkdir -p "$first"/{bin,proc,sys,dev,modules,host,layer,root}
cp "$(command -v busybox)" "$first/bin/busybox"
cp "$here/init" "$first/init"
number=10
for module in virtio_pci virtio_blk 9pnet_virtio 9p overlay xfs; do
  for file in $(modprobe -d "$dir/kernel" -S "$version" --show-depends "$module" | sed -n 's/^insmod //p'); do
    [ -z "$(find "$first/modules" -name "??-${file##*/}")" ] || continue
    cp "$file" "$first/modules/$number-${file##*/}"
    number=$((number + 1))
  done
done
(cd "$first" && find . | cpio --quiet -o -H newc | gzip -1) > "$dir/first.gz"

# ---- the machine ----

rm -rf "$dir/out" "$dir/disk.img"
mkdir -p "$dir/out"
{
  printf 'cd %q\n' "$repository"
  printf '%q ' "$@"
} > "$dir/out/command"
truncate -s 60G "$dir/disk.img"
timeout "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -no-reboot -display none -monitor none \
  -serial "file:$dir/console.log" -kernel "$dir/kernel/boot/vmlinuz-$version" -initrd "$dir/first.gz" \
  -append "console=ttyS0 quiet panic=-1 gyre.modules=$dir/kernel/lib/modules gyre.inside=$here/inside.sh" \
  -virtfs "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap" \
  -virtfs "local,path=$dir/out,mount_tag=out,security_model=none,multidevs=remap" \
  -drive "file=$dir/disk.img,if=virtio,format=raw" -nic none > "$dir/qemu.log" 2>&1 || true
[ ! -e "$dir/out/output" ] || cat "$dir/out/output"
[ -e "$dir/out/status" ] ||
  die "the machine ended before the command did: $(tail -n 1 "$dir/qemu.log") $(tail -n 5 "$dir/console.log" | tr -d '\r')"
exit "$(cat "$dir/out/status")"
