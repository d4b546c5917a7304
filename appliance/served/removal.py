# SPDX-License-Identifier: GPL-3.0-or-later
"""The one rule for the removal of many zones: beyond a share of all, an operator says that it is meant.

A list that was written half, a folder that is not mounted, a template that went wrong: each looks like the removal of
customers. Whoever removes zones asks here first, and what comes of it is shown by `appliance status`.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.errors import StateError
from appliance.wording import visible
from appliance.zone import names

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Removal:
    """Zones that would be removed together, of how many; emptied are the lists and folders that name no zone at all."""

    origins: tuple[bytes, ...]
    of: int
    emptied: tuple[str, ...] = ()
    verb: str = "reload"

    @property
    def number(self) -> str:
        """The number of this very set: count of its zones, and a digest of their names."""
        digest = hashlib.blake2b(b"".join(self.origins), digest_size=4).hexdigest()
        return f"{len(self.origins)}-{digest}"

    def __str__(self) -> str:
        """Return what is held, why, and how it is confirmed."""
        first = ", ".join(names.to_text(origin) for origin in self.origins[:3])
        more = ", …" if len(self.origins) > 3 else ""
        why = f", because {' and '.join(self.emptied)} {_are(len(self.emptied))} empty" if self.emptied else ""
        return (
            f"{len(self.origins)} of {self.of} zones would be removed ({first}{more}){why}: none of them is; "
            f"if that is meant, `appliance {self.verb} --allow-removal {self.number}`"
        )

    def described(self) -> dict[str, Any]:
        """Return the set as the verb status shows it."""
        return {
            "number": self.number,
            "zones": len(self.origins),
            "of": self.of,
            "first": [names.to_text(origin) for origin in self.origins[:_SHOWN]],
            "emptied": list(self.emptied),
            "confirm": f"appliance {self.verb} --allow-removal {self.number}",
        }


class RemovalLimit:
    """How many zones may go at a time; .held is the last set that was too large, until it has gone or changed."""

    def __init__(self, percent: int, least: int, verb: str = "reload") -> None:
        """Allow a share of all zones, and in any case as many as `least`; `verb` is what is asked for once more."""
        self._verb = verb
        self._percent = percent
        self._least = least
        self.held: Removal | None = None

    def judge(
        self, gone: Collection[bytes], of: int, emptied: Sequence[str] = (), allowed: str = ""
    ) -> tuple[bytes, ...]:
        """Return the zones that may be removed: all, or none where that is too many at a time.

        of is how many zones there are, allowed the number of a set that an operator has confirmed. Raises StateError
        where that is the number of another set than this one.
        """
        removal = Removal(tuple(sorted(gone)), of, tuple(emptied), self._verb)
        most = max(self._least, of * self._percent // 100)
        needs = bool(removal.origins) and (len(removal.origins) > most or bool(emptied)) and self._percent < 100
        confirmed = bool(removal.origins) and allowed == removal.number
        self.held = removal if needs and not confirmed else None
        if allowed and not confirmed:
            raise StateError(_other(allowed, removal, needs))
        return removal.origins if self.held is None else ()


def _other(allowed: str, removal: Removal, needs: bool) -> str:
    """Return why the number of a set is of no use."""
    if not removal.origins:
        return f"--allow-removal {visible(allowed)}: no zone is to be removed"
    if not needs:
        count = len(removal.origins)
        enough = f"`appliance {removal.verb}` is enough"
        return f"--allow-removal {visible(allowed)}: {count} zones are to be removed now, for which {enough}"
    return f"--allow-removal {visible(allowed)}: it is another set now, nothing was removed. {removal}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
