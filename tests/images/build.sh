#!/bin/bash
# Builds the project's small test images from Debian's busybox-static and pushes them, without a public registry and
# without a container engine: an OCI image is a few tar files and JSON, so the same Debian gives the same digests.
#
#   tests/images/build.sh DIR [--debian] [--only NAME]
#
# DIR is that of engines.sh, which must have been started; --only builds gyre/NAME alone (or several: "web fill"); --debian adds gyre/debian, a
# whole small Debian for apt-get (debootstrap, some minutes the first time, kept in DIR/debian.tar.gz), and gyre/jupyter,
# Debian's Jupyter on top of it (kept in DIR/jupyter.tar.gz). The images are described in README.md.
set -euo pipefail

[ $# -ge 1 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
dir=$(cd "$1" && pwd)
shift
with_debian=no
only=
while [ $# -gt 0 ]; do
  case $1 in
    --debian) with_debian=yes ;;
    --only) only=${2:?--only needs a name}; shift ;;
    *) echo "build.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
# shellcheck source=/dev/null
. "$dir/env"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- a registry's protocol, as far as a push needs it ----

registry=$GYRE_TEST_REGISTRY
login=()
request() { curl -sS --fail-with-body "${login[@]}" "$@"; }

digest_of() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }

push_blob() {  # push_blob REPOSITORY FILE
  local repository=$1 file=$2 digest place
  digest=$(digest_of "$file")
  request -o /dev/null -I "http://$registry/v2/$repository/blobs/$digest" 2>/dev/null && return 0
  place=$(request -o /dev/null -D - -X POST -H 'Content-Length: 0' "http://$registry/v2/$repository/blobs/uploads/" |
    tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
  [[ $place == http* ]] || place="http://$registry$place"
  [[ $place == *\?* ]] && place="$place&digest=$digest" || place="$place?digest=$digest"
  request -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$file" "$place"
}

# push_image REPOSITORY:TAG OS ARCHITECTURE CONFIG-JSON LAYER.tar.gz...
push_image() {
  local repository=${1%%:*} tag=${1##*:} os=$2 architecture=$3 config=$4 layer digest_list='[]' layer_list='[]'
  wanted "${repository#gyre/}" || return 0
  shift 4
  for layer in "$@"; do
    push_blob "$repository" "$layer"
    digest_list=$(jq -c --arg d "sha256:$(zcat "$layer" | sha256sum | cut -d' ' -f1)" '. + [$d]' <<<"$digest_list")
    layer_list=$(jq -c --arg d "$(digest_of "$layer")" --argjson s "$(stat -c %s "$layer")" \
      '. + [{mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", size: $s, digest: $d}]' <<<"$layer_list")
  done
  jq -nc --arg os "$os" --arg architecture "$architecture" --argjson config "$config" --argjson layers "$digest_list" \
    '{architecture: $architecture, os: $os, created: "2024-01-01T00:00:00Z", config: $config,
      rootfs: {type: "layers", diff_ids: $layers}, history: []}' >"$work/config.json"
  push_blob "$repository" "$work/config.json"
  jq -nc --arg d "$(digest_of "$work/config.json")" --argjson s "$(stat -c %s "$work/config.json")" --argjson layers "$layer_list" \
    '{schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.v2+json",
      config: {mediaType: "application/vnd.docker.container.image.v1+json", size: $s, digest: $d}, layers: $layers}' >"$work/manifest.json"
  request -o /dev/null -X PUT -H 'Content-Type: application/vnd.docker.distribution.manifest.v2+json' \
    --data-binary "@$work/manifest.json" "http://$registry/v2/$repository/manifests/$tag"
  printf '%-28s %s\n' "$repository:$tag" "$(digest_of "$work/manifest.json")"
}

# push_list REPOSITORY:TAG ARCHITECTURE...: a list of platforms; each image is the one last pushed as REPOSITORY:ARCHITECTURE
push_list() {
  local repository=${1%%:*} tag=${1##*:} architecture entries='[]'
  wanted "${repository#gyre/}" || return 0
  shift
  for architecture in "$@"; do
    request -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' -o "$work/part.json" \
      "http://$registry/v2/$repository/manifests/$architecture"
    entries=$(jq -c --arg d "$(digest_of "$work/part.json")" --argjson s "$(stat -c %s "$work/part.json")" --arg a "$architecture" \
      '. + [{mediaType: "application/vnd.docker.distribution.manifest.v2+json", size: $s, digest: $d,
             platform: {os: "linux", architecture: $a}}]' <<<"$entries")
  done
  jq -nc --argjson entries "$entries" '{schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.list.v2+json", manifests: $entries}' >"$work/list.json"
  request -o /dev/null -X PUT -H 'Content-Type: application/vnd.docker.distribution.manifest.list.v2+json' \
    --data-binary "@$work/list.json" "http://$registry/v2/$repository/manifests/$tag"
  printf '%-28s %s\n' "$repository:$tag" "$(digest_of "$work/list.json")"
}

# ---- layers ----

pack() {  # pack FOLDER FILE: the same bytes for the same content, whatever the clock and the umask
  tar -C "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . | gzip -n >"$2"
}

wanted() { [ -z "$only" ] || [[ " $only " == *" $1 "* ]]; }  # also: what making it needs need not be there when it is not

base_layer() {
  local root=$work/base applet
  mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,tmp,root,proc,sys,dev}
  chmod 1777 "$root/tmp"
  install -m 755 "$(command -v busybox)" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list-full); do
    [ "$applet" = bin/busybox ] || ln -sf /bin/busybox "$root/$applet"
  done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  pack "$root" "$work/base.tar.gz"
}

with_libraries() {  # with_libraries PROGRAM FOLDER: Debian's program with the libraries it needs, where it finds them
  local file
  for file in "$1" $(ldd "$1" | grep -o '/[^ ]*'); do
    mkdir -p "$2$(dirname "$file")"
    cp -L "$file" "$2$file"
  done
}

script_layer() {  # script_layer NAME: the program of one image, from standard input
  local root=$work/$1
  mkdir -p "$root/bin"
  { echo '#!/bin/sh'; cat; } >"$root/bin/$1"
  chmod 755 "$root/bin/$1"
  pack "$root" "$work/$1.tar.gz"
}

config() {  # config JSON: an image's config with our usual PATH
  jq -nc --argjson more "$1" '{Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]} + $more'
}

# ---- the images ----

base_layer

script_layer hello <<'END'
# Says hello, tells its environment, and stays until it is stopped.
echo "hello from gyre"
echo "hello on standard error" >&2
env | sort
exec sleep 2147483647
END
push_image gyre/hello:1 linux amd64 "$(config '{"Cmd": ["/bin/hello"]}')" "$work/base.tar.gz" "$work/hello.tar.gz"

script_layer exit <<'END'
# Ends with $CODE after $AFTER seconds.
echo "exit $CODE after $AFTER s"
sleep "${AFTER:-0}"
exit "${CODE:-0}"
END
push_image gyre/exit:1 linux amd64 "$(config '{"Entrypoint": ["/bin/exit"], "Env": ["CODE=0", "AFTER=0"]}')" \
  "$work/base.tar.gz" "$work/exit.tar.gz"

script_layer stubborn <<'END'
# Ignores SIGTERM and SIGINT, and says so.
trap 'echo "got SIGTERM, staying"' TERM
trap 'echo "got SIGINT, staying"' INT
echo "ready"
while :; do
  sleep 1 &
  wait $!
done
END
push_image gyre/stubborn:1 linux amd64 "$(config '{"Cmd": ["/bin/stubborn"]}')" "$work/base.tar.gz" "$work/stubborn.tar.gz"

mkdir -p "$work/web/www/cgi-bin" "$work/web/bin"
echo "a file from gyre/web" >"$work/web/www/file.txt"
echo "gyre/web" >"$work/web/www/index.html"
printf '#!/bin/sh\necho "Content-Type: text/plain"\necho\nenv | sort\n' >"$work/web/www/cgi-bin/env"
chmod 755 "$work/web/www/cgi-bin/env"
script_layer web <<'END'
# Serves /file.txt and, at /cgi-bin/env, its environment on port $PORT.
echo "listening on port ${PORT:-8888}"
exec httpd -f -p "${PORT:-8888}" -h /www
END
push_image gyre/web:1 linux amd64 "$(config '{"Cmd": ["/bin/web"], "ExposedPorts": {"8888/tcp": {}}}')" \
  "$work/base.tar.gz" "$work/web.tar.gz"

# A web program of our own, for the proxy: large and slow answers, uploads, upgrades.
if wanted app; then
  mkdir -p "$work/app/bin"
  g++ -std=c++20 -O2 -static -o "$work/app/bin/app" "$(dirname "$0")/app.cpp" 2>"$work/app.log" || { cat "$work/app.log" >&2; exit 1; }
  pack "$work/app" "$work/app.tar.gz"
  push_image gyre/app:1 linux amd64 "$(config '{"Cmd": ["/bin/app"], "ExposedPorts": {"8888/tcp": {}}}')" \
    "$work/base.tar.gz" "$work/app.tar.gz"
fi

# A pod that scp and sftp can talk to: Debian's sftp-server with the libraries it needs.
if wanted sftp; then
  with_libraries /usr/lib/openssh/sftp-server "$work/sftp"
  pack "$work/sftp" "$work/sftp.tar.gz"
  push_image gyre/sftp:1 linux amd64 "$(config '{"Cmd": ["/bin/hello"]}')" "$work/base.tar.gz" "$work/hello.tar.gz" \
    "$work/sftp.tar.gz"
fi

# What cloud syncs run: Debian's rclone with the libraries it needs and the authorities of the world.
if wanted rclone; then
  mkdir -p "$work/rclone/etc/ssl/certs" "$work/rclone/tmp"
  cp -L /etc/ssl/certs/ca-certificates.crt "$work/rclone/etc/ssl/certs/"
  with_libraries /usr/bin/rclone "$work/rclone"
  pack "$work/rclone" "$work/rclone.tar.gz"
  push_image gyre/rclone:1 linux amd64 "$(config '{"Entrypoint": ["rclone"]}')" "$work/rclone.tar.gz"
fi

script_layer fill <<'END'
# Writes $MB megabytes to $FILE until a piece is refused, then stays. After each piece the file system closes its
# books: btrfs counts what a subvolume holds when it commits, so that what comes between two commits can be let through.
mb=${MB:-64} written=0
while [ "$written" -lt "$mb" ]; do
  piece=$((mb - written < 32 ? mb - written : 32))
  said=$(dd if=/dev/zero bs=1048576 count="$piece" conv=fsync 2>&1 >>"${FILE:-/fill}" && sync -f "${FILE:-/fill}" 2>&1) || break
  written=$((written + piece))
done
if [ "$written" -eq "$mb" ]; then echo "wrote $mb MB"; else echo "could not write $mb MB: $said"; fi
exec sleep 2147483647
END
push_image gyre/fill:1 linux amd64 "$(config '{"Cmd": ["/bin/fill"]}')" "$work/base.tar.gz" "$work/fill.tar.gz"

# Big enough that a pull takes a while; bytes that do not compress, the same every time.
if wanted large; then
  for part in 1 2 3; do
    mkdir -p "$work/large$part"
    head -c 24000000 /dev/zero | openssl enc -aes-128-ctr -K "0000000000000000000000000000000$part" -iv 00000000000000000000000000000000 -out "$work/large$part/part$part"
    tar -C "$work/large$part" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . | gzip -n -1 >"$work/large$part.tar.gz"
  done
  push_image gyre/large:1 linux amd64 "$(config '{"Cmd": ["/bin/hello"]}')" \
    "$work/base.tar.gz" "$work/hello.tar.gz" "$work"/large{1,2,3}.tar.gz
fi

# Wrong platforms. Only the labels matter: none of them is ever run.
push_image gyre/arm:1 linux arm64 "$(config '{"Cmd": ["/bin/hello"]}')" "$work/base.tar.gz" "$work/hello.tar.gz"
push_image gyre/arm-list:arm64 linux arm64 "$(config '{"Cmd": ["/bin/hello"]}')" "$work/base.tar.gz" "$work/hello.tar.gz"
push_list gyre/arm-list:1 arm64
push_image gyre/windows:1 windows amd64 "$(config '{"Cmd": ["cmd.exe"]}')" "$work/base.tar.gz"
# A list with the right one in it, as most public images are.
push_image gyre/multi:amd64 linux amd64 "$(config '{"Cmd": ["/bin/hello"]}')" "$work/base.tar.gz" "$work/hello.tar.gz"
push_image gyre/multi:arm64 linux arm64 "$(config '{"Cmd": ["/bin/hello"]}')" "$work/base.tar.gz" "$work/hello.tar.gz"
push_list gyre/multi:1 amd64 arm64

if [ "$with_debian" = yes ]; then
  if [ ! -s "$dir/debian.tar.gz" ]; then
    debootstrap --variant=minbase bookworm "$work/debian" >"$dir/debootstrap.log" 2>&1 ||
      { tail -n 20 "$dir/debootstrap.log" >&2; exit 1; }
    rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/dev/*
    tar -C "$work/debian" --sort=name --numeric-owner --one-file-system -cf - . | gzip -n >"$dir/debian.tar.gz.part"
    mv "$dir/debian.tar.gz.part" "$dir/debian.tar.gz"
  fi
  push_image gyre/debian:1 linux amd64 "$(config '{"Cmd": ["/bin/bash"]}')" "$dir/debian.tar.gz"
  if [ ! -s "$dir/jupyter.tar.gz" ]; then  # what installing it adds and changes, as a layer
    mkdir -p "$work/jupyter"
    tar -C "$work/jupyter" -xzf "$dir/debian.tar.gz"
    cp /etc/resolv.conf "$work/jupyter/etc/resolv.conf"
    sleep 1  # the marker is older than all that follows, on file systems that count in seconds too
    touch "$work/marker"
    sleep 1
    # No package needs a device here but these; where none can be made, plain files do.
    mknod -m 666 "$work/jupyter/dev/null" c 1 3 2>/dev/null || true
    mknod -m 666 "$work/jupyter/dev/urandom" c 1 9 2>/dev/null || true
    DEBIAN_FRONTEND=noninteractive chroot "$work/jupyter" sh -c \
      'apt-get update && apt-get install -y --no-install-recommends jupyter-notebook python3-ipykernel && apt-get clean' \
      >"$dir/jupyter.log" 2>&1 || { tail -n 20 "$dir/jupyter.log" >&2; exit 1; }
    rm -rf "$work"/jupyter/dev/* "$work"/jupyter/var/lib/apt/lists/* "$work"/jupyter/var/cache/apt/*.bin
    (cd "$work/jupyter" && find . -xdev -cnewer "$work/marker" ! -path ./etc/resolv.conf -print0 | sort -z) |
      tar -C "$work/jupyter" --null --no-recursion --numeric-owner -T - -cf - | gzip -n -1 >"$dir/jupyter.tar.gz.part"
    mv "$dir/jupyter.tar.gz.part" "$dir/jupyter.tar.gz"
  fi
  push_image gyre/jupyter:1 linux amd64 "$(config '{"Cmd": ["jupyter-notebook", "--allow-root", "--ip=0.0.0.0",
    "--port=8888", "--no-browser", "--notebook-dir=/tmp"], "ExposedPorts": {"8888/tcp": {}}}')" \
    "$dir/debian.tar.gz" "$dir/jupyter.tar.gz"
fi

[ -n "${GYRE_TEST_PRIVATE_REGISTRY-}" ] || exit 0
registry=$GYRE_TEST_PRIVATE_REGISTRY
login=(-u "$GYRE_TEST_PRIVATE_LOGIN")
push_image gyre/private:1 linux amd64 "$(config '{"Cmd": ["/bin/hello"]}')" "$work/base.tar.gz" "$work/hello.tar.gz"
