#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Bring a Debian 12 or 13 machine to where `make demo`, `make test` or `make test-kernels` can run.
#   provisioning/bootstrap.sh [run|check|test|kernels|lab]  (default: run; test contains kernels, lab is test and more peers)
# Debian packages, a virtual environment in .venv, the compiled zone scanner. Safe to repeat: what is there is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-run}
state=.cache/bootstrap
log=$state/log
venv=.venv

# Packages of each level. linux-headers-amd64 gives bcc a header tree even where the running kernel has none of its own.
run_packages=(python3-bpfcc python3-venv python3-dev python3-cryptography libknot-dev gcc libc6-dev make iproute2 ethtool
              bind9-dnsutils ca-certificates linux-headers-amd64)
test_packages=(systemd nsd knot bind9 bind9-utils pdns-server pdns-backend-bind unbound dnsperf knot-dnsutils
               debootstrap gpgv)
lab_packages=(yadifa)
kernels_packages=(qemu-system-x86 busybox-static cpio kmod)
# Services these packages would start or enable; none of them may take port 53 because somebody runs our tests.
declare -A services=([nsd]=nsd [knot]=knot [bind9]=named [unbound]=unbound [yadifa]=yadifad [pdns-server]=pdns)

say()  { printf 'bootstrap: %s\n' "$*"; }
fail() { printf 'bootstrap: error: %s\n' "$*" >&2; exit 1; }

case $level in
  run | check) packages=("${run_packages[@]}") ;;
  test) packages=("${run_packages[@]}" "${test_packages[@]}" "${kernels_packages[@]}") ;;
  lab) packages=("${run_packages[@]}" "${test_packages[@]}" "${kernels_packages[@]}" "${lab_packages[@]}") ;;
  kernels) packages=("${run_packages[@]}" "${kernels_packages[@]}") ;;
  *) fail "unknown level '$level': use run, check, test, kernels or lab" ;;
esac

# Run a step quietly; on failure show the end of its output and what to do.
quietly() {
  local what=$1 mend=$2; shift 2
  if ! "$@" >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "$what failed. $mend (full output: $log)"
  fi
}

missing_packages() {
  local have
  have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null | sed -n 's/^installed //p' || true)
  comm -23 <(printf '%s\n' "${packages[@]}" | sort -u) <(sort -u <<<"$have")
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"; }

install_packages() {
  local missing package barrier=/usr/sbin/policy-rc.d made_barrier=
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || fail "this set-up knows Debian 12 and 13 only; install by hand: ${missing[*]}"
  ((EUID == 0)) || fail "Debian packages are missing (${missing[*]}). Run once: sudo make bootstrap"
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  local offline="Is this machine online? Debian's mirror must be reachable for the first run."
  quietly "apt-get update" "$offline" apt update
  # The install must not start servers on port 53: a policy barrier holds them back, and new ones are disabled afterwards.
  if [[ ! -e $barrier ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$barrier"; chmod 755 "$barrier"; made_barrier=1
  fi
  trap '[[ -z ${made_barrier:-} ]] || rm -f /usr/sbin/policy-rc.d' EXIT
  quietly "apt-get install" "$offline" apt install --no-install-recommends "${missing[@]}"
  [[ -z $made_barrier ]] || rm -f "$barrier"
  trap - EXIT
  for package in "${missing[@]}"; do
    [[ -z ${services[$package]:-} ]] || systemctl --quiet disable "${services[$package]}.service" >>"$log" 2>&1 || true
  done
}

digest() { cat "$@" 2>/dev/null | sha256sum | cut -d' ' -f1; }

# make_once NAME KEY COMMAND…: run COMMAND unless it succeeded before with this KEY.
make_once() {
  local name=$1 key=$2; shift 2
  [[ -x $venv/bin/python && $(cat "$state/$name" 2>/dev/null) == "$key" ]] && return 0
  "$@"
  printf '%s\n' "$key" >"$state/$name"
}

make_venv() {
  say "making the virtual environment $venv"
  # One that is half made, or that came here with a moved checkout, is made anew.
  grep -qs "$PWD/$venv" "$venv/bin/activate" && "$venv/bin/python" -m pip --version >>"$log" 2>&1 ||
    quietly "python3 -m venv" "Remove $venv and try again." /usr/bin/python3 -m venv --clear --system-site-packages "$venv"
  say "installing pinned Python packages"
  quietly "pip install" "Is this machine online? The Python package index must be reachable for the first run." \
    "$venv/bin/python" -m pip --disable-pip-version-check install --no-deps -r provisioning/requirements.txt \
    -r provisioning/requirements-dev.txt
}

# The sources of the compiled modules: each .pxd, and the .py beside it.
compiled_sources() {
  local file
  find appliance -name '*.pxd' | sort | while read -r file; do
    printf '%s\n' "$file"
    [[ ! -f ${file%.pxd}.py ]] || printf '%s\n' "${file%.pxd}.py"
  done
}

build() {
  local module
  say "building the zone scanner and the appliance command"
  # A compiled module whose source has moved would still be imported.
  find appliance -name '*.so' | while read -r module; do [[ -f ${module%%.*}.py ]] || rm -f "$module"; done
  quietly "build" "The output names the file at fault." \
    "$venv/bin/python" -m pip --disable-pip-version-check install --no-deps --no-build-isolation --editable .
}

mkdir -p "$state" 2>/dev/null && [[ -w $state ]] || fail "cannot write to $PWD/$state; run as the owner of this checkout"
: >"$log"
install_packages
requirements=(provisioning/requirements.txt provisioning/requirements-dev.txt)
make_once venv "$PWD $(digest "${requirements[@]}") $(/usr/bin/python3 -V)" make_venv
mapfile -t sources < <(compiled_sources)
make_once build "$PWD $(digest setup.py pyproject.toml "${sources[@]}" "${requirements[@]}")" build
# After `sudo make …` the checkout's owner must still be able to use what was made.
if ((EUID == 0)) && [[ -n ${SUDO_UID:-} ]]; then chown -R "$SUDO_UID:$SUDO_GID" .cache "$venv"; fi
say "ready ($level)"
