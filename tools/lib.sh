# What the shell scripts of this repository share: words to the person at the terminal, becoming root, packages.
# Sourced, never run. The caller sets `set -euo pipefail`.
# shellcheck shell=bash

GYRE_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
warn() { printf '==> note: %s\n' "$*" >&2; }
die() {
  printf '==> error: %s\n' "$*" >&2
  exit 1
}

# Runs a command as root: as it is when we are root, else with sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    die "this step needs root and there is no sudo here: run it as root: $*"
  fi
}

# packages_of GROUP...: the names in tools/packages.txt, one a line; without a group, all of them.
packages_of() {
  awk -v wanted=" $* " '
    /^\[/ { group = substr($1, 2, length($1) - 2); next }
    { sub(/#.*/, "") }
    NF && (wanted == "  " || index(wanted, " " group " ")) { print $1 }
  ' "$GYRE_ROOT/tools/packages.txt"
}

# missing_packages GROUP...: those of them that are not installed, nor provided by one of them that is: other builds of
# nodejs bring npm along and refuse Debian's.
missing_packages() {
  local wanted
  wanted="$(packages_of "$@")"
  # dpkg-query fails when it does not know a name; that name is then missing, which is what is asked.
  # shellcheck disable=SC2086
  comm -23 <(sort -u <<< "$wanted") \
    <(dpkg-query -W -f='${db:Status-Status} ${Package} ${Provides}\n' $wanted 2> /dev/null |
      awk '$1 == "installed" { gsub(/\([^)]*\)|,/, ""); for (i = 2; i <= NF; ++i) print $i }' | sort -u)
}

# need_packages GROUP...: installs what is missing; silent when nothing is.
need_packages() {
  if ! command -v dpkg-query > /dev/null || [ -n "$(missing_packages "$@")" ]; then
    "$GYRE_ROOT/tools/setup.sh" "$@"
  fi
}
