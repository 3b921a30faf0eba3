#!/usr/bin/env bash
# Proves the README: an empty Debian 12 root, a fresh clone of the last commit in it, then `./dev up`, `./dev test` and
# `./dev down`, and nothing else. Run by hand and before a release (`./dev test --fresh`); takes long.
# usage: tools/fresh-machine.sh [--keep] [--up-only] [--run COMMAND] [--ccache DIR]
#   --keep         leave the root for a look at it
#   --up-only      only `./dev up` and `./dev down`
#   --run COMMAND  this, in the clone, instead of the README's commands
#   --ccache DIR   share a compiler cache (then the build time says nothing)
#
# The inside has its own processes, mounts, /run, network and Docker: nothing of this machine's engines is seen or
# touched. It reaches the Debian mirror through a veth pair; address and rules are removed at the end.
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.sh"

keep='' up_only='' command='' ccache=''
while [ $# -gt 0 ]; do
  case "$1" in
    --keep) keep=1 ;;
    --up-only) up_only=1 ;;
    --run)
      command="${2:?--run needs a command}"
      shift
      ;;
    --ccache)
      ccache="${2:?--ccache needs a folder}"
      shift
      ;;
    *) die "no option '$1'" ;;
  esac
  shift
done
if [ "$(id -u)" != 0 ]; then
  exec sudo --preserve-env=GYRE_FRESH_CACHE,GYRE_FRESH_ROOTS,GYRE_MIRROR "$0" ${keep:+--keep} ${up_only:+--up-only} \
    ${command:+--run "$command"} ${ccache:+--ccache "$ccache"}
fi
for tool in debootstrap ip iptables unshare; do
  command -v "$tool" > /dev/null || die "needs $tool: ./dev setup"
done

cache="${GYRE_FRESH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gyre-fresh}"
roots="${GYRE_FRESH_ROOTS:-/var/tmp}" # on a real disk: a build and Docker's layers live there
mkdir -p "$cache/archives/partial" "$GYRE_ROOT/out/fresh"

# The mirror this machine itself uses for the release, so that no address is written here.
# shellcheck disable=SC2016  # $(SITE) and the like are apt-get's own
index_targets() { apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)' 2> /dev/null; }
mirror="${GYRE_MIRROR:-$(index_targets | awk '$2 == "bookworm" && $4 == "Packages" && !found {print $1; found = 1}')}"
[ -n "$mirror" ] || die "cannot tell this machine's Debian mirror: GYRE_MIRROR=ADDRESS tools/fresh-machine.sh"

if [ ! -e "$cache/bookworm.tar" ]; then
  say "fresh: making an empty Debian 12 (kept in $cache for the next time)"
  rm -rf "$cache/making"
  debootstrap --variant=minbase bookworm "$cache/making" "$mirror" > "$GYRE_ROOT/out/fresh/debootstrap.log" 2>&1 ||
    die "debootstrap failed: out/fresh/debootstrap.log"
  tar -C "$cache/making" -cf "$cache/bookworm.tar.new" .
  mv "$cache/bookworm.tar.new" "$cache/bookworm.tar"
  rm -rf "$cache/making"
fi

root="$(mktemp -d "$roots/gyre-fresh.XXXXXX")"
chmod 755 "$root"
name="gyre-fresh-$$"
outer="gyf$$"
network="10.213.$(($$ % 256))"
forwarding="$(cat /proc/sys/net/ipv4/ip_forward)"
# shellcheck disable=SC2317  # called by trap
clean_up() {
  ip netns pids "$name" 2> /dev/null | xargs -r kill -9 2> /dev/null || true
  ip link del "$outer" 2> /dev/null || true
  ip netns del "$name" 2> /dev/null || true
  iptables -w -t nat -D POSTROUTING -s "$network.0/30" -j MASQUERADE 2> /dev/null || true
  iptables -w -D FORWARD -s "$network.0/30" -j ACCEPT 2> /dev/null || true
  iptables -w -D FORWARD -d "$network.0/30" -j ACCEPT 2> /dev/null || true
  echo "$forwarding" > /proc/sys/net/ipv4/ip_forward
  if [ -n "$keep" ]; then
    say "fresh: the root is left in $root"
  else
    rm -rf --one-file-system "$root"
  fi
}
trap clean_up EXIT

say "fresh: unpacking into $root"
tar -C "$root" -xf "$cache/bookworm.tar"
[ -z "$(git -C "$GYRE_ROOT" status --porcelain)" ] || warn "what is not committed is not tested: the clone has the last commit"
# A repository on another person's account, or on a mount, is still ours to read.
git -c safe.directory='*' clone -q --no-hardlinks "file://$GYRE_ROOT" "$root/home/gyre"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# Authorities that this machine's owner trusts besides Debian's: a network may let packages through by its own. Debian's
# ca-certificates takes them up; node and pip carry lists of their own, and are told of Debian's by the environment.
trusted=()
if compgen -G '/usr/local/share/ca-certificates/*.crt' > /dev/null; then
  mkdir -p "$root/usr/local/share/ca-certificates"
  cp -L /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
  trusted=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt)
fi
echo fresh > "$root/etc/hostname"
echo "127.0.0.1 localhost fresh" > "$root/etc/hosts"
# The release's updates and security fixes, from the same place this machine has them from.
index_targets |
  awk '$2 ~ /^bookworm/ && $3 == "main" && $4 == "Packages" {print "deb", $1, $2, $3}' | sort -u > "$root/etc/apt/sources.list"

echo 1 > /proc/sys/net/ipv4/ip_forward
ip netns add "$name"
ip link add "$outer" type veth peer name eth0 netns "$name"
ip addr add "$network.1/30" dev "$outer"
ip link set "$outer" up
ip -n "$name" addr add "$network.2/30" dev eth0
ip -n "$name" link set lo up
ip -n "$name" link set eth0 up
ip -n "$name" route add default via "$network.1"
iptables -w -t nat -A POSTROUTING -s "$network.0/30" -j MASQUERADE
# Docker on this machine may have set the forward policy to drop.
iptables -w -I FORWARD -s "$network.0/30" -j ACCEPT
iptables -w -I FORWARD -d "$network.0/30" -j ACCEPT

cat > "$root/enter" << 'ENTER'
#!/bin/bash
# First process of the fresh machine: its own root, /proc, /sys, /dev and /run, then the commands of the README.
set -euo pipefail
root="$1"
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount -t tmpfs tmpfs dev
for node in null zero full random urandom tty fuse net/tun loop-control loop{0..7}; do
  [ -e "/dev/$node" ] || continue
  mkdir -p "dev/$(dirname "$node")"
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mkdir -p dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%%:*}" "dev/${n##*:}"; done
mount -t tmpfs tmpfs run
mkdir -p run/lock
mount --bind "$2/archives" var/cache/apt/archives
if [ -n "$3" ]; then mkdir -p root/.cache/ccache; mount --bind "$3" root/.cache/ccache; fi
mkdir -p .before
pivot_root . .before
cd /
umount -l .before
rmdir .before
hostname fresh
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
  CI="${CI:-}" "${@:4}" /bin/bash /follow-readme
ENTER
{
  echo 'set -euo pipefail; cd /home/gyre'
  # A kept package is not downloaded again the next time.
  echo "echo 'Binary::apt-get::APT::Keep-Downloaded-Packages \"true\";' > /etc/apt/apt.conf.d/keep"
  if [ -n "$command" ]; then
    echo "$command"
  else
    cat << 'README'
began=$SECONDS
./dev up
echo "fresh: up took $((SECONDS - began)) s"
./dev down --stop-pods
README
    if [ -z "$up_only" ]; then
      cat << 'README'
began=$SECONDS
./dev test
echo "fresh: test took $((SECONDS - began)) s"
README
    fi
  fi
} > "$root/follow-readme"

what="./dev up, ./dev down"
[ -n "$up_only" ] || what="$what, ./dev test"
[ -z "$command" ] || what="$command"
log="$GYRE_ROOT/out/fresh/run.log"
say "fresh: inside, $what; the whole of it goes to out/fresh/run.log"
status=0
# Not `ip netns exec`: it lays a new /sys over this one, without the control groups that Docker needs.
nsenter --net="/run/netns/$name" unshare --mount --pid --uts --ipc --fork --kill-child \
  /bin/bash "$root/enter" "$root" "$cache" "$ccache" "${trusted[@]}" < /dev/null 2>&1 | tee "$log" || status=$?
mkdir -p "$GYRE_ROOT/out/fresh/inside"
cp -r "$root/home/gyre/out/." "$GYRE_ROOT/out/fresh/inside/" 2> /dev/null || true
[ "$status" = 0 ] || die "the fresh machine failed (status $status): out/fresh/run.log"
[ -z "$command" ] || exit 0
grep -q '^    | .' "$log" || die "./dev up ended well but printed nothing a container wrote: out/fresh/run.log"
say "fresh: on an empty Debian 12, done: $what"
