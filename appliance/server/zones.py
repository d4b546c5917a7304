# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's questions to the answer store."""

from typing import Final

from appliance.lookup.follow import reply
from appliance.lookup.render import Edns
from appliance.server.question import Query
from appliance.store.layout import GRANULE, NODE_APEX, NODE_FLAGS_AT
from appliance.store.store import Store
from appliance.store.verdict_names import KIND
from appliance.zone import names

_VERDICTS: Final = {number: f"answer_{name}" for name, number in KIND.items()}


def answer(store: Store, wire: bytes, query: Query, limit: int, edns_size: int) -> tuple[str, bytes]:
    """Return the verdict and the reply to a question of class IN."""
    edns = Edns(edns_size, query.dnssec_ok) if query.edns else None
    ident = wire[0] << 8 | wire[1]
    kind, octets = reply(store, ident, query.flags, query.question, limit, edns)
    return _VERDICTS[kind], octets


def is_apex(store: Store, name: bytes) -> bool:
    """Return whether a name is the apex of a zone of ours, loaded or not."""
    node = store.find_node(names.fold(name))
    return bool(node and store.octets[node * GRANULE + NODE_FLAGS_AT] & NODE_APEX)


def passes_opcode(store: Store, opcode: int) -> bool:
    """Return whether the NIC path hands messages of an opcode up instead of answering NOTIMP."""
    return bool(store.get("opcode_pass") >> opcode & 1)


def flips(store: Store) -> int:
    """Return the flip sequence, to be given to unchanged() after a lookup."""
    return store.get("flips")


def unchanged(store: Store, before: int) -> bool:
    """Return whether no zone changed its version since the sequence was read: then what was read belongs together."""
    return not before & 1 and store.get("flips") == before
