# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of a zone is in proportion to its text: function calls, octets of memory and of the store, counted.

Each shape is checked and compiled at one size and at twice that; what doubles the text doubles the rest, more or less.
"""

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.compiler.expected import capacity, expected_octets
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.store.store import Store
from appliance.zone import names
from appliance.zone.check import check_zone
from appliance.zone.load import load_zone

pytestmark = pytest.mark.unit

ORIGIN = names.from_text("example.")
APEX = "$TTL 300\n@ SOA ns.other. host.other. 7 7200 900 90000 300\n@ NS ns.other.\n@ NS ns2.other.\n"
SMALL = 150
"""The first size; what is quadratic shows at that already."""
GROWTH = 2.6
"""How much more twice the text may cost; four times is quadratic, and logarithms and tables that grow add a little."""


def nsec(n: int) -> str:
    """Return names without NSECs in a zone that claims to have them, so that each looks for the one before."""
    return "@ NSEC @ SOA NS NSEC\n" + "".join(f"x.e{i} A 192.0.2.1\n" for i in range(n))


SHAPES: dict[str, Callable[[int], str]] = {
    "names of 116 labels": lambda n: "".join(f"{'a.' * 110}k{i} A 192.0.2.1\n" for i in range(n // 25)),
    "names of 116 labels below wildcards": lambda n: "".join(
        f"*.{'a.' * 110}k{i} A 192.0.2.1\n" for i in range(n // 25)
    ),
    "one alias chain": lambda n: "".join(f"c{i} CNAME c{i + 1}\n" for i in range(n)),
    "an alias loop": lambda n: "".join(f"c{i} CNAME c{(i + 1) % n}\n" for i in range(n)),
    "aliases of one target": lambda n: "t A 192.0.2.1\n" + "".join(f"c{i} CNAME t\n" for i in range(n)),
    "aliases of a large target": lambda n: addresses("t", 8 * n) + "".join(f"c{i} CNAME t\n" for i in range(n)),
    "aliases of many types": lambda n: kinds("t", 4 * n) + "".join(f"c{i} CNAME t\n" for i in range(n // 4)),
    "aliases of long text": lambda n: text("t", 2 * n) + "".join(f"c{i} CNAME t\n" for i in range(n)),
    "aliases into a mesh of DNAMEs": lambda n: "".join(
        f"d{i} DNAME d{(i * 7 + 1) % n}\nc{i} CNAME x.d{i}\n" for i in range(n)
    ),
    "records of one RRset": lambda n: addresses("t", 4 * n),
    "types of one name": lambda n: kinds("t", min(n // 3, 190)),
    "mail for one large name": lambda n: addresses("t", n) + "".join(f"m{i} MX 1 t\n" for i in range(n)),
    "cuts with one set of servers": lambda n: addresses("ns", 3) + "".join(f"z{i} NS ns\n" for i in range(n)),
    "cuts that share large glue": lambda n: (
        addresses("ns", n) + "".join(f"z{i} NS ns\nz{i} NS n{i}\n" for i in range(n))
    ),
    "cuts below cuts": lambda n: "".join(f"{'a.' * (i % 100)}z{i // 100} NS n{i}\n" for i in range(n)),
    "a name below a wildcard": lambda n: "* A 192.0.2.1\n" + "".join(f"x{i}.y{i} A 192.0.2.1\n" for i in range(n)),
    "long text": lambda n: "".join(
        f"t{i} TXT {' '.join([chr(34) + 'x' * 250 + chr(34)] * 20)}\n" for i in range(n // 10)
    ),
    "directives": lambda n: "".join(
        f"$TTL {i}\n$ORIGIN o{i}.example.\nx A 192.0.2.1\n$ORIGIN p\ny A 192.0.2.1\n" for i in range(n)
    ),
    "the same record again": lambda n: "t A 192.0.2.1\n" * n,
    "names without NSECs": nsec,
}


def addresses(owner: str, n: int) -> str:
    return "".join(f"{owner} A 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n" for i in range(n))


def kinds(owner: str, n: int) -> str:
    return "".join(f"{owner} TYPE{1000 + i} \\# 64 {'00' * 64}\n" for i in range(min(n, 190)))


def text(owner: str, n: int) -> str:
    return "".join(f'{owner} TXT "{i:04d}{"x" * 100}"\n' for i in range(n))


class Counting:
    """Counts calls of Python functions and of compiled ones, which do not depend on how busy the machine is."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> "Counting":
        sys.setprofile(self._note)
        return self

    def _note(self, frame: Any, event: str, argument: Any) -> None:
        self.calls += event in ("call", "c_call")

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)


def cost(folder: Path, shape: str, n: int) -> dict[str, int]:
    """Return what a zone of a shape costs."""
    path = folder / "zone"
    path.write_text(APEX + SHAPES[shape](n))
    with Counting() as checking:
        check_zone(path, ORIGIN)
    zone = load_zone(path, ORIGIN)
    assert expected_octets(zone) < 600 * path.stat().st_size + 8192
    store = Store.sized(capacity([zone]).grown(1), 1)
    with Counting() as compiling:
        compile_zones(World(store), [zone])
    tracemalloc.start()
    try:
        load_zone(path, ORIGIN)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return {
        "text": path.stat().st_size,
        "calls to check": checking.calls,
        "calls to compile": compiling.calls,
        "octets of the store": store.heap.highest * 16,
        "octets to load": peak,
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_text_costs_twice_as_much(shape: str, tmp_path: Path) -> None:
    small, large = cost(tmp_path, shape, SMALL), cost(tmp_path, shape, 2 * SMALL)
    growth = large["text"] / small["text"] / 2
    floor = {"octets of the store": 1 << 16, "octets to load": 1 << 17}
    for what, value in small.items():
        spare = floor.get(what, 2000)
        assert large[what] <= GROWTH * max(1, growth) * value + spare, (what, small, large)
