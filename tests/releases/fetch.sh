#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Make a bare root of a Debian release, bookworm (12) or trixie (13), as .cache/releases/RELEASE/bare.tar.
#   fetch.sh RELEASE
# What is there is not fetched again. Mirror and proxy are those of this machine's apt; DEBIAN_MIRROR names another mirror.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=${1:?usage: fetch.sh bookworm|trixie}
folder=$PWD/.cache/releases/$release

fail() { printf 'releases: error: %s\n' "$*" >&2; exit 1; }
setting() { apt-config dump --format '%v' "$1"; }

case $release in bookworm | trixie) ;; *) fail "unknown release '$release': use bookworm or trixie" ;; esac
((EUID == 0)) || fail "a root of another release is made by root only"
mkdir -p "$folder"
exec {lock}>"$folder/fetch.lock"; flock "$lock"
[[ ! -e $folder/bare.tar ]] || exit 0
command -v debootstrap >/dev/null || fail "debootstrap is missing. Run once: sudo make bootstrap"

# The mirror that this machine gets Debian from; the label of its security archive is another.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1)}
mirror=${mirror:-http://deb.debian.org/debian}
http_proxy=$(setting Acquire::http::Proxy) https_proxy=$(setting Acquire::https::Proxy)
export http_proxy https_proxy

printf 'releases: making a bare root of %s from %s\n' "$release" "$mirror" >&2
rm -rf "$folder/making"; mkdir "$folder/making"
# Whatever is mounted on the way goes with this namespace, also after an interruption.
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
  debootstrap --variant=minbase "$release" "$folder/making" "$mirror" \
  >"$folder/log" 2>&1 </dev/null || { tail -n 15 "$folder/log" >&2; fail "debootstrap failed (full output: $folder/log)"; }
rm -rf "$folder"/making/{dev,var/cache/apt/archives}/*
tar -C "$folder/making" --numeric-owner -cf "$folder/bare.new" .
mv "$folder/bare.new" "$folder/bare.tar"
rm -rf "$folder/making"
