# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the configuration by their names in the file."""

from typing import Final

from appliance.config.schema import (
    Acl,
    Checks,
    Control,
    ControlClient,
    Health,
    Interface,
    Journal,
    Key,
    Limits,
    Listen,
    Pattern,
    Remote,
    Section,
    Server,
    Storage,
    ZoneEntry,
)

TABLES: Final[dict[str, type[Section]]] = {
    "server": Server,
    "listen": Listen,
    "limits": Limits,
    "checks": Checks,
    "store": Storage,
    "journal": Journal,
    "health": Health,
    "control": Control,
}
ARRAYS: Final[dict[str, type[Section]]] = {
    "interface": Interface,
    "control_client": ControlClient,
    "key": Key,
    "remote": Remote,
    "acl": Acl,
    "pattern": Pattern,
    "zone": ZoneEntry,
}
PATHS: Final[dict[str, tuple[str, ...]]] = {
    "server": ("run_dir", "state_dir", "control_socket", "read_socket", "include_below"),
    "control": ("folder",),
    "key": ("secret_file",),
    "pattern": ("file", "zones"),
    "zone": ("file",),
}
"""Keys whose values are paths; relative ones start at the folder of the file that they stand in."""
