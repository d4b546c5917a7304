# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile `ebpf/xdp_dns.c` with bcc: the only module that imports it, and only when it must.

bcc brings LLVM (170 MB, and seconds); what it makes is kept by `cache.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from appliance.datapath import headers, program, source
from appliance.datapath.program import PROGRAMS, MapShape, Program
from appliance.datapath.syscall import map_info
from appliance.errors import DatapathError


def compile_program(numbers: Mapping[str, int] | None = None) -> Program:
    """Return the program, with marks for its constants unless `numbers` are to be compiled in. Raises DatapathError."""
    tree = headers.kernel_source()
    if tree is not None:
        os.environ["BCC_KERNEL_SOURCE"] = str(tree)
    try:
        from bcc import BPF, lib
    except (ImportError, OSError) as error:  # OSError: the module is there and its library is not
        raise DatapathError(
            f"cannot import bcc ({error}); install python3-bpfcc and use a virtual environment with system packages"
        ) from error
    defined = [f"-DMARK_{name}={number:#x}LL" for name, number in (numbers or {}).items()]
    try:
        module = BPF(text=source.flatten(), cflags=[*source.FLAGS, *defined])
        texts = {name: bytes(module.dump_func(name)) for name in PROGRAMS}
    except Exception as error:  # bcc raises bare Exception, with the compiler's words on standard error
        raise DatapathError(f"the XDP program does not compile: {error}; is the package whole?") from error
    compiled = _plain(texts, lib.bpf_module_license(module.module), lib.bpf_module_kern_version(module.module))
    module.cleanup()
    if numbers is None:
        program.check(compiled)
    return compiled


def _plain(texts: Mapping[str, bytes], licence: Any, kernel_version: int) -> Program:
    """Return what the kernel would be given, in terms of names: the kernel knows the maps that bcc has made."""
    names: dict[int, str] = {}
    maps: dict[str, MapShape] = {}
    for descriptor in sorted({fd for text in texts.values() for fd in program.descriptors(text)}):
        names[descriptor], *shape = map_info(descriptor)
        maps[names[descriptor]] = MapShape(*shape)
    code = {name: program.without_descriptors(text, names) for name, text in texts.items()}
    return Program(licence.decode(), kernel_version, maps, code)
