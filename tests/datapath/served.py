# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones that the program is asked about: as the product loads them, and as the oracle reads them."""

from pathlib import Path

from appliance.zone import names
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from tests.reference.zone import ReferenceZone

FOLDER = Path(__file__).parent / "zones"
SIGNED = ("signed.test.", "nsec3.test.", "optout.test.")
HEAVY = "heavy.test."  # more NSEC3 iterations than the program computes
SERVED = ("table.test.", "child.table.test.", "expired.test.", *SIGNED, HEAVY)
EXPIRED = "expired.test."
WIDE_TYPES = 130  # more than the program looks through
LARGEST = 1250  # octets of RDATA: more than fits


def wide_zone() -> str:
    """Return a zone with a name of 130 types and one of 128."""
    lines = ["$ORIGIN wide.test.", "$TTL 60", "@ SOA ns1 hostmaster 1 2 3 4 5", "@ NS ns1", "ns1 A 192.0.2.1"]
    lines += [f"beyond TYPE{65000 + i} \\# 2 {i:04X}" for i in range(WIDE_TYPES)]
    lines += [f"within TYPE{65000 + i} \\# 2 {i:04X}" for i in range(128)]
    return "\n".join(lines) + "\n"


def sizes_zone() -> str:
    """Return a zone whose name s<nnnn> has TXT RDATA of n octets."""
    lines = ["$ORIGIN sizes.test.", "$TTL 60", "@ SOA ns1 hostmaster 1 2 3 4 5", "@ NS ns1", "ns1 A 192.0.2.1"]
    for size in range(1, LARGEST + 1):
        whole, rest = divmod(size, 256)
        strings = [255] * whole + ([rest - 1] if rest else [])
        lines.append(f"s{size:04} TXT " + " ".join(f'"{chr(97 + size % 26) * length}"' for length in strings))
    return "\n".join(lines) + "\n"


def texts() -> dict[str, str]:
    """Return the master files by origin."""
    found = {origin: (FOLDER / f"{origin}zone").read_text() for origin in SERVED}
    found["wide.test."] = wide_zone()
    found["sizes.test."] = sizes_zone()
    return found


def load(text: str, origin: str, folder: Path) -> Zone:
    """Load a zone the product's way."""
    path = folder / f"{origin}zone"
    path.write_text(text)
    return load_zone(path, names.from_text(origin))


def read_both(folder: Path) -> tuple[list[Zone], list[ReferenceZone]]:
    """Return all zones as the product sees them and as the oracle does."""
    both: list[tuple[Zone, ReferenceZone]] = [
        (load(text, origin, folder), ReferenceZone.from_text(text, origin)) for origin, text in texts().items()
    ]
    return [zone for zone, _ in both], [reference for _, reference in both]


def versioned(origin: str, serial: int, hosts: int = 8) -> str:
    """Return a zone every record of which says which version it is from."""
    stamp = f"10.{serial >> 16 & 255}.{serial >> 8 & 255}.{serial & 255}"
    lines = [f"$ORIGIN {origin}", "$TTL 60", f"@ SOA v{serial} hostmaster {serial} 7200 900 1209600 60"]
    lines += [f"@ NS v{serial}", f"v{serial} A {stamp}", f'@ TXT "{serial}"', f"*.wild A {stamp}", f"cut NS v{serial}"]
    lines += [f"host{i} A {stamp}" for i in range(hosts)]
    lines += [f'host{i} TXT "{serial}"' for i in range(hosts)]
    return "\n".join(lines) + "\n"
