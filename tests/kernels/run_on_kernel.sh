#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run a command on another kernel: qemu without hardware help (TCG), over a throw-away overlay of this machine's root.
#   run_on_kernel.sh RELEASE COMMAND [qemu arguments…]
# RELEASE is a folder of .cache/kernels (see fetch.sh). The command runs as root in this folder; what it writes is lost.
# Output comes between KERNEL-BEGIN and KERNEL-END; the exit status is the command's, 98 after a panic or time-out
# (KERNEL_TIMEOUT seconds, default 600), 99 when the kernel did not come up at all.
# KERNEL_PROGRAMS names a folder with the compiled XDP program, which takes a minute to compile there.
set -euo pipefail
release=${1:?usage: run_on_kernel.sh RELEASE COMMAND [qemu arguments]}; command=${2:?a command is needed}; shift 2
here=$(cd "$(dirname "$0")/../.." && pwd)
root=$here/.cache/kernels/$release
[[ -e $root/complete ]] || { echo "run_on_kernel: no kernel $release; run tests/kernels/fetch.sh" >&2; exit 99; }

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/ram/{bin,proc,sys,dev,mnt,modules,programs}
[[ -z ${KERNEL_PROGRAMS:-} ]] || cp "$KERNEL_PROGRAMS"/*.program "$work/ram/programs"
cp "$(command -v busybox)" "$work/ram/bin/busybox"

# Modules in the order of their dependencies, unpacked: the guest's insmod knows neither.
mkdir "$work/tree"; ln -s "$root/usr/lib" "$work/tree/lib"
count=100
for wanted in virtio_pci 9pnet_virtio 9p overlay virtio_net e1000e veth tun 8021q sch_ingress cls_bpf; do
  while read -r verb file _; do
    [[ $verb == insmod ]] || continue
    name=$(basename "${file%.xz}")
    compgen -G "$work/ram/modules/*-$name" >/dev/null && continue
    case $file in *.xz) xz -dc "$file" ;; *) cat "$file" ;; esac >"$work/ram/modules/$count-$name"
    count=$((count + 1))
  done < <(modprobe --show-depends -d "$work/tree" -S "$release" "$wanted")
done

cat >"$work/ram/init" <<INIT
#!/bin/busybox sh
b=/bin/busybox
\$b mount -t proc p /proc; \$b mount -t sysfs s /sys; \$b mount -t devtmpfs d /dev
for m in /modules/*; do \$b insmod "\$m" || echo "KERNEL-MODULE \$m"; done
\$b mkdir -p /mnt/host /mnt/kernel /mnt/rw /mnt/root
for share in host kernel; do
  \$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 \$share /mnt/\$share
done
\$b mount -t tmpfs t /mnt/rw; \$b mkdir /mnt/rw/u /mnt/rw/w
\$b mount -t overlay -o "lowerdir=/mnt/kernel:/mnt/host,upperdir=/mnt/rw/u,workdir=/mnt/rw/w" o /mnt/root
for p in proc:proc sysfs:sys devtmpfs:dev; do \$b mount -t \${p%%:*} x /mnt/root/\${p#*:}; done
\$b mount -t tmpfs -o mode=755 x /mnt/root/run
\$b mkdir -p /mnt/root/run/netns; \$b ip link set lo up; \$b cp -r /programs /mnt/root/run/programs
\$b cp /command /mnt/root/run/command
echo KERNEL-BEGIN
\$b chroot /mnt/root /bin/bash /run/command </dev/null 2>&1; echo "KERNEL-END rc=\$?"
\$b poweroff -f
INIT
chmod +x "$work/ram/init"
{
  echo "export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PYTHONUNBUFFERED=1 APPLIANCE_LOADER_TIMEOUT_S=900 APPLIANCE_PROGRAM_CACHE=/run/programs APPLIANCE_CI=${APPLIANCE_CI:-}"
  printf 'ulimit -l unlimited\ncd %q\n%s\n' "$here" "$command"
} >"$work/ram/command"
(cd "$work/ram" && find . | cpio -o -H newc --quiet -R 0:0) | gzip -1 >"$work/initrd"

networks=("$@"); [[ $# -gt 0 ]] || networks=(-nic none)
set +e
timeout --kill-after=10 "${KERNEL_TIMEOUT:-600}" qemu-system-x86_64 -accel tcg,thread=multi -smp 2 -m "${KERNEL_MEMORY_MB:-3072}" \
  -nodefaults -nographic -no-reboot -serial stdio \
  -kernel "$root/boot/vmlinuz-$release" -initrd "$work/initrd" -append "console=ttyS0 panic=-1 quiet loglevel=4" \
  -virtfs "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap" \
  -virtfs "local,path=$root,mount_tag=kernel,security_model=none,readonly=on" \
  "${networks[@]}" </dev/null 2>"$work/qemu-errors" | sed -u 's,\r,,g' | tee "$work/console" | sed -un '/KERNEL-BEGIN/,/KERNEL-END/{s/.*KERNEL-BEGIN/KERNEL-BEGIN/;p}'
set -e
status=$(sed -n 's/.*KERNEL-END rc=\([0-9]*\).*/\1/p' "$work/console")
if [[ -z $status ]]; then
  status=99; grep -q KERNEL-BEGIN "$work/console" && status=98
  { tail -n 20 "$work/console"; cat "$work/qemu-errors"; } >&2
fi
exit "$status"
