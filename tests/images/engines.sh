#!/bin/bash
# Real container engines and registries for tests, private to one directory: a Docker Engine, Podman's compatible
# service, and two registries on loopback (one open, one behind a login); where the kernel can mount a btrfs from a file,
# also a Docker Engine whose file system bounds what a container writes. Needs root and the Debian packages docker.io,
# podman, netavark, aardvark-dns, catatonit, docker-registry, btrfs-progs, curl and jq.
#
#   tests/images/engines.sh start DIR   starts what does not run, waits until it answers, writes and prints DIR/env
#   tests/images/engines.sh start DIR --registry-only   only the open registry, which needs no root
#   tests/images/engines.sh stop DIR    removes its containers, ends what it started; images stay for the next time
#   tests/images/engines.sh env DIR     prints DIR/env again
#   tests/images/engines.sh recount DIR  waits until what was deleted on the btrfs is gone, and has it counted anew: from
#                                       Linux 6.10 on, a container's removal can make the kernel stop counting, and with
#                                       that bounding, until somebody asks for this
#
# Everything is kept under DIR (a short path: a unix socket's name has room for 107 characters).
set -euo pipefail

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
[ $# -eq 2 ] || [ "$*" = "start ${2-} --registry-only" ] || usage
verb=$1
registry_only=${3-}
mkdir -p "$2"
dir=$(cd "$2" && pwd)
login_user=tester
login_password=open-sesame
# bcrypt of the password above, cost 4: fixed, so that two starts agree, and it guards nothing but test images
# shellcheck disable=SC2016  # dollars of bcrypt's own
login_hash='$2b$04$gyretestsgyretestsgyreCmuLBwN/twiJzJLt6fx2kpIpoYlWVJ.'

alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

wait_for() {  # wait_for NAME LOG COMMAND...: until the command succeeds, at most 30 s
  local name=$1 log=$2 try
  shift 2
  for ((try = 0; try < 300; ++try)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "engines.sh: $name does not answer; the end of $log:" >&2
  tail -n 20 "$log" >&2
  return 1
}

launch() {  # launch NAME COMMAND...: in the background, with a pid file and a log, outliving this script
  local name=$1
  shift
  (cd "$dir" && exec setsid nohup "$@") </dev/null >>"$dir/$name.log" 2>&1 &  # they drop files where they start
  echo $! >"$dir/$name.pid"
}

end() {  # end NAME: SIGTERM, and SIGKILL after 10 s
  local file=$dir/$1.pid pid try
  alive "$file" || { rm -f "$file"; return 0; }
  pid=$(cat "$file")
  kill "$pid"
  for ((try = 0; try < 100; ++try)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$file"
}

free_port() {  # free_port FIRST
  local port=$1
  while ss -Htnl "sport = :$port" | grep -q .; do port=$((port + 1)); done
  echo "$port"
}

remembered() {  # remembered NAME COMMAND...: the command's output of the first time, so that a restart changes nothing
  local file=$dir/$1.chosen
  shift
  [ -s "$file" ] || "$@" >"$file"
  cat "$file"
}

at_most() {  # at_most NUMBER ULIMIT-OPTION: our own limit where it is lower
  local own
  own=$(ulimit "$2")
  if [ "$own" = unlimited ] || [ "$own" -gt "$1" ]; then own=$1; fi
  echo "$own"
}

free_network() {  # N for which 10.N.0.0/16 has no route and no address here
  local n
  for n in $(seq 211 254); do
    ip -4 route show table all | grep -q "10\.$n\." || { echo "$n"; return 0; }
  done
  echo "engines.sh: no free 10.N.0.0/16" >&2
  return 1
}

podman_options=(--root "$dir/podman/root" --runroot "$dir/podman/run" --tmpdir "$dir/podman/tmp"
  --network-config-dir "$dir/podman/networks" --cgroup-manager cgroupfs --events-backend file)
podman_command() {
  CONTAINERS_CONF=$dir/podman/containers.conf CONTAINERS_REGISTRIES_CONF=$dir/podman/registries.conf \
    podman "${podman_options[@]}" "$@"
}

start_docker() {
  alive "$dir/docker.pid" && return 0
  # No default bridge: pods get networks of their own. The user-land proxy is off: ports are forwarded by the kernel.
  launch docker dockerd --data-root "$dir/docker" --exec-root "$dir/docker-run" --pidfile "$dir/dockerd.pid" \
    -H "unix://$dir/docker.sock" --live-restore --bridge none \
    --default-address-pool "base=10.$network.0.0/18,size=24"
  wait_for "Docker" "$dir/docker.log" curl -sf --unix-socket "$dir/docker.sock" http://engine/_ping
}

# Docker on a btrfs of its own, which bounds a container's disk (a subvolume's quota). No part of any published port, so
# it leaves iptables to the engine above: two engines share the chains' names.
start_bounded_docker() {
  alive "$dir/bounded.pid" && return 0
  mkdir -p "$dir/bounded"
  if ! mountpoint -q "$dir/bounded"; then
    if [ ! -s "$dir/bounded.img" ]; then
      truncate -s 8G "$dir/bounded.img"
      mkfs.btrfs -q "$dir/bounded.img" >"$dir/bounded.log" 2>&1
    fi
    mount -o loop "$dir/bounded.img" "$dir/bounded" 2>"$dir/bounded.log" || {
      echo "engines.sh: no engine with bounded disks, as a btrfs in a file cannot be mounted: $(tail -n 1 "$dir/bounded.log")" >&2
      return 1
    }
  fi
  launch bounded dockerd --data-root "$dir/bounded/docker" --exec-root "$dir/bounded-run" --storage-driver btrfs \
    --pidfile "$dir/bounded-dockerd.pid" -H "unix://$dir/bounded.sock" --live-restore --bridge none --iptables=false \
    --ip6tables=false --default-address-pool "base=10.$network.64.0/18,size=24"
  wait_for "Docker on btrfs" "$dir/bounded.log" curl -sf --unix-socket "$dir/bounded.sock" http://engine/_ping
}

start_podman() {
  alive "$dir/podman.pid" && return 0
  # Podman asks for a million open files by default and crun knows only one kind of cgroups; neither is given
  # everywhere tests run.
  local files processes
  files=$(at_most 20000 -Hn) processes=$(at_most 20000 -Hu)
  mkdir -p "$dir/podman/networks"
  cat >"$dir/podman/containers.conf" <<END
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
default_subnet = "10.$network.128.0/24"
default_subnet_pools = [{"base" = "10.$network.192.0/18", "size" = 24}]
END
  cat >"$dir/podman/registries.conf" <<END
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1:$port"
insecure = true
[[registry]]
location = "127.0.0.1:$private_port"
insecure = true
END
  CONTAINERS_CONF=$dir/podman/containers.conf CONTAINERS_REGISTRIES_CONF=$dir/podman/registries.conf \
    launch podman podman "${podman_options[@]}" system service --time=0 "unix://$dir/podman.sock"
  wait_for "Podman" "$dir/podman.log" curl -sf --unix-socket "$dir/podman.sock" http://engine/_ping
}

start_registry() {  # start_registry NAME PORT [HTPASSWD]
  local name=$1 at=$2 htpasswd=${3-}
  alive "$dir/$name.pid" && return 0
  mkdir -p "$dir/$name"
  cat >"$dir/$name.yml" <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $dir/$name}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$at"}
END
  [ -z "$htpasswd" ] || echo "auth: {htpasswd: {realm: gyre-tests, path: $htpasswd}}" >>"$dir/$name.yml"
  launch "$name" docker-registry serve "$dir/$name.yml"
  wait_for "the registry $name" "$dir/$name.log" curl -s "http://127.0.0.1:$at/v2/"
}

case $verb in
  start)
    port=$(remembered registry-port free_port 15000)
    if [ -n "$registry_only" ]; then  # needs no root; what ./dev up takes its first image from
      start_registry registry "$port"
      echo "export GYRE_TEST_REGISTRY=127.0.0.1:$port" | tee "$dir/env"
      exit
    fi
    network=$(remembered network free_network)
    private_port=$(remembered private-port free_port $((port + 1)))
    echo "$login_user:$login_hash" >"$dir/htpasswd"
    start_registry registry "$port"
    start_registry private "$private_port" "$dir/htpasswd"
    start_docker
    start_podman
    bounded=''
    if start_bounded_docker; then
      bounded="export GYRE_TEST_BOUNDED_DOCKER_SOCKET=$dir/bounded.sock
export GYRE_TEST_BOUNDED_RECOUNT='$(readlink -f "$0") recount $dir'"
    fi
    cat >"$dir/env" <<END
export GYRE_TEST_DOCKER_SOCKET=$dir/docker.sock
export GYRE_TEST_PODMAN_SOCKET=$dir/podman.sock
export GYRE_TEST_REGISTRY=127.0.0.1:$port
export GYRE_TEST_PRIVATE_REGISTRY=127.0.0.1:$private_port
export GYRE_TEST_PRIVATE_LOGIN=$login_user:$login_password
$bounded
END
    cat "$dir/env"
    ;;
  stop)
    for engine in docker bounded; do
      alive "$dir/$engine.pid" || continue
      at="unix://$dir/$engine.sock"
      DOCKER_HOST=$at docker ps -aq | xargs -r env DOCKER_HOST="$at" docker rm -fv >/dev/null
      DOCKER_HOST=$at docker network prune -f >/dev/null
      DOCKER_HOST=$at docker volume prune -f >/dev/null
    done
    if alive "$dir/podman.pid"; then
      podman_command rm --all --force --time 0 >/dev/null
      podman_command network prune --force >/dev/null
      podman_command volume prune --force >/dev/null
    fi
    end docker
    end bounded
    if mountpoint -q "$dir/bounded"; then umount "$dir/bounded"; fi
    end podman
    end registry
    end private
    ;;
  env) cat "$dir/env" ;;
  recount)
    btrfs filesystem sync "$dir/bounded"
    btrfs subvolume sync "$dir/bounded" >/dev/null
    if btrfs qgroup show "$dir/bounded" >/dev/null 2>&1; then btrfs quota rescan -w "$dir/bounded" >/dev/null; fi
    ;;
  *) usage ;;
esac
