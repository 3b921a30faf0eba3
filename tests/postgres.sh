#!/usr/bin/env bash
# A private PostgreSQL 15 for tests, in a folder of its own, away from any server of the machine.
#
#   tests/postgres.sh start DIR   makes the cluster on the first call; does nothing when it runs already
#   tests/postgres.sh url DIR     prints the address for GYRE_TEST_POSTGRES_URL; fails when it does not run
#   tests/postgres.sh stop DIR    stops it; what it holds stays. `rm -r DIR` afterwards forgets it
#   tests/postgres.sh replica DIR PRIMARY   makes DIR a copy that follows PRIMARY's, starts it, and from then on PRIMARY
#                                 says that something is committed only when the copy has it, too
#   tests/postgres.sh kill DIR    ends it at once, all processes, as a machine that loses power
#   tests/postgres.sh promote DIR the copy takes writes and follows nobody
#
# It listens on a unix socket in DIR only. fsync is off: a power cut may cost the test data, and nothing else.
set -euo pipefail

usage() { sed -n '2,13p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2; }
[ $# -eq 2 ] || { [ $# -eq 3 ] && [ "$1" = replica ]; } || usage
command=$1
bin=${GYRE_POSTGRES_BIN:-/usr/lib/postgresql/15/bin}
[ -x "$bin/initdb" ] || { echo "no PostgreSQL 15 in $bin: install the package postgresql-15" >&2; exit 3; }

# PostgreSQL refuses to run as root; the package brings the user postgres.
owner=$(id -un)
[ "$(id -u)" != 0 ] || owner=postgres
as_owner() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }

# A socket's path may have 107 bytes, and postgres may be kept out of root's home: then the files live in the temporary
# folder, under a name made from DIR.
folder_of() { # folder_of DIR
  mkdir -p "$1/postgres"
  local dir
  dir=$(cd "$1/postgres" && pwd)
  if [ ${#dir} -gt 80 ] || ! as_owner test -x "$dir"; then
    dir=${TMPDIR:-/tmp}/gyre-postgres-$(printf %s "$dir" | sha256sum | cut -c1-12)
    mkdir -p "$dir"
    [ -O "$dir" ] || [ "$(stat -c %U "$dir")" = "$owner" ] || { echo "$dir belongs to somebody else" >&2; exit 1; }
  fi
  printf %s "$dir"
}
dir=$(folder_of "$2")
data=$dir/data
running() { [ -f "$data/PG_VERSION" ] && as_owner "$bin/pg_ctl" -D "$data" status >/dev/null 2>&1; }

prepare() {
  touch "$dir/server.log"
  mkdir -p "$data"
  # Whoever may open the socket is the superuser of this cluster: the folder is for its owner (and root) alone.
  chown "$owner": "$dir" "$data" "$dir/server.log"
  chmod 700 "$dir" "$data"
}

launch() {
  as_owner "$bin/pg_ctl" -D "$data" -l "$dir/server.log" -w -t 30 -o "\
    -c listen_addresses='' -c unix_socket_directories='$dir' \
    -c wal_retrieve_retry_interval=100ms -c fsync=off -c full_page_writes=off -c max_connections=50 -c shared_buffers=32MB $*" \
    start >/dev/null 9>&- || { tail -n 20 "$dir/server.log" >&2; exit 1; }
}

start() {
  exec 9>"$dir/lock" && flock 9  # two callers at once: the second finds it running
  running && return
  prepare
  if [ ! -f "$data/PG_VERSION" ]; then
    # C: text sorts by byte, as in SQLite.
    as_owner "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 ||
      { cat "$dir/initdb.log" >&2; exit 1; }
  fi
  # Without a copy nothing waits for the disk; with one, what is committed is there, too.
  local waits=off
  [ ! -f "$dir/has-a-copy" ] || waits=on
  launch "-c synchronous_commit=$waits"
}

replica() {
  local primary
  primary=$(folder_of "$1")
  prepare
  as_owner "$bin/pg_basebackup" -D "$data" -h "$primary" -U postgres -R -X stream -c fast --no-sync
  launch
  touch "$primary/has-a-copy"
  as_owner "$bin/psql" -q -h "$primary" -U postgres -c "ALTER SYSTEM SET synchronous_standby_names = '*'"
  # What pg_ctl was given on its command line stands above the file: begin again without it.
  as_owner "$bin/pg_ctl" -D "$primary/data" -m fast -w stop >/dev/null
  data=$primary/data dir=$primary start
}

case $command in
  start) start ;;
  stop) ! running || as_owner "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null ;;
  replica) replica "$3" ;;
  kill)
    server=$(head -n 1 "$data/postmaster.pid")
    # shellcheck disable=SC2046
    kill -KILL "$server" $(pgrep -P "$server") ;;
  promote) as_owner "$bin/pg_ctl" -D "$data" -w promote >/dev/null ;;
  url)
    running || { echo "it does not run: tests/postgres.sh start $2" >&2; exit 1; }
    echo "postgresql://postgres@/postgres?host=$(printf %s "$dir" | sed 's|/|%2F|g')" ;;
  *) usage ;;
esac
