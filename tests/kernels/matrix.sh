#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# On each kernel: load the XDP program, run the packet tables, ask a live server through emulated network cards.
#   matrix.sh [6.1] [backports]      (default: both; backports is left out where its mirror cannot be reached)
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

# What of the packet tables runs: all of it, but for tests marked slow.
tests=${KERNEL_TESTS:-tests/datapath}
export KERNEL_TIMEOUT=${KERNEL_TIMEOUT:-3600}

run() {
  local release=$1
  printf '== Linux %s ==\n' "$release"
  $here/run_on_kernel.sh "$release" "set -e -o pipefail
    .venv/bin/python -m tests.kernels.live eth0:eth1:native+tags eth2:eth3:generic+hidden-tags | cat
    .venv/bin/python -m pytest -q -n 2 --dist loadfile -p no:cacheprovider --timeout=900 -m 'not slow' $tests | cat" "${cards[@]}"
}

series=("$@")
[[ $# -gt 0 ]] || series=(6.1 backports)
failed=()
for one in "${series[@]}"; do
  if ! release=$($here/fetch.sh "$one"); then
    [[ $# -eq 0 && $one == backports ]] && { echo "== $one: not reachable, left out =="; continue; }
    failed+=("$one"); continue
  fi
  run "$release" || failed+=("$release")
done
((${#failed[@]} == 0)) || { echo "failed on: ${failed[*]}" >&2; exit 1; }
