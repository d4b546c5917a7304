#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# On each kernel: ask a live server through emulated network cards, then run the packet tables; a boot for each.
#   matrix.sh [6.1] [6.12] [own] [backports]      (default: 6.1 and 6.12, the kernels of Debian 12 and 13)
# KERNEL_PARTS="live tables" picks parts, KERNEL_TESTS what pytest runs, in KERNEL_WORKERS processes, KERNEL_TIMEOUT the
# seconds of a boot.
# Output comes as it is made; one part that fails hides no other. How long it takes: docs/kernels.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/kernels

# Two cards of each kind, cabled together by a hub of their own. PCI places fix the order: eth0, eth1, eth2, eth3.
cards=()
place=10
for hub in 0:virtio-net-pci 1:e1000e; do
  for end in server client; do
    id=${hub%%:*}$end
    cards+=(-netdev "hubport,id=n$id,hubid=${hub%%:*}" -device "${hub#*:},netdev=n$id,addr=$(printf '%x' $place)")
    place=$((place + 1))
  done
done

live=".venv/bin/python -m tests.kernels.live eth0:eth1:native+tags eth2:eth3:generic+hidden-tags | cat"
# All of the packet tables but for tests marked slow; a compiler for each worker.
tables=".venv/bin/python -m pytest -q -n ${KERNEL_WORKERS:-2} --dist loadfile -p no:cacheprovider --timeout=1800 \
  -m 'not slow' --durations=5 ${KERNEL_TESTS:-tests/datapath} | cat"
export KERNEL_TIMEOUT=${KERNEL_TIMEOUT:-3600}

programs=$(mktemp -d /run/kernels.XXXXXX 2>/dev/null || mktemp -d); trap 'rm -rf "$programs"' EXIT

outcomes=()
failed=
note() { outcomes+=("$*"); }
run() {
  local release=$1 part=$2 began=$SECONDS outcome=passed
  printf '== Linux %s: %s ==\n' "$release" "$part"
  $here/run_on_kernel.sh "$release" "set -e -o pipefail; ${!part}" "${cards[@]}" || { outcome="failed ($?)"; failed=1; }
  note "Linux $release $part: $outcome after $((SECONDS - began)) s"
}

# The program is compiled here, in seconds; where it cannot be, each guest does it for itself, in a minute.
compile_for() {
  unset KERNEL_PROGRAMS
  rm -f "$programs"/*.program
  if APPLIANCE_PROGRAM_CACHE=$programs .venv/bin/python -m appliance.datapath.loader --prepare "$1"; then
    export KERNEL_PROGRAMS=$programs
  fi
}

series=("$@")
[[ $# -gt 0 ]] || series=(6.1 6.12)
for one in "${series[@]}"; do
  if ! release=$($here/fetch.sh "$one"); then
    note "$one: not fetched"; failed=1; continue
  fi
  compile_for "$release"
  for part in ${KERNEL_PARTS:-live tables}; do run "$release" "$part"; done
done
printf '%s\n' "${outcomes[@]}"
[[ -z $failed ]]
