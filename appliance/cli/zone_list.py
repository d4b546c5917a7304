# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of zones on standard input, as text or as JSON, made the lines of text that the server takes."""

import json
import os
import sys
from typing import Any

from appliance.cli.boundary import fail
from appliance.errors import ApplianceError

_MOST = 1 << 28


def take_json() -> None:
    """Put lines in the place of standard input where that is what `zone export --json` prints; exit where it is bad."""
    if sys.stdin is None or sys.stdin.isatty():
        return
    with os.fdopen(os.dup(0), "rb") as file:
        octets = file.read(_MOST)
    if octets.lstrip()[:1] in (b"{", b"["):
        octets = _lines(octets)
    data = os.memfd_create("zones", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(data), "wb") as file:
        file.write(octets)
    os.lseek(data, 0, os.SEEK_SET)
    os.dup2(data, 0)
    os.close(data)


def _lines(octets: bytes) -> bytes:
    try:
        said: Any = json.loads(octets)
        zones = said["zones"] if isinstance(said, dict) else said
        return "".join(f"add {_word(one['name'])} {_word(one['pattern'])}\n" for one in zones).encode()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        fail(ApplianceError(f"standard input is no list of zones as `zone export --json` prints it: {error!r}"))


def _word(text: Any) -> str:
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError(f"{text!r} is no name")
    return text
