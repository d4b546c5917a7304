# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small zones that get another text, which some of them share: copied beside the versions that are served.

The new version has a row of its own, and one flip shows it and hides the old row: readers see one of the two, whole.
"""

from __future__ import annotations

from array import array

from appliance.compiler.neighbours.world import World
from appliance.compiler.show import show
from appliance.compiler.template.copies import Copier, Template
from appliance.compiler.template.template import Make, Shape, Templates
from appliance.store.heap import Extent
from appliance.store.layout import SCHEME_UNSIGNED, ZONE_EMPTY, ZONE_SERVING
from appliance.store.states import CopyState, ZoneState
from appliance.store.store import Store, StoreFull


class Replacements(Templates):
    """Puts zones into a store that is being served, new ones and new versions of others."""

    def __init__(self, world: World) -> None:
        """Replace zones of a world; nothing is retired yet."""
        super().__init__(world)
        self._retired: list[Extent] = []

    def take_retired(self) -> list[Extent]:
        """Return the room of old versions since the last call, for Store.reclaim after the grace period."""
        retired, self._retired = self._retired, []
        return retired

    def put(self, origin: bytes, text: bytes, make: Make) -> Shape | None:
        """Serve a zone, or a new version of one; None where it must be compiled by itself.

        Raises StoreFull, which leaves the version that was there.
        """
        store, world = self.store, self.world
        number = store.numbers.get(origin)
        if number is None:
            return super().put(origin, text, make)
        old = store.states.get(number)
        if old is None or origin in world.loading or (isinstance(old, ZoneState) and old.ended):
            return None
        shape = self.shape(origin, text, make)
        if shape is None or world.origins.leads_down(origin) or world.touched_by(origin, False):
            return None
        self._replace(shape, origin, number, old)
        return shape

    def _replace(self, shape: Shape, origin: bytes, number: int, old: ZoneState | CopyState) -> None:
        store = self.store
        fresh, start = self.write(shape, origin, origin[origin[0] + 1 :])  # the old row stays taken meanwhile
        assert shape.template is not None
        version = store.zone_word(number, "version") + 1
        ending = _Copied(store, self._copier, shape.template, start, old.nodes, version)
        try:
            ending.leave(self.hang(shape, origin, start, ending.exchange))
        except StoreFull:
            store.numbers[origin] = number
            raise
        if expiry := store.expiry(number):
            store.set_expiry(fresh, expiry)  # of a row that nobody sees yet
        shown = (fresh, 1, ZONE_SERVING, SCHEME_UNSIGNED)
        show(store, (shown, (number, version, ZONE_EMPTY, store.zone_byte(number, "scheme"))), (ending,))
        store.states.pop(number)
        store.states.put_copy(fresh, start, shape.shared)
        store.give_row(number)
        self.world.dependents.note(origin, old.chains, ())
        self._retired += old.release()


class _Copied:
    """The served nodes of a zone whose copy has taken their slots where the names are the same ones."""

    def __init__(
        self, store: Store, copier: Copier, template: Template, start: int, nodes: array[int], version: int
    ) -> None:
        """Compare the copy that starts at a granule with nodes that end before a version."""
        self._store, self._copier, self._template, self._start = store, copier, template, start
        self.nodes = nodes
        self._version = version
        self._same = len(nodes) == template.count and copier.has_names_of(template, start, nodes)
        self.apart: list[int] = [] if self._same else list(nodes)
        """Served nodes that must be taken out of the index one by one."""

    def exchange(self, template: Template, start: int, node: int) -> int:
        """Hang the copy's nodes, from number `node` on, in place of served ones; return the first that cannot go."""
        return self._copier.exchange(template, start, self.nodes, node) if self._same else node

    def leave(self, left: list[int]) -> None:
        """Note which of the copy's nodes, `left`, have not taken the slots of served ones."""
        if self._same:
            self.apart = [self.nodes[node] for node in left]

    def expire(self) -> None:
        """End the served nodes with their version."""
        self._copier.expire(self.nodes, self._version)

    def unlink(self) -> int:
        """Take the served nodes out of the index."""
        for ref in self.apart:
            self._store.unlink(ref)
        if len(self.nodes) == self._template.count:
            self._copier.part(self._template, self._start, self.nodes)  # those behind the copy's
        return len(self.nodes)
