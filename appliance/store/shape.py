# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts of a node lie behind its fields: its name, then its table of types."""

from collections.abc import Mapping
from typing import Final

from appliance.store.layout import NODE_CUT, NODE_SIZE, NODE_WILDCARD_AT, SCHEME_NSEC, SCHEME_NSEC3, SCHEME_UNSIGNED

SCHEMES: Final[Mapping[str, int]] = {"unsigned": SCHEME_UNSIGNED, "nsec": SCHEME_NSEC, "nsec3": SCHEME_NSEC3}


def padded(length: int) -> int:
    """Return a length rounded up to a multiple of 8."""
    return (length + 7) & ~7


def name_offset(flags: int) -> int:
    """Return where the name of a node with these flags starts, from the node's start: a cut's in place of wildcard."""
    return NODE_WILDCARD_AT if flags & NODE_CUT else NODE_SIZE


def types_offset(name_len: int, flags: int) -> int:
    """Return where a node's type table starts, from the node's start."""
    return name_offset(flags) + padded(name_len)
