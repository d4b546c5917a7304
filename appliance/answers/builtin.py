# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers that need no zone: refusals and errors."""

from typing import TYPE_CHECKING, Final

from appliance.answers.heap import Arena
from appliance.answers.layout import ANSWER, KIND

if TYPE_CHECKING:
    from appliance.answers.store import Store

_RCODES: Final = {"refused": 5, "servfail": 2, "formerr": 1, "notimp": 4, "badvers": 0}


def write_builtin(store: "Store") -> None:
    """Write the built-in answers and their references; BADVERS (16) has its upper bits in the OPT (RFC 6891 §6.1.3)."""
    arena = Arena(store.heap, 1)
    for name, rcode in _RCODES.items():
        extended = 1 if name == "badvers" else 0
        store.set(name, arena.put(ANSWER.pack(rcode, 0, 0, 0, 0, 0, KIND[name], 0, 0, extended, 0, 0)))
    arena.close()
