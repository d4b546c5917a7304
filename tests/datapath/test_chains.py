# SPDX-License-Identifier: GPL-3.0-or-later
"""CNAME chains in signed zones: the program gives the octets that userspace gives, and leaves next to nothing to it."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from appliance.compiler.answers.assemble import MAX_FRAGMENTS
from appliance.lookup.find import find
from appliance.zone import names, types
from appliance.zone.model import Zone
from tests.datapath.lab import Lab
from tests.datapath.packets import DO, Frame, Opt, message
from tests.datapath.reply import check_frame, open_frame
from tests.interop import validated_zones, wire
from tests.interop.loaded import Loaded
from tests.interop.ours import InProcess
from tests.interop.questions import Generator
from tests.interop.zonesets import ZoneSet, corners
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.datapath

SETS: Final = ("nsec", "nsec3", "optout", "across")
DRAWN: Final = 6_000
LEFT: Final = frozenset({"pass_dname_synthesis", "pass_query_type", "pass_denial"})
"""What may be passed up: names below a DNAME, DS at an apex and meta types, and what `_comes_back` says."""


def _zones(which: str, folder: Path) -> list[Zone]:
    """Return the corner cases signed in one way, or zones signed in several ways that point into each other."""
    files = validated_zones.write_zones(folder, "192.0.2.53")[0]
    if which != "across":
        files = ZoneSet("corners", corners, which).write(folder)
    return list(Loaded.read(files).zones.values())


@pytest.fixture(scope="module", params=SETS)
def served(request: pytest.FixtureRequest, own_bpffs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Yield the program with one of the sets."""
    made = Lab(_zones(request.param, tmp_path_factory.mktemp("zones")), [])
    try:
        yield made
    finally:
        made.close()


def _comes_back(name: bytes) -> bool:
    """Return whether the chain of a name leads back to the wildcard that it comes from, so that it differs for it."""
    folded = name.lower()
    return b"\x08wildself\x06corner" in folded or b"\x05round\x06shape" in folded


def test_both_paths_give_the_same_octets(served: Lab) -> None:
    """Questions about every name of the zones and around them; above all those about aliases."""
    steps = InProcess(served.store)
    generator = Generator(served.zones, seed=1034, dnssec_share=1)
    seen: Counter[str] = Counter()
    for question in itertools.chain(generator.every(), generator.draw(DRAWN)):
        query = question.wire(7)
        frame = Frame(query).octets()
        outcome = served.ask(frame)
        seen[outcome.verdict] += 1
        if outcome.verdict.startswith("answer_"):
            check_frame(frame, outcome.frame)
            assert open_frame(outcome.frame).message == steps.answer(query, "udp"), question.text()
        else:
            assert outcome.verdict in LEFT, question.text()
            assert outcome.verdict != "pass_denial" or _comes_back(question.name), question.text()
    assert seen["answer_cname"] > 300
    assert seen["answer_nxdomain"] > 300


def _deep(labels: int) -> str:
    """Return relative labels of one octet each."""
    return ".".join("d" * labels)


@pytest.fixture(scope="module", params=[("nsec", MAX_FRAGMENTS - 1), ("nsec3", 4)], ids=lambda param: param[0])
def deepest(request: pytest.FixtureRequest, own_bpffs: Path) -> Iterator[tuple[Lab, int]]:
    """Yield the program with a deep store and a chain of so many proofs, as many as fit into a list or a reply."""
    scheme, proofs = request.param
    text = f"$TTL 60\n@ SOA n h 1 2 3 4 5\n@ NS n\n*.e CNAME x.w0\n{_deep(120)} A 192.0.2.2\n"
    text += "".join(f"*.w{number} CNAME x.w{number + 1}\n" for number in range(proofs - 1))
    text += f"*.w{proofs - 1} A 192.0.2.1\n"
    zone = signed(model_of(text, "a."), scheme == "nsec3", salt=b"\1" * 10, size=1)
    made = Lab([zone], [])
    try:
        yield made, proofs
    finally:
        made.close()


def test_the_longest_way_through_the_stages(deepest: tuple[Lab, int]) -> None:
    """The deepest store, the longest names, ten iterations, a full list and a proof beside it: within 33 tail calls."""
    lab, proofs = deepest
    steps = InProcess(lab.store)
    most: dict[int, int] = {}
    for labels in range(1, 125):
        qname = names.from_text(f"{_deep(labels)}.e.a.")
        assert find(lab.store, qname, types.A, True).lacks == "denial"
        query = message(qname, types.A, opt=Opt(1232, DO))
        done = lab.ask(Frame(query))
        got = open_frame(done.frame).message
        assert got == steps.answer(query, "udp")
        reply = wire.parse(got)
        assert done.verdict == ("answer_truncated" if reply.truncated else "answer_cname")
        most[labels] = len({rr.owner for rr in reply.authority if rr.rtype in (types.NSEC, types.NSEC3)})
    assert most[95] == max(most.values()) == proofs + 1
