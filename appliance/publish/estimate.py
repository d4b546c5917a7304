# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load would take, found by loading into memory that is given back at once."""

import resource
import time
from pathlib import Path
from typing import Any, Final

from appliance.config.load import load_config
from appliance.config.schema import Config
from appliance.errors import ConfigError, StateError, ZoneError
from appliance.publish import nic_path
from appliance.publish.budget import MIB, octets
from appliance.publish.loading import Loading
from appliance.publish.progress import Progress
from appliance.served.memory import own_octets, use_one_arena
from appliance.served.zone_set import from_file, rules_of, wanted
from appliance.served.zones import ServedZone
from appliance.store import layout
from appliance.store.move import room_for
from appliance.store.tally import as_dict, holdings
from appliance.zone import names, types
from appliance.zone.master import scanner

_SERVER: Final = 41 << 20
"""Octets of a server without zones, what its workers share with it included (Debian 12, x86-64).

Nine of them are what it takes to talk to the kernel about interfaces, also where none is to be served.
"""

_WORKER: Final = 5 << 19
"""Octets of its own that each worker has."""

_START_S: Final = 0.3
"""From the command to the first zone file, mostly Python's imports."""


def estimate_zones(config_file: Path) -> dict[str, Any]:
    """Return the figures for all zones of a configuration. Raises ApplianceError."""
    use_one_arena()  # as the server does
    config = load_config(config_file)
    found = wanted(config)
    if not all(found.whole.values()):
        raise ConfigError("\n".join(str(one) for one in found.findings if one.severity == "error"))
    return _estimate(found.zones, config, own_octets())


def estimate_file(file: Path, origin: str, config_file: Path) -> dict[str, Any]:
    """Return the figures for one master file; the bounds are those of the configuration, if there is one."""
    use_one_arena()
    config = load_config(config_file) if config_file.exists() else Config()
    before = own_octets()  # looking for the zone's name in the file takes memory that is no server's
    wire = names.fold(names.from_text(origin)) if origin else _origin_of(file, config)
    served = from_file(rules_of(config)._replace(most=0), wire, str(file))
    return _estimate({wire: served}, config, before)


def _origin_of(file: Path, config: Config) -> bytes:
    """Return the owner of the SOA, which comes first (RFC 1035 §5.2)."""
    records = scanner.scan_file(file, names.ROOT, below=config.server.include_below)
    found = next((record for record in records if record.rtype == types.SOA), None)
    if found is None or (found.owner == names.ROOT and b"@" in file.read_bytes()[:4096]):
        raise StateError(f"{file}: the name of the zone does not stand in it; give it with --zone")
    return names.fold(found.owner)


def _estimate(zones: dict[bytes, ServedZone], config: Config, before: int) -> dict[str, Any]:
    """Return memory in MiB and times in seconds; before is what this process had when nothing was read yet.

    Raises ZoneError for the first zone that cannot be loaded.
    """
    progress = Progress()
    started = time.monotonic()
    try:
        store = Loading(zones, 0, 0, _refuse, progress).run().store
    finally:
        progress.end()
    spent = time.monotonic() - started
    grown = max(0, own_octets() - before)
    on_nic_path = bool(nic_path.wanted(config))
    processes = _SERVER + _WORKER * config.listen.tcp_workers + grown
    arrays = octets(room_for(store))
    used = layout.SIZES["bucket"] * len(store.index.words) // 8 + store.heap.highest * layout.GRANULE
    stays = arrays if on_nic_path else used
    needed = -(-arrays // MIB)
    loading = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    twice = on_nic_path and not (config.store.image and arrays >= config.store.set_aside_mib * MIB)
    moving = used + arrays + processes if twice else 0
    allowed = config.store.memory_mib
    return {
        "zones": len(zones),
        "store_mib": needed,
        "memory_mib": -(-(stays + processes) // MIB),
        "peak_mib": -(-max(loading, moving, stays + processes) // MIB),
        "seconds": round(spent + _START_S, 2),
        "allowed_mib": allowed,
        "fits": not allowed or needed <= allowed,
        "store": as_dict(holdings(store)),
    }


def _refuse(error: ZoneError) -> None:
    raise error
