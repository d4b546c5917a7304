# SPDX-License-Identifier: GPL-3.0-or-later
"""What `appliance estimate` says before is what a server takes then."""

import random
import re
from pathlib import Path

import pytest

from tests.harness.served import configuration, decoded, serving

pytestmark = pytest.mark.unit

CUTS = 100_000


def registry() -> str:
    """Return a zone whose store takes about as much memory as the processes do."""
    chance = random.Random(5)
    lines = ["$TTL 300", "@ SOA ns root 1 3600 900 1209600 300", "@ NS ns", "ns A 192.0.2.1"]
    for number in range(CUTS):
        name = f"customer-{number:06d}"
        lines += [f"{name} NS ns{server}.provider{chance.randrange(30_000)}.test." for server in (1, 2)]
    return "\n".join(lines) + "\n"


def memory_mib(pid: int) -> float:
    """Return what a process and its children take, pages that several of them have divided among these."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = 0
    for one in (pid, *map(int, found)):
        text = Path(f"/proc/{one}/smaps_rollup").read_text()
        kinds = dict(re.findall(r"^(Pss_Anon|Pss_Shmem): +(\d+)", text, re.MULTILINE))
        total += int(kinds["Pss_Anon"]) + int(kinds["Pss_Shmem"])
    return total / 1024


def test_memory(tmp_path: Path) -> None:
    (tmp_path / "example.zone").write_text(registry())
    (tmp_path / "other.zone").write_text("$ORIGIN example.\n" + registry())
    (tmp_path / "appliance.toml").write_text(configuration("example."))
    with serving(tmp_path) as served:
        taken = memory_mib(served.process.pid)
        store = served.ask("stats")["store"]
        told = decoded(served.command("estimate", "--json"))
    assert told["store"] == {**store, "free_octets": told["store"]["free_octets"]}
    # Libraries are left out on the server's side: other programs share them, as many as happen to run.
    assert told["memory_mib"] == pytest.approx(taken, rel=0.1)
    assert told["peak_mib"] >= told["memory_mib"]
    # About the same in whatever way the zone is given, since each load is measured by itself; looking for the name in
    # the file comes first in the last one, and is no server's memory.
    of_file = decoded(served.command("estimate", str(tmp_path / "example.zone"), "--zone", "example.", "--json"))
    nameless = decoded(served.command("estimate", str(tmp_path / "other.zone"), "--json"))
    assert of_file["memory_mib"] == pytest.approx(told["memory_mib"], rel=0.05)
    assert nameless["memory_mib"] == pytest.approx(told["memory_mib"], rel=0.05)
