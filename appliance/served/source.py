# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the content of a zone comes from: whoever loads, compiles anew or saves asks this, and opens no path itself."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from appliance.zone.checks.levels import DEFAULTS, Levels
from appliance.zone.master.files import Batch, Files
from appliance.zone.model import Zone


class Rules(NamedTuple):
    """What holds for every zone of a configuration; one object for all of them."""

    checks: Levels = DEFAULTS
    most: int = 0
    """Octets of packed records behind which reading stops; 0 is no bound."""
    below: tuple[str, ...] = ()
    """Folders that files are included from; none: that of the zone's file."""


class ZoneSource(ABC):
    """One zone's source: a master file, what is served of a zone, later a transfer."""

    __slots__ = ()

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the content is, in words or as a path, for people."""

    def is_from(self, at: object) -> bool:
        """Return whether its content surely comes from a place that a configuration names."""
        return False

    def judge_by(self, rules: Rules) -> None:  # noqa: B027 - most have nothing to note
        """Take other rules for what is read from now on."""

    @abstractmethod
    def read(self) -> Zone:
        """Return the zone that is there now, with its digest where that is cheap. Raises ApplianceError."""

    @abstractmethod
    def again(self, digest: bytes, serial: int | None) -> Zone | None:
        """Return the version with a digest, or with a serial where no digest is known; None if it is not there now."""

    @abstractmethod
    def identity(self) -> bytes | None:
        """Return what tells later whether the content is what was read last; None where nothing would.

        Has `stamps.OCTETS` octets.
        """

    @abstractmethod
    def recall(self, identity: bytes) -> bool:
        """Take the identity that an earlier process noted; return whether the content is still the same."""

    @abstractmethod
    def changed(self) -> bool:
        """Return whether the content surely is another than was read last."""

    @abstractmethod
    def settled(self) -> bool:
        """Return whether `changed` can be trusted when it says no."""

    @abstractmethod
    def forget(self) -> None:
        """Forget what was read."""

    @abstractmethod
    def is_large(self) -> bool:
        """Return whether what was read last is too large to be kept as it is."""

    @abstractmethod
    def small_text(self) -> bytes | None:
        """Return the content now, if it is a text that is kept as it is."""

    @abstractmethod
    def doubt(self) -> None:
        """Make the next reload look into the content, whatever `changed` says."""

    @abstractmethod
    def size(self, files: Files) -> int:
        """Return the octets that there are to read, 0 if there is nothing."""

    @abstractmethod
    def name_in(self, batch: Batch) -> None:
        """Add the content to a batch of reads; a source that cannot be read so takes its number and gives None."""

    @abstractmethod
    def text(self, files: Batch, number: int) -> bytes | None:
        """Return the whole content, one of a batch, if it is a small text, noted as read; else None."""

    @abstractmethod
    def made_from(self, text: bytes, origin: bytes) -> Zone:
        """Return the zone that a text, which was read before, is under an origin. Raises ApplianceError."""
