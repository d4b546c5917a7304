# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of names that finds members above and below a name; the work of each question grows with its answer alone."""

from collections.abc import Iterable, Iterator

from appliance.zone import names


class NameTree:
    """Folded wire names, each linked to the names above it."""

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        self._members: set[bytes] = set()
        self._down: dict[bytes, set[bytes]] = {}
        """For each name strictly above a member, the names one label longer that are members or lead to one."""
        for name in members:
            self.add(name)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, name: bytes) -> bool:
        """Add a name; return whether it is new."""
        if name in self._members:
            return False
        self._members.add(name)
        if name in self._down:
            return True  # linked already, for the sake of a name below
        while name != names.ROOT:
            above = names.parent(name)
            ways = self._down.get(above)
            if ways is not None:
                ways.add(name)
                break
            self._down[above] = {name}
            if above in self._members:
                break
            name = above
        return True

    def discard(self, name: bytes) -> bool:
        """Remove a name; return whether it was there."""
        if name not in self._members:
            return False
        self._members.remove(name)
        while name not in self._down and name not in self._members and name != names.ROOT:
            above = names.parent(name)
            ways = self._down[above]
            ways.remove(name)
            if ways:
                break
            del self._down[above]
            name = above
        return True

    def above(self, name: bytes) -> bytes | None:
        """Return the longest member strictly above a name."""
        return None if name == names.ROOT else self.at_or_above(names.parent(name))

    def at_or_above(self, name: bytes) -> bytes | None:
        """Return the longest member at or above a name."""
        members = self._members
        while name not in members:
            if name == names.ROOT:
                return None
            name = name[name[0] + 1 :]
        return name

    def leads_down(self, name: bytes) -> bool:
        """Return whether any member is strictly below a name."""
        return name in self._down

    def below(self, name: bytes) -> Iterator[bytes]:
        """Yield the members strictly below a name."""
        waiting = list(self._down.get(name, ()))
        while waiting:
            found = waiting.pop()
            if found in self._members:
                yield found
            waiting.extend(self._down.get(found, ()))

    def between(self, name: bytes) -> Iterator[bytes]:
        """Yield the names below a name and above the members nearest below it, which are no members themselves."""
        waiting = list(self._down.get(name, ()))
        while waiting:
            found = waiting.pop()
            if found not in self._members:
                yield found
                waiting.extend(self._down[found])
