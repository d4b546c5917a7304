# SPDX-License-Identifier: GPL-3.0-or-later
"""An import of a text, and our configuration that comes of it, read by the real loader."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.config.load import load_config
from appliance.config.schema import Config, ZoneEntry
from appliance.migration.run import carry

SECRET = "K2tf3TRjvQkVCmJF3/Z9vA=="


@dataclass(frozen=True)
class Carried:
    """What came of an import."""

    config: Config
    result: dict[str, Any]

    @property
    def left(self) -> dict[str, str]:
        """Return the reasons for which zones are left out, by zone."""
        return {one["zone"]: one["reason"] for one in self.result["left_out"]}

    @property
    def not_carried(self) -> dict[str, str]:
        """Return the reasons for which settings are not carried over, by setting."""
        return {one["what"]: one["reason"] for one in self.result["not_carried"]}

    def line(self, what: str) -> int:
        """Return the line of a setting that is not carried over."""
        return next(int(one["line"]) for one in self.result["not_carried"] if one["what"] == what)

    def zone(self, name: str) -> ZoneEntry:
        """Return a zone of ours, with what its pattern gives."""
        return next(zone for zone in self.config.zone if zone.name == name)

    @property
    def acls(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return addresses and keys of each ACL."""
        return {one.name: (one.addresses, one.keys) for one in self.config.acl}


def carried(folder: Path, program: str, text: str, public: Collection[str] = ()) -> Carried:
    """Import a text as a configuration of a program."""
    file = folder / "old.conf"
    file.write_text(text)
    output = folder / "made" / "appliance.toml"
    output.parent.mkdir(exist_ok=True)
    result = carry(file, program, output, public, force=True)
    return Carried(load_config(output), result)
