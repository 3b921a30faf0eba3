#!/usr/bin/env bash
# A private PostgreSQL 15 for tests, in a folder of its own, away from any server of the machine.
#
#   tests/postgres.sh start DIR   makes the cluster on the first call; does nothing when it runs already
#   tests/postgres.sh url DIR     prints the address for GYRE_TEST_POSTGRES_URL; fails when it does not run
#   tests/postgres.sh stop DIR    stops it; what it holds stays. `rm -r DIR` afterwards forgets it
#
# It listens on a unix socket in DIR only. fsync is off: a power cut may cost the test data, and nothing else.
set -euo pipefail

usage() { sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2; }
[ $# -eq 2 ] || usage
command=$1
bin=${GYRE_POSTGRES_BIN:-/usr/lib/postgresql/15/bin}
[ -x "$bin/initdb" ] || { echo "no PostgreSQL 15 in $bin: install the package postgresql-15" >&2; exit 3; }

# PostgreSQL refuses to run as root; the package brings the user postgres.
owner=$(id -un)
[ "$(id -u)" != 0 ] || owner=postgres
as_owner() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }

mkdir -p "$2/postgres"
dir=$(cd "$2/postgres" && pwd)
# A socket's path may have 107 bytes, and postgres may be kept out of root's home: then the files live in the temporary
# folder, under a name made from DIR.
if [ ${#dir} -gt 80 ] || ! as_owner test -x "$dir"; then
  dir=${TMPDIR:-/tmp}/gyre-postgres-$(printf %s "$dir" | sha256sum | cut -c1-12)
  mkdir -p "$dir"
  [ -O "$dir" ] || [ "$(stat -c %U "$dir")" = "$owner" ] || { echo "$dir belongs to somebody else" >&2; exit 1; }
fi
data=$dir/data
running() { [ -f "$data/PG_VERSION" ] && as_owner "$bin/pg_ctl" -D "$data" status >/dev/null 2>&1; }

start() {
  exec 9>"$dir/lock" && flock 9  # two callers at once: the second finds it running
  running && return
  touch "$dir/server.log"
  mkdir -p "$data"
  # Whoever may open the socket is the superuser of this cluster: the folder is for its owner (and root) alone.
  chown "$owner": "$dir" "$data" "$dir/server.log"
  chmod 700 "$dir" "$data"
  if [ ! -f "$data/PG_VERSION" ]; then
    # C: text sorts by byte, as in SQLite.
    as_owner "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 ||
      { cat "$dir/initdb.log" >&2; exit 1; }
  fi
  as_owner "$bin/pg_ctl" -D "$data" -l "$dir/server.log" -w -t 30 -o "\
    -c listen_addresses='' -c unix_socket_directories='$dir' \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=50 -c shared_buffers=32MB" \
    start >/dev/null 9>&- || { tail -n 20 "$dir/server.log" >&2; exit 1; }
}

case $command in
  start) start ;;
  stop) ! running || as_owner "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null ;;
  url)
    running || { echo "it does not run: tests/postgres.sh start $2" >&2; exit 1; }
    echo "postgresql://postgres@/postgres?host=$(printf %s "$dir" | sed 's|/|%2F|g')" ;;
  *) usage ;;
esac
