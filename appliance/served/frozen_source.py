# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of a frozen zone: what is kept of it, whatever its file says; the file itself where nothing is kept."""

import logging
from collections.abc import Callable

from appliance.errors import ZoneError
from appliance.served import stamps
from appliance.served.source import Rules, ZoneSource
from appliance.zone.master.files import Batch, Files
from appliance.zone.model import Zone

_log = logging.getLogger(__name__)


class FrozenSource(ZoneSource):
    """What is kept of one zone, instead of the source beneath it, which is read again when the zone is thawed."""

    __slots__ = ("_kept", "beneath", "digest", "is_lost")

    def __init__(self, beneath: ZoneSource, digest: bytes, kept: Callable[[bytes], Zone | None]) -> None:
        """Stand for the version that has a digest; `kept` returns it, or None."""
        self.beneath = beneath
        self.digest = digest
        self.is_lost = False
        """Whether the version is kept no more, and the zone is that of its file."""
        self._kept = kept

    @property
    def place(self) -> str:
        return self.beneath.place

    def is_from(self, at: object) -> bool:
        return self.beneath.is_from(at)

    def judge_by(self, rules: Rules) -> None:
        self.beneath.judge_by(rules)

    def read(self) -> Zone:
        zone = self._kept(self.digest) if self.digest else None
        if zone is None:
            self.is_lost = True
            _log.error("the frozen version of the zone in %s is kept no more: its file is read", self.place)
            return self.beneath.read()
        return zone

    def again(self, digest: bytes, serial: int | None) -> Zone | None:
        return self._kept(digest) if digest and digest == self.digest else None

    def identity(self) -> bytes | None:
        return (self.digest * 2).ljust(stamps.OCTETS, b"\0")[: stamps.OCTETS] if self.digest else None

    def recall(self, identity: bytes) -> bool:
        return identity == self.identity()

    def changed(self) -> bool:
        return False

    def settled(self) -> bool:
        return True

    def forget(self) -> None:
        """Keep what is served: it does not come from the file."""

    def is_large(self) -> bool:
        return True  # what is kept of it is written as records, whatever its size

    def small_text(self) -> bytes | None:
        return None

    def doubt(self) -> None:
        """Do nothing: the file is not what is served."""

    def size(self, files: Files) -> int:
        return 0

    def name_in(self, batch: Batch) -> None:
        self.beneath.name_in(batch)

    def text(self, files: Batch, number: int) -> bytes | None:
        return None

    def made_from(self, text: bytes, origin: bytes) -> Zone:
        raise ZoneError(f"{self.place}: the zone is frozen, its file is not read")
