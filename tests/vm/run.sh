#!/bin/bash
# In the emulated machine: an engine on its XFS, our images, and the tests of this folder. The result goes to /out.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
dir=/var/lib/docker/engines
mkdir -p "$dir"
trap 'tests/images/engines.sh stop "$dir" > /dev/null 2>&1' EXIT
tests/images/engines.sh start "$dir" > /dev/null
tests/images/build.sh "$dir" --only "web fill" > /dev/null
# shellcheck source=/dev/null
. "$dir/env"
export GYRE_BINARY="$PWD/build/dev/bin/gyre"
/usr/bin/python3 -m pytest -p no:cacheprovider -ra --junitxml=/out/vm.xml tests/vm
