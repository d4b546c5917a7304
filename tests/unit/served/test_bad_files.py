# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad zone files: an error that names file and line, memory in proportion to the text, the old version goes on.

A running server is given one after the other; how much memory it had at most is what the kernel has counted.
"""

import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.harness.served import Served, configuration, serving, until, zone_text

pytestmark = [pytest.mark.unit, pytest.mark.slow]

MIB = 1 << 20
BUDGET = 16
"""MiB that the answer store may take."""
MANY = 1_000_000
VERY_MANY = 10_000_000
SLICE = 100_000

Write = Callable[[BinaryIO], None]


def lines(text: str, count: int) -> Write:
    """Return what writes so many lines; {0} to {2} in the text are the octets of the line's number."""

    def write(file: BinaryIO) -> None:
        for start in range(0, count, SLICE):
            numbers = range(start, min(count, start + SLICE))
            file.write("".join(text.format(n >> 16, n >> 8 & 255, n & 255, n) for n in numbers).encode())

    return write


def repeated(start: bytes, octets: bytes, count: int) -> Write:
    """Return what writes a start and then the same octets again and again."""

    def write(file: BinaryIO) -> None:
        file.write(start)
        file.writelines(octets for _ in range(count))

    return write


TEXT = b"x" * MIB
BAD: dict[str, tuple[Write, str, int, str]] = {
    # What is written behind a good zone of nine lines; file, line and words of the error.
    "one name": (lines("x A 10.{0}.{1}.{2}\n", MANY), "example.zone", 65545, "x.example. A: more than 65535 records"),
    "servers": (lines("@ NS ns{3}\n", MANY // 2), "example.zone", 65544, "example. NS: more than 65535 records"),
    "types": (
        lines("x TYPE{3} \\# 1 00\n".replace("{3}", "1{3:04}"), 9999),
        "example.zone",
        210,
        "more than 200 types",
    ),
    "out of zone": (lines("h{3}.other. A 192.0.2.1\n", MANY // 2), "example.zone", 10, "is not in zone example."),
    "two SOAs": (lines("@ SOA ns root 3 3600 900 1209600 300\n", 1), "example.zone", 2, "has 2 SOA records: keep one"),
    "binary": (repeated(b"", bytes(range(256)) * 4096, 64), "example.zone", 10, ""),
    "zeros": (repeated(b"", bytes(MIB), 64), "example.zone", 10, "no record ends within"),
    "endless text": (repeated(b'x TXT "', TEXT, 64), "example.zone", 10, "no record ends within"),
    "endless name": (repeated(b"", TEXT, 64), "example.zone", 10, "no record ends within"),
    "endless parenthesis": (repeated(b"x TXT (", b" " * MIB, 64), "example.zone", 10, "no record ends within"),
    "endless directive": (repeated(b"$INCLUDE ", TEXT, 64), "example.zone", 10, "no record ends within"),
    "truncated": (repeated(b"x MX 10", b"", 0), "example.zone", 10, ""),
    "include loop": (repeated(b"$INCLUDE more\n", b"", 0), "more", 1, "includes itself ({0}/example.zone > {0}/more"),
    "huge": (lines("h{3} A 10.{0}.{1}.{2}\n", 2 * MANY), "example.zone", 0, "more than 32 MiB of records, twice what"),
}
"""The records of the last one alone take twice as much as the store may."""
ROOM = 64 * MIB
"""Memory that a bad file may take: 32 MiB of records, the window of 8 MiB and what is read from it, findings."""


def put(folder: Path, write: Write) -> None:
    """Put a bad file in the place of the good one."""
    draft = folder / "draft"
    with draft.open("wb") as file:
        file.write(zone_text(2, 66).encode())
        write(file)
    draft.replace(folder / "example.zone")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield a server with a budget and a good zone."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "appliance.toml").write_text(configuration("example.", more=f"[store]\nmemory_mib = {BUDGET}\n"))
    (folder / "example.zone").write_text(zone_text())
    (folder / "more").write_text("$INCLUDE example.zone\n")
    with serving(folder) as running:
        yield running


def peak(server: Served) -> int:
    """Return the most memory that the server ever had, since the last reset, in octets."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024


def reset_peak(server: Served) -> int:
    """Forget the most memory there was; return what there is now."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return peak(server)


@pytest.mark.parametrize("kind", BAD)
def test_the_old_version_stays(server: Served, kind: str) -> None:
    write, file, line, words = BAD[kind]
    put(server.folder, write)
    before = reset_peak(server)
    (told,) = server.ask("reload", zone="example.")["zones"]
    assert not told["ok"]
    assert f"{server.folder / file}:{line}: error: " in told["outcome"] or not line
    assert words.format(server.folder) in told["outcome"]
    assert "serial 1 is still served" in told["outcome"]
    assert peak(server) - before < ROOM
    assert server.address() == "192.0.2.2"
    assert server.address(tcp=True) == "192.0.2.2"
    assert server.query("example.", "SOA").answer[0][0].serial == 1
    assert server.ask("status")["zones"][0]["error"]


def test_a_zone_beyond_the_budget(server: Served) -> None:
    """Its records may be read, but not compiled: the figure is told before anything changes."""
    put(server.folder, lines("h{3} A 10.{0}.{1}.{2}\n", 300_000))
    before = reset_peak(server)
    (told,) = server.ask("reload", zone="example.")["zones"]
    assert "MiB, [store] memory_mib = 16 allows less; nothing is changed" in told["outcome"]
    assert not told["ok"]
    assert peak(server) - before < ROOM
    assert server.address() == "192.0.2.2"


def test_a_good_file_afterwards(server: Served) -> None:
    """What was refused leaves nothing that keeps the next one from being served."""
    (server.folder / "example.zone").write_text(zone_text(1, 2))
    (told,) = server.ask("reload", zone="example.")["zones"]
    assert told["ok"]
    assert server.ask("status")["healthy"]


@pytest.mark.parametrize("kind", ["huge", "one name", "types"])
def test_at_a_start(tmp_path: Path, kind: str) -> None:
    """The zone answers SERVFAIL, the others are served."""
    more = f"[store]\nmemory_mib = {BUDGET}\n"
    (tmp_path / "appliance.toml").write_text(configuration("example.", "other.", more=more))
    (tmp_path / "other.zone").write_text(zone_text())
    put(tmp_path, BAD[kind][0])
    with serving(tmp_path) as started:
        assert started.address() == "SERVFAIL"
        assert started.address("www.other.") == "192.0.2.2"
        until(lambda: BAD[kind][3] in started.log())


def test_a_zone_beyond_the_budget_at_a_start(tmp_path: Path) -> None:
    """It alone is refused, with the figure."""
    more = f"[store]\nmemory_mib = {BUDGET}\n"
    (tmp_path / "appliance.toml").write_text(configuration("example.", "other.", more=more))
    (tmp_path / "other.zone").write_text(zone_text())
    put(tmp_path, lines("h{3} A 10.{0}.{1}.{2}\n", 300_000))
    with serving(tmp_path) as started:
        assert started.address() == "SERVFAIL"
        assert started.address("www.other.") == "192.0.2.2"
        (refused, served) = sorted(started.ask("status")["zones"], key=lambda zone: str(zone["name"]))
        assert refused["state"] == "not loaded"
        assert re.search(r"^the answer store needs \d+ MiB, \[store\] memory_mib = 16", refused["error"])
        assert served["state"] == "serving"
        put(tmp_path, repeated(b"", b"", 0))
        (told,) = started.ask("reload", zone="example.")["zones"]
        assert told["ok"]


_CHECK = """
import resource, sys
from pathlib import Path
from appliance.errors import ZoneError
from appliance.zone import names
from appliance.zone.load import load_zone
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_zone(sys.argv[1], names.from_text("example."))
except ZoneError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def loaded(path: Path, limit: int) -> tuple[str, int]:
    """Return what is wrong with a file that a child of bounded memory loads, and how many octets that took."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", _CHECK, str(path)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=bound,
        cwd=Path(__file__).parents[3],
    )
    assert not done.returncode, done.stderr
    said, _, taken = done.stdout.strip().rpartition("\n")
    return said, int(taken) * 1024


def one_name(path: Path, count: int) -> None:
    with path.open("wb") as file:
        file.write(zone_text().encode())
        lines("x A 10.{0}.{1}.{2}\n", count)(file)


@pytest.mark.parametrize("count", [MANY, pytest.param(VERY_MANY, marks=pytest.mark.slow)], ids=["1e6", "1e7"])
def test_without_a_budget(tmp_path: Path, count: int) -> None:
    """Records under one name take twice their text at most, and the first too many is told with its line."""
    path = tmp_path / "zone"
    one_name(path, count)
    size = path.stat().st_size
    said, taken = loaded(path, 6 * size + 600 * MIB)
    assert f"{path}:65545: error: x.example. A: more than 65535 records" in said
    assert taken < 2 * size + 32 * MIB
    path.unlink()


def test_the_largest_rrset(tmp_path: Path) -> None:
    """An RRset with as many records as a message counts, and more octets than it holds: loaded, answered with TC."""
    (tmp_path / "appliance.toml").write_text(configuration("example."))
    one_name(tmp_path / "example.zone", 65535)
    with serving(tmp_path) as running:
        assert running.address() == "192.0.2.2"
        for tcp in (False, True):
            reply = running.query("x.example.", "A", tcp=tcp, use_edns=0)
            assert (reply.rcode(), len(reply.answer), bool(reply.flags & 0x0200)) == (0, 0, True)
