# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine lets the tests do: each marker names what it needs, each lack is a reason."""

import functools
import os
import re
import shutil
from pathlib import Path

from demo import xdp_pass

STRICT = os.environ.get("APPLIANCE_CI") == "1" or os.environ.get("CI", "").lower() in {"1", "true"}
"""Whether a skipped test fails the run: set where everything must be there."""

_NEEDS_BPF = ("datapath", "netns", "chaos", "soak", "releases")
_UNIT = Path(__file__).parents[2] / "provisioning/systemd/appliance.service"
_NEEDS_ROOT = (*_NEEDS_BPF, "interop")
_TOOLS = {
    "kernels": ("qemu-system-x86_64", "busybox", "cpio", "modprobe"),
    "releases": ("debootstrap", "git", "setpriv", "unshare"),
}


@functools.cache
def bpf_refusal() -> str | None:
    """Load a two-instruction XDP program; return why it failed, or None."""
    try:
        with xdp_pass.loaded():
            return None
    except OSError as error:
        return f"this kernel loads no BPF program: {error.strerror or error}"


def lack(marker: str) -> str | None:
    """Return why tests with this marker cannot run here, or None."""
    if marker in _NEEDS_ROOT and os.geteuid() != 0:
        return f"{marker} tests need root: sudo make test"
    missing = [tool for tool in _TOOLS.get(marker, ()) if shutil.which(tool) is None]
    if missing:
        return f"{marker} tests need {', '.join(missing)}: sudo make bootstrap"
    return bpf_refusal() if marker in _NEEDS_BPF else None


def markers() -> tuple[str, ...]:
    """Return the markers that need something of the machine."""
    return (*_NEEDS_ROOT, "kernels")


def as_the_unit() -> list[str]:
    """Return the start of a command that runs with the capabilities of the service's unit, and no others."""
    (named,) = re.findall(r"^CapabilityBoundingSet=(.*)$", _UNIT.read_text(), re.MULTILINE)
    bounds = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in named.split())])
    return ["setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", "--no-new-privs", "--"]
