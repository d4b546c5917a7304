# SPDX-License-Identifier: GPL-3.0-or-later
"""The loader process: compile `ebpf/xdp_dns.c` with bcc, load it, pin programs and maps, exit.

bcc brings LLVM (170 MB) and needs CAP_BPF and CAP_NET_ADMIN; so it lives in a process of seconds. It reads one JSON
object from standard input (a `Plan`) and pins below `pin_folder`; whoever started it opens the pins.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
from pathlib import Path

import msgspec

from appliance.datapath import headers, source
from appliance.errors import DatapathError

MAPS = ("ctl", "buckets", "heap", "zones", "counters", "services", "ports", "vlans", "stages")
STAGES = ("search", "answer", "list", "grow_head", "append", "prove", "hash", "police")  # order of `enum stage`
PROGRAMS = ("dns", *STAGES)
PLAN_LINK = "plan"


class Plan(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What to load: capacities of the arrays and the constants compiled in."""

    pin_folder: str
    bucket_bits: int
    chunks: int
    zones: int
    cpus: int
    port: int = 53
    edns_size: int = 1232
    service_seed: int = 0x9E3779B97F4A7C15


def definitions(plan: Plan) -> list[str]:
    """Compiler flags that fix the program's constants."""
    constants = {
        "BUCKET_BITS": plan.bucket_bits,
        "NBUCKETS": 1 << plan.bucket_bits,
        "NCHUNKS": plan.chunks,
        "NZONES": plan.zones,
        "NCPUS": plan.cpus,
        "DNS_PORT": plan.port,
        "EDNS_SIZE": plan.edns_size,
    }
    flags = [f"-D{name}={value}" for name, value in constants.items()]
    # bcc's own headers and the kernel's warn with clang 14; the verifier, not a warning, judges our sources.
    return [*flags, f"-DSERVICE_SEED={plan.service_seed:#x}ULL", "-Wno-everything"]


def load(plan: Plan) -> None:
    """Compile, load and pin; nothing stays pinned when any step fails. Raises DatapathError."""
    tree = headers.kernel_source()
    if tree is not None:
        os.environ["BCC_KERNEL_SOURCE"] = str(tree)
    try:
        from bcc import BPF, lib
    except ImportError as error:
        raise DatapathError(
            f"cannot import bcc ({error}); install python3-bpfcc and use a virtual environment with system packages"
        ) from error
    folder = Path(plan.pin_folder)
    try:
        bpf = BPF(text=source.flatten(), cflags=definitions(plan))
        programs = {name: bpf.load_func(name, BPF.XDP) for name in PROGRAMS}
    except Exception as error:  # bcc raises bare Exception, with the compiler's or verifier's words on standard error
        raise DatapathError(f"the XDP program does not load: {error}") from error
    for slot, name in enumerate(STAGES):
        bpf["stages"][slot] = programs[name]
    folder.mkdir(parents=True)
    try:
        for name in MAPS:
            _pin(lib, bpf[name].map_fd, folder / name)
        for name in PROGRAMS:
            _pin(lib, programs[name].fd, folder / f"prog_{name}")
        # Whoever adopts the pins needs the capacities; a bpf file system holds no files, but a link's target is text.
        (folder / PLAN_LINK).symlink_to(msgspec.json.encode(plan).decode())
    except DatapathError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _pin(lib: ctypes.CDLL, fd: int, path: Path) -> None:
    if lib.bpf_obj_pin(fd, str(path).encode()) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise DatapathError(f"cannot pin {path}: {reason}; is {path.parent} on a bpf file system?")


def main() -> int:
    """Load what standard input asks for; errors go to standard error as one last line."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with contextlib.suppress(BrokenPipeError):
        try:
            load(plan)
        except DatapathError as error:
            print(f"appliance loader: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
