#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run a command as root in a root of a Debian release, bookworm (12) or trixie (13), in a copy of this checkout there.
#   run_in.sh RELEASE COMMAND
# The first command, and the first after a change of what sets a machine up, finds a bare root; one that succeeds leaves the
# root to those that follow. Mounts and processes live in namespaces of their own, which end with this script, also when
# it is killed (tests/releases/test_releases.py).
set -euo pipefail
# Whoever started this may be killed; then this ends too.
[[ -n ${RELEASES_TIED-} ]] || RELEASES_TIED=1 exec setpriv --pdeathsig KILL "$0" "$@"
cd "$(dirname "$0")/../.."
release=${1:?usage: run_in.sh RELEASE COMMAND}; command=${2:?a command is needed}
folder=$PWD/.cache/releases/$release
root=$folder/root
checkout=$root/opt/appliance

tests/releases/fetch.sh "$release"
# Held by all that runs in the root: whoever comes next waits until the last process of a killed run is gone.
exec {lock}>"$folder/lock"; flock "$lock"

key=$(cat provisioning/bootstrap.sh provisioning/requirements*.txt Makefile tests/releases/*.sh | sha256sum)
if [[ $(cat "$folder/set-up" 2>/dev/null) != "$key" ]]; then
  rm -rf "$root" "$folder"/{set-up,files}; mkdir -p "$root" "$folder"/{archives,pip}
  tar -C "$root" --numeric-owner -xf "$folder/bare.tar"
fi

# This machine's way out: name server, certificate authorities of its own, proxies, its mirror of the Python package index.
cp --remove-destination -L /etc/resolv.conf /etc/hosts "$root/etc/"
mkdir -p "$root/usr/local/share/ca-certificates" "$checkout"
find /usr/local/share/ca-certificates -name '*.crt' -exec cp -t "$root/usr/local/share/ca-certificates" {} +
{
  apt-config dump | grep -E '^Acquire::(https?::|Check-)' || true
  echo 'Binary::apt-get::APT::Keep-Downloaded-Packages "true";'
} >"$root/etc/apt/apt.conf.d/90releases"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/releases"  # nobody misses this root after a power cut
variables=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PIP_CERT=/etc/ssl/certs/ca-certificates.crt)
index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
[[ -z $index ]] || variables+=("PIP_INDEX_URL=$index")
for name in http_proxy https_proxy no_proxy APPLIANCE_CI CI; do [[ -z ${!name-} ]] || variables+=("$name=${!name}"); done

# The files that git knows or would add, as they are now; what was built there stays.
[[ ! -e $folder/files ]] || (cd "$checkout" && xargs -0r rm -f) <"$folder/files"
git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done >"$folder/files"
tar -c --null -T "$folder/files" | tar -C "$checkout" --no-same-owner -x

inside=$(cat <<'INSIDE'
set -euo pipefail
folder=$1 root=$1/root
mount --bind "$root" "$root"  # `ip netns` asks that / is a mount
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"; mount -t bpf bpf "$root/sys/fs/bpf"
mount --rbind /dev "$root/dev"
for place in dev/shm run tmp; do mount -t tmpfs tmpfs "$root/$place"; done
mkdir -p "$root/root/.cache/pip"; mount --bind "$folder/pip" "$root/root/.cache/pip"
mount --bind "$folder/archives" "$root/var/cache/apt/archives"
within() { chroot "$root" /bin/bash -euo pipefail -c "cd /opt/appliance; $1" </dev/null; }
# What the README asks for.
[[ -e $root/usr/bin/git && -e $root/usr/bin/make ]] || within "
  { apt-get -q update; DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends git make; } >/var/log/releases 2>&1 ||
    { tail -n 15 /var/log/releases >&2; exit 1; }"
within "$3"
echo "$2" >"$folder/set-up"
INSIDE
)
exec env -i "${variables[@]}" unshare --mount --pid --fork --kill-child /bin/bash -c "$inside" bash "$folder" "$key" "$command"
