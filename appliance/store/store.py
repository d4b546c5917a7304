# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: four buffers shared with the XDP program, and the changes to them that readers may see at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from appliance.errors import StateError
from appliance.store import hashing, layout
from appliance.store.builtin import write_builtin
from appliance.store.heap import Arena, Extent, Heap, StoreFull
from appliance.store.index import Index
from appliance.store.layout import (
    FOREVER,
    GRANULE,
    GRANULE_WORDS,
    NODE,
    NODE_CUT,
    NODE_FLAGS_AT,
    NODE_FLAGS_PLACE,
    NODE_LABELS_AT,
    NODE_NAME_LEN_AT,
    NODE_NEXT_WORD,
    NODE_OUTSIDE,
    NODE_UNTIL_WORD,
    NODE_WILDCARD_PLACE,
    NODE_ZONE_WORD,
    SUFFIX_MAX,
    ZONE_APEX_LABELS_AT,
    ZONE_APEX_LEN_AT,
    ZONE_SCHEME_AT,
    ZONE_SIZE,
    ZONE_SLOT_APEX_PLACE,
    ZONE_SLOT_WORD,
    ZONE_STATE_WORD,
    ZONE_SUFFIX_AT,
    ZONE_SUFFIX_LEN_AT,
    ZONE_VERSION_WORD,
)
from appliance.store.shape import name_offset
from appliance.store.states import NO_TALLY, CopyState, Shared, States, Tally, ZoneState

if TYPE_CHECKING:
    from appliance.store.capacity import Capacity

__all__ = ["NO_TALLY", "Buffer", "CopyState", "Retired", "Shared", "Store", "StoreFull", "Tally", "ZoneState"]

Buffer = memoryview | bytearray

_CTL: Final = {name: (offset // 4) for name, offset in layout.OFFSETS["ctl"].items()}
_OF_THE_ARRAYS: Final = ("generation", "lease_until")
"""Long words of ctl that never go from one store to another."""
_ZONE_WORDS: Final = layout.ZONE_SIZE // 4


@dataclass
class Retired:
    """Room of replaced versions; give it to Store.reclaim after the grace period (10 ms)."""

    extents: list[Extent] = field(default_factory=list)


class Store:
    """One answer store over writable buffers; many readers, one writer."""

    def __init__(self, ctl: Buffer, buckets: Buffer, heap: Buffer, zones: Buffer) -> None:
        """Use buffers that hold a store already; create(), form() and over() make and find such buffers."""
        self.buffers = (ctl, buckets, heap, zones)
        self.ctl = memoryview(ctl).cast("B").cast("I")
        self.heap = Heap(memoryview(heap).cast("B"))
        self.octets = self.heap.octets
        self.words = self.heap.words
        self.zone_octets = memoryview(zones).cast("B")
        self.zones = self.zone_octets.cast("I")
        self.zone_slots = len(self.zone_octets) // layout.SIZES["zone"]
        self.seed = self.ctl[_CTL["seed"]] | self.ctl[_CTL["seed"] + 1] << 32
        self.bucket_bits = self.ctl[_CTL["bucket_bits"]]
        words = memoryview(buckets).cast("B").cast("Q")
        self.index = Index(words, self.bucket_bits, self._chain_hashes, self.flipping)
        self.depths = [0] * 128
        self.numbers: dict[bytes, int] = {}
        """Zone number by origin, of the zones that this process has put here or found."""
        self._free_numbers: list[int] = []
        self.states = States()
        self.outside: dict[bytes, int] = {}
        """The OUTSIDE nodes by name."""
        self.abandoned: list[Extent] = []
        """Room that nobody uses any more and the next reclaim frees."""
        self.pay_hash: Callable[[tuple[int, bytes]], None] = lambda _: None
        """Called with iterations and salt before a lookup computes an NSEC3 hash; raises where it must not."""

    @classmethod
    def create(cls, bucket_bits: int, chunks: int, zones: int, seed: int) -> Store:
        """Return an empty store in memory: 2^bucket_bits buckets, a heap of `chunks` MiB, rows for `zones` zones."""
        return cls.form(
            bytearray(layout.SIZES["ctl"]),
            bytearray(layout.SIZES["bucket"] << bucket_bits),
            bytearray(layout.HEAP_CHUNK * chunks),
            bytearray(layout.SIZES["zone"] * (zones + 1)),
            seed,
        )

    @classmethod
    def sized(cls, room: Capacity, seed: int) -> Store:
        """Return an empty store in memory of the sizes that sizes.capacity gives."""
        return cls.create(room.bucket_bits, room.chunks, room.zones, seed)

    @classmethod
    def form(cls, ctl: Buffer, buckets: Buffer, heap: Buffer, zones: Buffer, seed: int) -> Store:
        """Make an empty store of zeroed buffers, such as freshly made arrays of the XDP program."""
        words = memoryview(ctl).cast("B").cast("I")
        count = len(memoryview(buckets).cast("B")) // layout.SIZES["bucket"]
        bits = count.bit_length() - 1
        if bits < 1 or count != 1 << bits:
            raise StateError(f"{count} buckets: must be a power of two above 1")
        words[_CTL["format"]] = layout.STORE_FORMAT
        words[_CTL["seed"]] = seed & FOREVER
        words[_CTL["seed"] + 1] = seed >> 32 & FOREVER
        words[_CTL["bucket_bits"]] = bits
        words[_CTL["chunks"]] = len(memoryview(heap).cast("B")) // layout.HEAP_CHUNK
        words[_CTL["zones"]] = len(memoryview(zones).cast("B")) // layout.SIZES["zone"]
        store = cls(ctl, buckets, heap, zones)
        for name, ref in write_builtin(store.heap).items():
            store.set(name, ref)
        words[_CTL["magic"]] = layout.STORE_MAGIC & FOREVER
        words[_CTL["magic"] + 1] = layout.STORE_MAGIC >> 32
        return store

    @classmethod
    def over(cls, ctl: Buffer, buckets: Buffer, heap: Buffer, zones: Buffer, *, known: bool = False) -> Store:
        """Return the store that others write in these buffers, for reading; known: its zones need not be looked for."""
        words = memoryview(ctl).cast("B").cast("I")
        magic = words[_CTL["magic"]] | words[_CTL["magic"] + 1] << 32
        if magic != layout.STORE_MAGIC or words[_CTL["format"]] != layout.STORE_FORMAT:
            raise StateError("the arrays hold no answer store of this version; compile the zones into new ones")
        store = cls(ctl, buckets, heap, zones)
        if not known:
            store.find_zones()
        return store

    def adopt(self, other: Store, kept: Iterable[str]) -> None:
        """Take over what is known of another store whose heap is here too; the words `kept` of ctl stay."""
        words = [_CTL[name] for name in kept] + [_CTL[name] + half for name in _OF_THE_ARRAYS for half in (0, 1)]
        mine = [(at, self.ctl[at]) for at in words]
        self.ctl[:] = other.ctl
        for at, value in mine:
            self.ctl[at] = value
        self.seed = other.seed
        self.heap.adopt(other.heap)
        self.depths = other.depths
        self.numbers = other.numbers
        self._free_numbers = []
        self.states = other.states
        self.outside = other.outside
        self.abandoned = other.abandoned

    def close(self) -> None:
        """Release the buffers, whose memory goes when nobody else looks at it; the store is of no use afterwards."""
        for view in (self.ctl, self.octets, self.words, self.zone_octets, self.zones, self.index.words, *self.buffers):
            if isinstance(view, memoryview):
                with suppress(BufferError):
                    view.release()
        self.states = States()

    def find_zones(self) -> None:
        """Learn the origins of the served zones from the zone table."""
        for number in range(1, self.zone_slots):
            if self.zones[number * _ZONE_WORDS + ZONE_STATE_WORD]:
                self.numbers[self.name_at(self.slot(number)[ZONE_SLOT_APEX_PLACE])] = number

    # ctl

    def get(self, name: str) -> int:
        """Return one u32 of ctl."""
        return self.ctl[_CTL[name]]

    def set(self, name: str, value: int) -> None:
        """Set one u32 of ctl."""
        self.ctl[_CTL[name]] = value

    @contextmanager
    def flipping(self) -> Iterator[None]:
        """Make readers repeat what they do inside the `with` block, where the sequence is odd. May be nested."""
        at = _CTL["flips"]
        before = self.ctl[at]
        if before & 1:
            yield
            return
        self.ctl[at] = (before + 1) & FOREVER
        try:
            yield
        finally:
            self.ctl[at] = (before + 2) & FOREVER

    # the zone table

    def zone_word(self, number: int, name: str) -> int:
        """Return a u32 of a row of the zone table."""
        return self.zones[number * _ZONE_WORDS + layout.OFFSETS["zone"][name] // 4]

    def set_zone_word(self, number: int, name: str, value: int) -> None:
        """Set a u32 of a row of the zone table."""
        self.zones[number * _ZONE_WORDS + layout.OFFSETS["zone"][name] // 4] = value

    def zone_byte(self, number: int, name: str) -> int:
        """Return a u8 of a row of the zone table."""
        return self.zone_octets[number * ZONE_SIZE + layout.OFFSETS["zone"][name]]

    def set_expiry(self, number: int, boottime_ns: int) -> None:
        """Set when a zone expires, in CLOCK_BOOTTIME nanoseconds; 0 is never."""
        at = number * _ZONE_WORDS + layout.OFFSETS["zone"]["expiry_ns"] // 4
        with self.flipping():
            self.zones[at] = boottime_ns & FOREVER
            self.zones[at + 1] = boottime_ns >> 32

    def expiry(self, number: int) -> int:
        """Return when a zone expires, in CLOCK_BOOTTIME nanoseconds; 0 is never."""
        at = number * _ZONE_WORDS + layout.OFFSETS["zone"]["expiry_ns"] // 4
        return self.zones[at] | self.zones[at + 1] << 32

    def slot(self, number: int, version: int | None = None) -> tuple[int, ...]:
        """Return serial, apex, two nxdomain, two nodata, denial, SOA fragment of the current or a given version."""
        if version is None:
            version = self.zones[number * _ZONE_WORDS + ZONE_VERSION_WORD]
        at = (number * _ZONE_WORDS + ZONE_SLOT_WORD) * 4 + (version & 1) * layout.SIZES["zone_slot"]
        return layout.ZONE_SLOT.unpack_from(self.zone_octets, at)

    def set_slot(self, number: int, version: int, values: tuple[int, ...]) -> None:
        """Fill the slot of a version that is not visible yet."""
        at = (number * _ZONE_WORDS + ZONE_SLOT_WORD) * 4 + (version & 1) * layout.SIZES["zone_slot"]
        layout.ZONE_SLOT.pack_into(self.zone_octets, at, *values)

    def zone_number(self, origin: bytes, labels: int) -> int:
        """Return the row of a zone, a new one if it has none yet."""
        number = self.numbers.get(origin)
        if number is None:
            number = self.take_number(origin)
            at = number * ZONE_SIZE
            self.zone_octets[at : at + layout.SIZES["zone"]] = bytes(layout.SIZES["zone"])
            self.zone_octets[at + ZONE_APEX_LEN_AT] = len(origin)
            self.zone_octets[at + ZONE_APEX_LABELS_AT] = labels
            if len(origin) <= SUFFIX_MAX:
                self.zone_octets[at + ZONE_SUFFIX_LEN_AT] = len(origin)
                self.zone_octets[at + ZONE_SUFFIX_AT : at + ZONE_SUFFIX_AT + len(origin)] = origin
        return number

    def take_number(self, origin: bytes) -> int:
        """Give a zone without a row one, which the caller has to fill."""
        if not self._free_numbers:
            taken = set(self.numbers.values())
            self._free_numbers = [number for number in range(self.zone_slots - 1, 0, -1) if number not in taken]
        if not self._free_numbers:
            raise StoreFull(f"the zone table has {self.zone_slots - 1} rows; create the store with more")
        number = self.numbers[origin] = self._free_numbers.pop()
        return number

    def forget_zone(self, origin: bytes) -> None:
        """Make the row of a zone free for another one."""
        self._free_numbers.append(self.numbers.pop(origin))

    def give_row(self, number: int) -> None:
        """Make a row free that no zone has any more."""
        self._free_numbers.append(number)

    def set_scheme(self, number: int, scheme: int) -> None:
        """Set the denial scheme of a zone."""
        self.zone_octets[number * ZONE_SIZE + ZONE_SCHEME_AT] = scheme

    # nodes

    def suffix(self, number: int) -> bytes:
        """Return what owner names in the nodes of a zone leave out."""
        at = number * ZONE_SIZE
        return bytes(
            self.zone_octets[at + ZONE_SUFFIX_AT : at + ZONE_SUFFIX_AT + self.zone_octets[at + ZONE_SUFFIX_LEN_AT]]
        )

    def name_at(self, ref: int) -> bytes:
        """Return the folded name of a node."""
        at = ref * GRANULE
        start = at + name_offset(self.octets[at + NODE_FLAGS_AT])
        return bytes(self.octets[start : start + self.octets[at + NODE_NAME_LEN_AT]]) + self.suffix(
            self.words[ref * GRANULE_WORDS + NODE_ZONE_WORD]
        )

    def is_named(self, ref: int, name: bytes) -> bool:
        """Return whether a folded name is that of a node."""
        at = ref * GRANULE
        length = self.octets[at + NODE_NAME_LEN_AT]
        start = at + name_offset(self.octets[at + NODE_FLAGS_AT])
        return self.octets[start : start + length] == name[:length] and name[length:] == self.suffix(
            self.words[ref * GRANULE_WORDS + NODE_ZONE_WORD]
        )

    def node(self, ref: int) -> tuple[int, ...]:
        """Return the fields of a node, in the order of layout.NODE; of a cut, wildcard and denial are 0."""
        fields = NODE.unpack_from(self.octets, ref * GRANULE)
        return (*fields[:NODE_WILDCARD_PLACE], 0, 0) if fields[NODE_FLAGS_PLACE] & NODE_CUT else fields

    def visible(self, ref: int) -> bool:
        """Return whether a node belongs to the current version of its zone."""
        first = ref * GRANULE_WORDS
        zone, start, until = self.words[first + NODE_ZONE_WORD : first + NODE_NEXT_WORD]
        return bool(start <= self.zones[zone * _ZONE_WORDS + ZONE_VERSION_WORD] < until)

    def chain(self, f: int) -> Iterator[int]:
        """Yield the nodes under one index entry."""
        ref = self.index.find(f)
        while ref:
            yield ref
            ref = self.words[ref * GRANULE_WORDS + NODE_NEXT_WORD]

    def find_node(self, name: bytes, h: int | None = None) -> int:
        """Return the first visible node of a folded name, 0 if there is none; `h` is its hash if that is known."""
        if name == b"\0":
            return self.get("root")
        f = hashing.spread(hashing.name_hash(self.seed, name) if h is None else h)
        for ref in self.chain(f):
            if self.visible(ref) and self.is_named(ref, name):
                return ref
        return 0

    def nodes_of(self, name: bytes) -> list[int]:
        """Return all visible nodes of a folded name but the root, first the one that questions find."""
        f = hashing.spread(hashing.name_hash(self.seed, name))
        return [ref for ref in self.chain(f) if self.visible(ref) and self.is_named(ref, name)]

    def _chain_hashes(self, ref: int) -> list[int]:
        found = []
        while ref:
            found.append(hashing.spread(hashing.name_hash(self.seed, self.name_at(ref))))
            ref = self.words[ref * GRANULE_WORDS + NODE_NEXT_WORD]
        return found

    def insert(self, ref: int, h: int) -> None:
        """Hang a node of a name with hash h into the index: an apex before a cut, that before OUTSIDE."""
        f = hashing.spread(h)
        index = self.index
        at = index.place(f)
        if at:
            self._join(ref, f, at)
        else:
            index.insert(f, ref)
        self.depths[self.octets[ref * GRANULE + NODE_LABELS_AT]] += 1

    def _join(self, ref: int, f: int, at: int) -> None:
        """Hang a node into the chain whose word is at a place of the index."""
        index, words = self.index, self.words
        rank = self._rank(ref)
        previous, current, length = 0, index.words[at] & FOREVER, 1
        while current and self._rank(current) < rank:
            previous, current, length = current, words[current * GRANULE_WORDS + NODE_NEXT_WORD], length + 1
        words[ref * GRANULE_WORDS + NODE_NEXT_WORD] = current
        while current:
            current, length = words[current * GRANULE_WORDS + NODE_NEXT_WORD], length + 1
        if length > layout.CHAIN_MAX:
            raise StoreFull(f"a chain has {length} records; create the store with another seed")
        if previous:
            words[previous * GRANULE_WORDS + NODE_NEXT_WORD] = ref
        else:
            index.words[at] = (f & FOREVER) << 32 | ref
        index.join(f, at)

    def _rank(self, ref: int) -> int:
        flags = self.octets[ref * GRANULE + NODE_FLAGS_AT]
        return 2 if flags & NODE_OUTSIDE else 1 if flags & NODE_CUT else 0

    def unlink(self, ref: int) -> None:
        """Take a node out of the index; its room stays as it is until the grace period has passed."""
        name = self.name_at(ref)
        f = hashing.spread(hashing.name_hash(self.seed, name))
        words = self.words
        at = self.index.place(f)
        previous, current = 0, (self.index.words[at] & FOREVER) if at else 0
        while current and current != ref:
            previous, current = current, words[current * GRANULE_WORDS + NODE_NEXT_WORD]
        if not current:
            return
        after = words[ref * GRANULE_WORDS + NODE_NEXT_WORD]
        head = self.index.words[at] & FOREVER
        if previous:
            words[previous * GRANULE_WORDS + NODE_NEXT_WORD] = after
        else:
            head = after
        self.index.leave(f, at, head)
        self.depths[self.octets[ref * GRANULE + NODE_LABELS_AT]] -= 1

    def expire_node(self, ref: int, version: int) -> None:
        """End a node before a version."""
        self.words[ref * GRANULE_WORDS + NODE_UNTIL_WORD] = version

    def note_depths(self) -> None:
        """Write for the program how deep it must look, and where to look first: where most names are."""
        used = [depth for depth, count in enumerate(self.depths) if count]
        self.set("max_depth", max(used, default=0))
        self.set("min_depth", min(used, default=0))
        self.set("hint_depth", max(used, key=lambda depth: self.depths[depth], default=0))
        self.set("nodes", sum(self.depths))
        self.set("heap_next", self.heap.highest)

    def reclaim(self, retired: Retired) -> None:
        """Free the room of replaced versions; the grace period must have passed."""
        for start, end in (*retired.extents, *self.abandoned):
            self.heap.give_back(start, end)
        retired.extents = []
        self.abandoned = []

    def arena(self, expected: int = 4096) -> Arena:
        """Return an arena for a zone version of about `expected` octets."""
        return Arena(self.heap, expected)
