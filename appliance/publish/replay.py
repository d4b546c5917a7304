# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that come while a store is compiled anew, to be made there too before it takes over."""

from typing import Final

from appliance.compiler.change.change import Changed
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import remove_zone, replace_zone
from appliance.errors import StateError
from appliance.store.layout import ZONE_SLOT_SERIAL_PLACE
from appliance.store.store import Store
from appliance.zone import names
from appliance.zone.model import Zone

_MOST: Final = 1000
"""Most zones whose models are kept; where more change, the new store is given up."""


class Replay:
    """The changes since a moment: for each zone its newest version, and its difference from the one of that moment."""

    def __init__(self) -> None:
        self._versions: dict[bytes, Zone | None] = {}
        self._changed: dict[bytes, dict[bytes, set[int]] | None] = {}
        """Types by owner that differ between then and now at most; None where the whole zone may."""

    def __len__(self) -> int:
        return len(self._versions)

    def replaced(self, zone: Zone, changed: Changed | None) -> None:
        """Note a new version of a zone, and in what it differs from the one before, if that is known."""
        origin = zone.origin
        before = self._changed.get(origin, {})
        if changed is None or before is None:
            self._changed[origin] = None
        else:
            self._changed[origin] = {
                name: before.get(name, set()) | changed.get(name, set()) for name in {*before, *changed}
            }
        self._versions[origin] = zone

    def removed(self, origin: bytes) -> None:
        """Note that a zone is not served any more."""
        self._versions[origin] = self._changed[origin] = None

    def follow(self, world: World, others: set[bytes]) -> None:
        """Make the changes in a store of what was served then; `others` are zones that it has in another version.

        Raises StateError where that does not lead to what is served now, and ApplianceError as the changes do.
        """
        if len(self._versions) > _MOST:
            raise StateError(f"too many zones have changed meanwhile: {len(self._versions)}")
        if unknown := others - self._versions.keys():
            raise StateError(f"the file of zone {names.to_text(min(unknown))} is not what is served")
        for origin, zone in self._versions.items():
            if zone is not None:
                changed = None if origin in others else self._changed[origin]
                world.store.reclaim(replace_zone(world, zone, changed))
            elif origin in world.store.numbers:
                world.store.reclaim(remove_zone(world, origin))


def check_same(store: Store, served: Store) -> None:
    """Raise StateError unless a store has the zones that are served, in the same versions and states."""
    if store.numbers.keys() != served.numbers.keys():
        raise StateError("other zones are served")
    for origin, number in served.numbers.items():
        new = store.numbers[origin]
        same = store.zone_word(new, "state") == served.zone_word(number, "state")
        same &= store.slot(new)[ZONE_SLOT_SERIAL_PLACE] == served.slot(number)[ZONE_SLOT_SERIAL_PLACE]
        if not same or store.expiry(new) != served.expiry(number):
            raise StateError(f"zone {names.to_text(origin)} is served in another version")
