# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the labels and the hashes, userspace finds the NSEC or NSEC3 that a look at the whole chain finds."""

import random
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.compiler.denial.proofs import hash_slots
from appliance.lookup.denial import Nsec3Search
from appliance.store import layout
from appliance.store.store import Store
from appliance.zone import types
from tests.datapath.denial_zones import Chain, Hashing, near, signed, wire
from tests.interop import wire as replies
from tests.reference.strategies import deterministic
from tests.stores.asking import ask, store_of

pytestmark = pytest.mark.property

ORIGIN = b"\x01o\0"
QUESTIONS = 25
SPANS = ((0, 1 << 96), (1 << 94, 3 << 94), ((1 << 96) - (1 << 70), 1 << 96), (0, 1 << 70))
"""Where on the circle of hashes a table has its entries: everywhere, in the middle half, at either end."""
_octets = st.sampled_from(b"\0\x01!*+Aa`{b\xfe\xff")
_stems = st.sampled_from((b"", b"a", b"abcdefg", b"abcdefgh", b"abcdefgh\0", b"*", b"\0" * 8, b"\xff" * 8))
_labels = st.builds(lambda stem, rest: (stem + bytes(rest)) or b"*", _stems, st.lists(_octets, max_size=12))
_salts = st.sampled_from((b"", b"\0", bytes(range(8)), b"\xff" * 32, bytes(33), b"s" * 255))
_hashings = st.builds(Hashing, st.sampled_from((0, 1, 10, 11)), _salts)


def _proved(reply: bytes) -> set[bytes]:
    parsed = replies.parse(reply)
    return {rr.owner for rr in parsed.authority if rr.rtype in (types.NSEC, types.NSEC3)}


@deterministic
@given(st.lists(_labels, max_size=30), st.booleans(), st.none() | _hashings, st.integers(0, 2**32))
def test_any_labels(labels: list[bytes], starred: bool, hashing: Hashing | None, seed: int) -> None:
    """Children of the apex and of a name below it, which may have a wildcard."""
    rng = random.Random(seed)
    sub = wire(b"sub", origin=ORIGIN)
    owners = [wire(label, origin=above) for label in labels for above in (ORIGIN, sub)]
    owners += [wire(b"*", origin=sub)] if starred else [sub]
    zone = signed(ORIGIN, owners, hashing)
    chain, store = Chain(zone, hashing), store_of([zone])
    for _ in range(QUESTIONS):
        label = near(rng, labels)
        name = bytes([len(label)]) + label + rng.choice((ORIGIN, sub))
        if name.lower() not in chain.existing:
            by_wildcard, expected = chain.proof(name.lower())
            reply = ask(store, name, types.A, True)
            assert _proved(reply) == expected
            assert reply[3] & 15 == (0 if by_wildcard else replies.NXDOMAIN)


@deterministic
@given(st.integers(1, 40_000), st.integers(0, 2**32), st.sampled_from(SPANS))
def test_tables_of_hashes(size: int, seed: int, span: tuple[int, int]) -> None:
    """Tables of one and of many entries, over the borders of their blocks, with the wanted hash beside and between.

    Where the entries do not fill the circle, most hashes lie before the first one or behind the last one.
    """
    rng = random.Random(seed)
    hashing = Hashing()
    asked = [wire(b"q%d" % i, origin=ORIGIN) for i in range(10)]
    hashes = [int.from_bytes(hashing.digest(name)[:12]) for name in asked]
    beside = {hashes[0], hashes[1] - 1, hashes[2] + 1} if span == SPANS[0] else set()
    entries = sorted({*(rng.randrange(*span) for _ in range(size)), *beside})
    if beside == set():
        assert {(bisect_right(entries, hashed) - 1) % len(entries) for hashed in hashes} & {len(entries) - 1}
    search = _search(entries)
    for name, wanted in zip(asked, hashes, strict=True):
        at = (bisect_right(entries, wanted) - 1) % len(entries)
        assert search.place(name) == (at + 1, entries[at] == wanted)


def _search(entries: list[int]) -> Nsec3Search:
    """Return the search in a table of made-up hashes, whose fragments are their numbers, counted from one."""
    room = Store.create(2, 3, 1, 0)
    arena, refs = room.arena(1 << 20), []
    rows, scale = hash_slots([entry.to_bytes(12) for entry in entries], list(range(1, len(entries) + 1)))
    for start in range(0, len(rows), layout.DENIAL_BLOCK):
        refs.append(arena.put(b"".join(rows[start : start + layout.DENIAL_BLOCK])))
    head = layout.NSEC3.pack(len(rows), 0, 0, 0, len(refs), scale, bytes(256))
    table = arena.put(head + b"".join(ref.to_bytes(4, "little") for ref in refs))
    at = layout.SIZES["zone"] + layout.OFFSETS["zone"]["slot"] + layout.OFFSETS["zone_slot"]["denial"]
    room.zone_octets[at : at + 4] = table.to_bytes(4, "little")
    return Nsec3Search(room, 1)
