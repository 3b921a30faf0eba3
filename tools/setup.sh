#!/usr/bin/env bash
# Installs the Debian 12 packages that Gyre needs (tools/packages.txt), and nothing else from anywhere else.
# usage: tools/setup.sh [GROUP...]   groups: build run test check; without one, all of them
set -euo pipefail
# shellcheck source=tools/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for group in "$@"; do
  case "$group" in
    build | run | test | check) ;;
    *) die "no package group '$group' in tools/packages.txt: build, run, test or check" ;;
  esac
done

os_release="${GYRE_OS_RELEASE:-/etc/os-release}" # another file only in the tests of this script
# shellcheck disable=SC1090
system_id="$(. "$os_release" 2> /dev/null && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-}")" || system_id="unknown"
if [ "$system_id" != "debian 12" ]; then
  if [ "${GYRE_SETUP_FORCE:-}" != 1 ]; then
    die "set-up knows Debian 12, this is '$system_id'. Install what tools/packages.txt names by your own means, or let" \
      "it try with apt-get: GYRE_SETUP_FORCE=1 ./dev setup"
  fi
  warn "this is '$system_id', not Debian 12; going on because GYRE_SETUP_FORCE=1"
fi
command -v apt-get > /dev/null || die "there is no apt-get here: install what tools/packages.txt names by other means"

missing="$(missing_packages "$@")"
if [ -z "$missing" ]; then
  say "set-up: all $(packages_of "$@" | wc -l) packages are installed"
  exit 0
fi

say "set-up: $(wc -l <<< "$missing") Debian packages will be installed with apt-get; nothing else is changed"
# shellcheck disable=SC2086
printf "%s " $missing | fmt -w 100 | sed "s/^/    /"

# Installing PostgreSQL, the registry or Docker would start Debian's own services, on fixed ports. ./dev starts what it
# needs where it needs it, so none is started here; a policy that is there already is left as it is.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\n# Made by tools/setup.sh of Gyre for the time of one apt-get; it removes it at its end.\nexit 101\n' |
    as_root tee "$policy" > /dev/null
  as_root chmod 755 "$policy"
  made_policy=1
fi
# shellcheck disable=SC2317  # called by trap
remove_policy() { if [ -n "$made_policy" ]; then as_root rm -f "$policy"; fi; }
trap remove_policy EXIT

run_apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }
log="$(mktemp)"
apt_or_words() {
  if ! run_apt "$@" > "$log" 2>&1; then
    tail -n 25 "$log" >&2
    die "apt-get $1 failed; its last lines are above, the whole of it is in $log"
  fi
}
say "set-up: apt-get update"
apt_or_words update
say "set-up: apt-get install (a first time takes some minutes)"
# shellcheck disable=SC2086
apt_or_words install --yes --no-install-recommends $missing
rm -f "$log"

# With systemd the two would start at the next boot; only what this run brought in is switched off.
if [ -d /run/systemd/system ]; then
  for service in postgresql-15:postgresql docker-registry:docker-registry; do
    if grep -qx "${service%%:*}" <<< "$missing"; then
      as_root systemctl disable --quiet "${service##*:}" 2> /dev/null || true
    fi
  done
fi

still="$(missing_packages "$@")"
# shellcheck disable=SC2086
[ -z "$still" ] || die "apt-get ended well, yet these are not installed:" $still
say "set-up: done"
