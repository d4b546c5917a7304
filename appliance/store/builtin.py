# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers that need no zone: refusals and errors."""

from typing import Final

from appliance.store.heap import Arena, Heap
from appliance.store.layout import ANSWER
from appliance.store.verdict_names import KIND

_RCODES: Final = {"refused": 5, "servfail": 2, "formerr": 1, "notimp": 4, "badvers": 0}


def write_builtin(heap: Heap) -> dict[str, int]:
    """Write the built-in answers and return their references by the word of ctl that holds each.

    BADVERS (16) has its upper bits in the OPT (RFC 6891 §6.1.3).
    """
    arena = Arena(heap, 1)
    found = {}
    for name, rcode in _RCODES.items():
        extended = 1 if name == "badvers" else 0
        found[name] = arena.put(ANSWER.pack(rcode, 0, 0, 0, 0, 0, KIND[name], 0, 0, extended, 0, 0))
    arena.close()
    return found
