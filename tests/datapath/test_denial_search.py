# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's searches for NSEC and NSEC3 find what a look at the whole chain finds; so does userspace."""

import itertools
import random
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from appliance.compiler.denial.proofs import hash_slots
from appliance.compiler.expected import capacity
from appliance.lookup.denial import Nsec3Search
from appliance.store import layout
from appliance.store.capacity import Capacity
from appliance.zone import types
from appliance.zone.model import Zone
from tests.datapath.denial_zones import Chain, Hashing, label_set, near, parents, signed, wire
from tests.datapath.lab import Lab, Outcome
from tests.datapath.packets import DO, Frame, Opt, message
from tests.datapath.reply import check_frame, check_header, open_frame
from tests.interop import wire as replies
from tests.stores.asking import ask

pytestmark = pytest.mark.datapath

COUNTS: Final = (0, 1, 2, 3, 7, 30, 31, 32, 33, 200)  # up to 31 children stand beside their head, more in blocks
MANY: Final = 16_500  # children of one name: two blocks
ASKED: Final = 600
HASHINGS: Final = {
    b"\x01a\0": Hashing(),
    b"\x01b\0": Hashing(1, b"\xaa"),
    b"\x01c\0": Hashing(10, bytes(range(8))),
    b"\x01d\0": Hashing(0, bytes(range(32))),
    b"\x01e\0": Hashing(10, b"\xff" * 32),
}
BEYOND: Final = {b"\x01f\0": Hashing(11, b""), b"\x01g\0": Hashing(0, bytes(33)), b"\x01h\0": Hashing(11, b"\1" * 33)}
SMALL: Final = {b"\x01s\0": 0, b"\x01t\0": 1, b"\x01u\0": 2}  # names besides the apex: chains of one, two and three
TABLE: Final = b"\x05table\0"
SIZES: Final = (1, 2, 3, 16_383, 16_384, 16_385, 100_000)
LARGEST: Final = 1_000_000
SPANS: Final = ((0, 1 << 96), (1 << 94, 3 << 94), ((1 << 96) - (1 << 70), 1 << 96), (0, 1 << 70))
_MIB: Final = 24  # for the largest table: 62 blocks of 256 KiB, and the others


def _apex(number: int) -> bytes:
    return wire(b"n%d" % number, origin=b"\0")


class World:
    """The loaded program and its zones."""

    def __init__(self, lab: Lab, chains: dict[bytes, Chain]) -> None:
        self.lab, self.chains = lab, chains

    def outcome(self, name: bytes) -> tuple[bytes, Outcome]:
        """Ask the program for an address, with DO."""
        frame = Frame(message(name, types.A, opt=Opt(4096, DO))).octets()
        return frame, self.lab.ask(frame)

    def check(self, origin: bytes, name: bytes) -> None:
        """Compare what both paths say about a missing name with the whole chain."""
        by_wildcard, expected = self.chains[origin].proof(name.lower())
        frame, outcome = self.outcome(name)
        assert outcome.verdict == ("answer_wildcard" if by_wildcard else "answer_nxdomain"), (name, outcome.verdict)
        reply = check_frame(frame, outcome.frame)
        check_header(open_frame(frame).message, reply)
        assert proved(reply) == expected, f"program, {name!r}: {proved(reply)} instead of {expected}"
        slow = ask(self.lab.store, name, types.A, True)
        assert proved(slow) == expected, f"userspace, {name!r}: {proved(slow)} instead of {expected}"


def proved(reply: bytes) -> set[bytes]:
    """Return the owners of the NSEC and NSEC3 RRs in the authority section, each of which must have its signature."""
    parsed = replies.parse(reply)
    assert not parsed.truncated
    assert not parsed.repeated
    found = {rr.owner for rr in parsed.authority if rr.rtype in (replies.NSEC, replies.NSEC3)}
    made = {
        rr.owner
        for rr in parsed.authority
        if rr.rtype == replies.RRSIG and int.from_bytes(rr.rdata[:2]) in (replies.NSEC, replies.NSEC3)
    }
    assert made == found
    return found


def _deep(origin: bytes) -> list[bytes]:
    """Return a name of 226 octets and more, so that closest enclosers have 3, 35, 67 … octets."""
    name = origin
    while len(name) < 225:
        name = wire(b"d" * 31, origin=name)
    return [name]


@pytest.fixture(scope="module")
def world(own_bpffs: Path) -> Iterator[World]:
    """Yield the program with all the zones of this file."""
    rng = random.Random(4034)
    zones: list[tuple[Zone, Hashing | None]] = []
    chains: dict[bytes, Chain] = {}
    for number, count in enumerate((*COUNTS, MANY)):
        origin = _apex(number)
        labels = label_set(rng, count)
        owners = [wire(label, origin=origin) for label in labels]
        wild = wire(b"w", origin=origin)
        deeper = [label for label in labels[:200] if label != b"*"]
        owners += [wire(b"*", origin=wild), *(wire(b"under", label, origin=wild) for label in deeper)]
        zones.append((signed(origin, owners), None))
    for origin, hashing in {**HASHINGS, **BEYOND}.items():
        owners = [*_deep(origin), *(wire(b"h%d" % i, origin=origin) for i in range(150))]
        owners += [wire(b"*", b"w", origin=origin), wire(b"ent", b"b", origin=origin)]
        zones.append((signed(origin, owners, hashing), hashing))
    for origin, count in SMALL.items():
        zones.append((signed(origin, [wire(b"h%d" % i, origin=origin) for i in range(count)], Hashing()), Hashing()))
    zones.append((signed(TABLE, [wire(b"h%d" % i, origin=TABLE) for i in range(997)], Hashing()), Hashing()))
    for zone, chosen in zones:
        chains[zone.origin] = Chain(zone, chosen)

    def roomy(given: list[object]) -> Capacity:
        planned = capacity([zone for zone, _ in zones])
        return planned._replace(chunks=planned.chunks + _MIB)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.datapath.lab.capacity", roomy)
        lab = Lab([zone for zone, _ in zones], [])
    try:
        yield World(lab, chains)
    finally:
        lab.close()


@pytest.mark.parametrize(("number", "count"), list(enumerate((*COUNTS, MANY))))
def test_nsec_of_any_set_of_labels(world: World, number: int, count: int) -> None:
    """At the apex (NXDOMAIN) and below a wildcard (the next closer name alone), near every kind of label."""
    rng = random.Random(number)
    origin = _apex(number)
    chain = world.chains[origin]
    wild = wire(b"w", origin=origin)
    existing = sorted(name for name in chain.existing if len(name) < 180)
    below: dict[bytes, list[bytes]] = {}
    for name in existing:
        below.setdefault(name[1 + name[0] :], []).append(name[1 : 1 + name[0]])
    asked = 0
    for _ in range(20 * ASKED):
        if asked >= (ASKED if count < MANY else 60):
            break
        above = rng.choice((origin, wild, rng.choice(existing)))  # the last one mostly has no children
        label = near(rng, below.get(above, []))
        name = bytes([len(label)]) + label + above
        if rng.random() < 0.3:
            name = b"\x03lEs" + name
        if name.lower() not in chain.existing:
            world.check(origin, name)
            asked += 1
    assert asked >= 60


@pytest.mark.parametrize("origin", HASHINGS, ids=lambda origin: origin[1:2].decode())
def test_sha1_of_names_of_every_length(world: World, origin: bytes) -> None:
    """Next closer names of 5 to 255 octets, with the salt up to five blocks: a wrong hash would pick a wrong NSEC3."""
    chain, rng, hashing = world.chains[origin], random.Random(3174), HASHINGS[origin]
    enclosers = {len(name): name for name in [origin, *_deep(origin), *parents(_deep(origin)[0], origin)]}
    blocks = set()
    for length in range(5, 256):
        fitting = [len(name) for name in enclosers.values() if 2 <= length - len(name) <= 64]
        above = enclosers[rng.choice(fitting)]
        label = bytes(rng.choices(b"aBcDeFgHiJkLmNoPqRsTuVwXyZ\0\xff", k=length - len(above) - 1))
        name = bytes([len(label)]) + label + above
        assert len(name) == length
        if name.lower() not in chain.existing:
            world.check(origin, name)
            blocks.add(hashing.blocks(name.lower()))
    assert blocks == set(range(1, 2 + (255 + len(hashing.salt) + 8) // 64))


@pytest.mark.parametrize("origin", [*HASHINGS, *SMALL], ids=lambda origin: origin[1:2].decode())
def test_nsec3_around_the_circle(world: World, origin: bytes) -> None:
    """Names that hash before the first NSEC3, after the last one and anywhere else; below a wildcard, below ENTs."""
    chain = world.chains[origin]
    assert chain.hashing is not None
    first, last = min(chain.hashes), max(chain.hashes)
    ends = {"before": 0, "after": 0}
    for i in itertools.count():
        name = wire(b"x%d" % i, origin=origin)
        hashed = chain.hashing.digest(name)
        end = "before" if hashed < first else "after" if hashed > last else ""
        if i < 60 or (end and not ends[end]):
            world.check(origin, name)
            if end:
                ends[end] += 1
        if i >= 60 and all(ends.values()):
            break
    if origin in HASHINGS:
        for name in (wire(b"x", b"w", origin=origin), wire(b"Y", b"x", b"w", origin=origin)):
            world.check(origin, name)
        for name in (wire(b"x", b"b", origin=origin), wire(b"x", b"ent", b"b", origin=origin)):
            world.check(origin, name)


@pytest.mark.parametrize("origin", BEYOND, ids=lambda origin: origin[1:2].decode())
def test_beyond_the_program(world: World, origin: bytes) -> None:
    """More than ten iterations or a salt of more than 32 octets: counted, and userspace has the right proof."""
    for i in range(40):
        name = wire(b"x%d" % i, b"w" if i % 4 == 0 else b"b", origin=origin)
        _, expected = world.chains[origin].proof(name)
        assert world.outcome(name)[1].verdict == "pass_denial"
        assert proved(ask(world.lab.store, name, types.A, True)) == expected


class _Table:
    """A table of made-up hashes in the heap in place of a zone's own; entry i has the zone's i-th NSEC3, around."""

    def __init__(self, lab: Lab, entries: list[int]) -> None:
        """Write the entries, 96-bit numbers in order."""
        store, self.entries = lab.store, entries
        self.number = store.numbers[TABLE]
        own = store.slot(self.number)[layout.ZONE_SLOT_DENIAL_PLACE]
        block = store.words[own * 4 + layout.SIZES["nsec3"] // 4]
        count = store.words[own * 4]
        slots = [
            layout.NSEC3_HASH.unpack_from(store.octets, block * 16 + i * layout.NSEC3_HASH.size)[
                layout.NSEC3_HASH_FRAGMENT_PLACE
            ]
            for i in range(1, count)
        ]
        self.fragments = list(dict.fromkeys(slots))
        self.arena = store.arena(1 << 20)
        around = itertools.islice(itertools.cycle(self.fragments), len(entries))
        rows, scale = hash_slots([entry.to_bytes(12) for entry in entries], list(around))
        refs = [
            self.arena.put(b"".join(rows[start : start + layout.DENIAL_BLOCK]))
            for start in range(0, len(rows), layout.DENIAL_BLOCK)
        ]
        head = layout.NSEC3.pack(len(rows), 0, 0, 0, len(refs), scale, bytes(256))
        self.ref = self.arena.put(head + b"".join(ref.to_bytes(4, "little") for ref in refs))

    def expected(self, name: bytes) -> int:
        """Return the fragment of the entry before a name's hash around the circle."""
        wanted = int.from_bytes(Hashing().digest(name)[:12])
        return int(self.fragments[(bisect_right(self.entries, wanted) - 1) % len(self.entries) % len(self.fragments)])

    def give_back(self) -> None:
        """Free what was written."""
        for start, end in self.arena.close():
            self.arena.heap.give_back(start, end)


def _slot_at(lab: Lab) -> int:
    """Return where in the zone table the reference of the current version's table is."""
    number = lab.store.numbers[TABLE]
    version = lab.store.zone_word(number, "version")
    slot = layout.OFFSETS["zone"]["slot"] + (version & 1) * layout.SIZES["zone_slot"]
    return number * layout.SIZES["zone"] + slot + layout.OFFSETS["zone_slot"]["denial"]


@pytest.mark.parametrize("span", SPANS, ids=("everywhere", "middle", "end", "start"))
@pytest.mark.parametrize("size", SIZES)
def test_tables_of_any_size(world: World, size: int, span: tuple[int, int]) -> None:
    """The program and Nsec3Search in a table of made-up hashes: the entry that bisection finds, around both ends.

    No hash function crowds its values together as some of these tables do.
    """
    _check_table(world, size, span, 100)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("span", SPANS, ids=("everywhere", "middle", "end", "start"))
@pytest.mark.parametrize("size", [*range(1, 65), 65_535, 65_536, LARGEST])
def test_tables_of_many_sizes(world: World, size: int, span: tuple[int, int]) -> None:
    """The same with more sizes, up to a million, and more questions."""
    _check_table(world, size, span, 3_000)


def _check_table(world: World, size: int, span: tuple[int, int], count: int) -> None:
    lab, rng = world.lab, random.Random(size)
    table = _Table(lab, sorted({rng.randrange(*span) for _ in range(size)}))
    owners = {ref: name for name, ref in _fragment_owners(world, table).items()}
    encloser = world.chains[TABLE].hashes[Hashing().digest(TABLE)]
    wildcard = world.chains[TABLE].cover(b"\x01*" + TABLE)
    try:
        with lab.octets_changed("zones", _slot_at(lab), table.ref.to_bytes(4, "little")):
            search = Nsec3Search(lab.store, table.number)
            for i in range(count):
                name = wire(b"q%d" % i, origin=TABLE)
                expected = table.expected(name)
                assert search.place(name)[0] == expected
                frame, outcome = world.outcome(name)
                if outcome.verdict == "pass_denial" and span != SPANS[0]:
                    continue  # hashes that crowd together stand too far from their slots: a counted miss
                assert outcome.verdict == "answer_nxdomain"
                found = proved(check_frame(frame, outcome.frame))
                assert found == {encloser, owners[expected], wildcard}
    finally:
        table.give_back()


def _fragment_owners(world: World, table: _Table) -> dict[bytes, int]:
    """Return the fragment of each NSEC3 of the zone, which stand in the order of their hashes."""
    hashes = world.chains[TABLE].hashes
    return {hashes[hashed]: ref for hashed, ref in zip(sorted(hashes), table.fragments, strict=True)}


@pytest.mark.parametrize("shift", [-(1 << 40), -(1 << 32), -1, 1, 1 << 32, 1 << 40])
def test_hashes_that_begin_alike(world: World, shift: int) -> None:
    """An entry whose first 4, 8 or 11 octets are those of the wanted hash stands on its right side."""
    lab = world.lab
    name = wire(b"alike", origin=TABLE)
    wanted = int.from_bytes(Hashing().digest(name)[:12])
    table = _Table(lab, sorted({1 << 90, wanted + shift, (1 << 96) - 1}))
    owners = {ref: owner for owner, ref in _fragment_owners(world, table).items()}
    try:
        with lab.octets_changed("zones", _slot_at(lab), table.ref.to_bytes(4, "little")):
            assert Nsec3Search(lab.store, table.number).place(name)[0] == table.expected(name)
            frame, outcome = world.outcome(name)
            assert owners[table.expected(name)] in proved(check_frame(frame, outcome.frame))
    finally:
        table.give_back()


def _denial_at(lab: Lab, name: bytes) -> int:
    """Return where in the heap a node's reference of its denial material is."""
    node = lab.store.find_node(name)
    assert node, "no such node"
    return node * layout.GRANULE + layout.OFFSETS["node"]["denial"]


def test_without_material(world: World) -> None:
    """Reference 0 for children, table or what is known of a closest encloser: counted, and nothing is made up."""
    lab, nothing = world.lab, bytes(4)
    nsec, nsec3 = _apex(4), b"\x01a\0"
    for array, at, name in (
        ("heap", _denial_at(lab, nsec), wire(b"no-such", origin=nsec)),
        ("zones", _slot_at(lab), wire(b"no-such", origin=TABLE)),
        ("heap", _denial_at(lab, nsec3), wire(b"no-such", origin=nsec3)),
    ):
        assert world.outcome(name)[1].verdict == "answer_nxdomain"
        with lab.octets_changed(array, at, nothing):
            assert world.outcome(name)[1].verdict == "pass_denial"
            assert not proved(ask(lab.store, name, types.A, True))


def test_an_entry_without_fragment(world: World) -> None:
    """A hole in a table is a miss, never an answer without the proof it needs."""
    lab = world.lab
    name = wire(b"hole", origin=TABLE)
    table = _Table(lab, [int.from_bytes(Hashing().digest(name)[:12]) - 1])
    block = lab.store.words[table.ref * 4 + layout.SIZES["nsec3"] // 4]
    try:
        with lab.octets_changed("zones", _slot_at(lab), table.ref.to_bytes(4, "little")):
            assert world.outcome(name)[1].verdict == "answer_nxdomain"
            with lab.octets_changed("heap", block * 16 + layout.NSEC3_HASH.size + 12, bytes(4)):
                assert world.outcome(name)[1].verdict == "pass_denial"
    finally:
        table.give_back()


@pytest.fixture
def there(world: World) -> Iterator[tuple[bytes, bytes]]:
    """Let a table hold the hash of a missing name; yield the name and the owner of that NSEC3."""
    lab = world.lab
    name = wire(b"there", origin=TABLE)
    table = _Table(lab, [1 << 90, int.from_bytes(Hashing().digest(name)[:12]), (1 << 96) - 1])
    owners = {ref: owner for owner, ref in _fragment_owners(world, table).items()}
    try:
        with lab.octets_changed("zones", _slot_at(lab), table.ref.to_bytes(4, "little")):
            yield name, owners[table.fragments[1]]
    finally:
        table.give_back()


def test_a_hash_that_is_there(world: World, there: tuple[bytes, bytes]) -> None:
    """An NSEC3 whose owner is the very hash says that the name exists: the program does not pass it off as a cover."""
    assert world.outcome(there[0])[1].verdict == "pass_denial"


def test_a_hash_that_is_there_in_userspace(world: World, there: tuple[bytes, bytes]) -> None:
    """The same in userspace."""
    name, match = there
    assert match not in proved(ask(world.lab.store, name, types.A, True))
