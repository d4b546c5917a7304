#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Fetch a Debian kernel with its modules and headers into .cache/kernels, without installing it on this machine.
#   fetch.sh 6.1          the kernel of Debian 12
#   fetch.sh 6.12         the kernel of Debian 13
#   fetch.sh own          the kernel of this machine's release, one of the two
#   fetch.sh backports    the newest kernel of this release's backports
# Prints the kernel's release. What is already there is not fetched again.
set -euo pipefail
cd "$(dirname "$0")/../.."
series=${1:?usage: fetch.sh 6.1|6.12|own|backports}
cache=$PWD/.cache/kernels
mkdir -p "$cache"

say()  { printf 'kernels: %s\n' "$*" >&2; }
fail() { printf 'kernels: error: %s\n' "$*" >&2; exit 1; }

own=$(. /etc/os-release && echo "$VERSION_CODENAME")
case $series in
  6.1) suite=bookworm ;;
  6.12) suite=trixie ;;
  own) suite=$own ;;
  backports) suite=$own-backports ;;
  *) fail "unknown series '$series': use 6.1, 6.12, own or backports" ;;
esac

apt=(apt-get -q -y -o Acquire::Retries=3 -o APT::Sandbox::User=root)
if [[ $suite == "$own" ]]; then
  # apt's lists are empty on a fresh image
  [[ -n $(apt-cache depends linux-image-amd64 2>/dev/null) ]] || "${apt[@]}" update >&2
else
  # A private apt state: the machine's own sources stay as they are.
  private=$cache/apt-$suite; mkdir -p "$private"/{lists/partial,archives/partial,empty}
  mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$private/sources.list"
  cat >"$private/apt.conf" <<CONF
Dir::Etc::SourceList "$private/sources.list";
Dir::Etc::SourceParts "$private/empty";
Dir::State::Lists "$private/lists";
Dir::State::Status "/dev/null";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
  export APT_CONFIG=$private/apt.conf
  "${apt[@]}" update >&2 || fail "cannot read $suite from $mirror; is this machine online?"
fi

image=$(apt-cache depends linux-image-amd64 | sed -nE 's/^ *Depends: (linux-image-[0-9].*-amd64)$/\1/p' | sort -V | tail -n 1)
[[ -n $image ]] || fail "Debian's package lists name no linux-image-amd64 ($series)"
release=${image#linux-image-}
root=$cache/$release
if [[ ! -e $root/complete ]]; then
  say "fetching Linux $release"
  work=$(mktemp -d "$cache/fetch.XXXXXX"); trap 'rm -rf "$work"' EXIT
  common=linux-headers-${release%-amd64}-common
  packages=("$image" "linux-headers-$release" "$common")
  # Headers also need the kbuild tree only to build modules; bcc does not.
  (cd "$work" && "${apt[@]}" download "${packages[@]}" >&2) || fail "cannot download ${packages[*]}"
  for package in "$work"/*.deb; do dpkg-deb --extract "$package" "$work/root"; done
  # The guest lays this tree over the machine's root, where /lib is a link to /usr/lib.
  mkdir -p "$work/root/usr/lib/modules"
  if [[ -d $work/root/lib/modules ]]; then
    cp -a "$work/root/lib/modules/." "$work/root/usr/lib/modules/"; rm -rf "$work/root/lib"
  fi
  ln -s usr/lib "$work/root/lib"; depmod -b "$work/root" "$release"; rm "$work/root/lib"
  touch "$work/root/complete"
  rm -rf "$root"; mv "$work/root" "$root"
fi
printf '%s\n' "$release"
