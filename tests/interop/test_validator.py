# SPDX-License-Identifier: GPL-3.0-or-later
"""A real validator agrees: every answer is secure, or provably insecure where it should be, and never bogus."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.network import Pair
from demo.server import Server as RealServer
from demo.server import ZoneFile as Served
from tests.interop import wire
from tests.interop.loaded import Loaded
from tests.interop.ours import InProcess
from tests.interop.questions import DO, Generator, Question
from tests.interop.validated_zones import write_zones
from tests.interop.validator import Trust, is_judged, validating, verdict

COUNT = 20_000
_MOST = 10  # failures worth printing


def _asked(loaded: Loaded, steps: InProcess) -> Iterator[tuple[Question, int]]:
    """Yield questions with the rcode they must end in: each folded name and type once, so that none is in a cache."""
    generator = Generator(list(loaded.zones.values()), seed=4035, dnssec_share=1)
    known: set[tuple[bytes, int]] = set()
    for drawn in itertools.chain(itertools.islice(generator.every(), COUNT // 2), generator.draw(20 * COUNT)):
        question = Question(drawn.name, drawn.rtype, wire.RD, 1232, DO)
        key = (question.folded, question.rtype)
        if key in known or not is_judged(loaded, [question.folded], question.rtype):
            continue
        known.add(key)
        reply = steps.answer(question.wire(), "tcp")
        assert reply is not None
        own = verdict(reply, question)
        if own.rcode != wire.YXDOMAIN and is_judged(loaded, own.chain, question.rtype):  # which is never secure to it
            yield question, own.rcode


def _wrong(question: Question, reply: bytes | None, rcode: int, trust: Trust, seen: Counter[str]) -> str:
    """Return what is wrong with the validator's reply, nothing if it is right; count what was seen."""
    if reply is None:
        return "no reply"
    found = verdict(reply, question)
    if found.rcode != rcode:
        return f"rcode {found.rcode}, the server itself says {rcode}"
    expected = trust.is_secure(found.chain, question.rtype)
    if found.authentic != expected:
        return f"{'secure' if found.authentic else 'insecure'}, but it should not be"
    seen[f"{'secure' if expected else 'insecure'}, rcode {rcode}"] += 1
    return ""


@pytest.mark.interop
@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_validator_accepts_every_answer(tmp_path: Path, veth_pair: Pair) -> None:
    """Unbound, with nothing but the zones' keys, asks the server on the other end of a wire, its NIC path included."""
    files, anchors = write_zones(tmp_path, veth_pair.server.address4)
    loaded = Loaded.read(files)
    trust, steps = Trust(loaded), InProcess.of(loaded)
    asked = list(itertools.islice(_asked(loaded, steps), COUNT))
    assert len(asked) == COUNT
    served = [Served(file.origin, file.path) for file in files]
    with (
        RealServer(veth_pair.server, tmp_path, served, {veth_pair.server.device: "native"}) as server,
        validating(veth_pair.client, tmp_path, veth_pair.server.address4, anchors) as unbound,
    ):
        before = server.verdicts()
        replies = unbound.over_udp([question.wire() for question, _ in asked])
        after = server.verdicts()
    answered = sum(after[name] - before[name] for name in after if name.startswith("answer_"))
    seen: Counter[str] = Counter()
    failures = []
    for (question, rcode), reply in zip(asked, replies, strict=True):
        if fault := _wrong(question, reply, rcode, trust, seen):
            failures.append(f"{question.text()}: {fault}")
    log = (tmp_path / "unbound.log").read_text()
    bogus = [line for line in log.splitlines() if "validation failure" in line]
    passed = {name: after[name] - before[name] for name in after if name.startswith("pass_") and after[name]}
    print(f"{dict(seen)}; {answered} answers from the NIC path, passed {passed}")  # pass_room is the veth's own
    assert not failures, "\n".join([f"{len(failures)} wrong", *failures[:_MOST], *bogus[:_MOST]])
    assert not bogus
    assert {f"{trusted}, rcode {rcode}" for trusted in ("secure", "insecure") for rcode in (0, 3)} <= set(seen)
    assert answered > COUNT // 10, "too few answers from the NIC path to judge it"
