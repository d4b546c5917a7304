# SPDX-License-Identifier: GPL-3.0-or-later
"""Each explanation is needed, is written down, and is too narrow to hide a wrong answer."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.zone import names
from tests.interop import explanations, wire
from tests.interop.compare import OURS, Case
from tests.interop.differential import Remote, Server
from tests.interop.explanations import CHOICES, DEVIATIONS, TAIL, Choice, Deviation, Example, explain
from tests.interop.loaded import Loaded
from tests.interop.ours import InProcess
from tests.interop.peers import serving
from tests.interop.questions import DO, Question
from tests.interop.wire import Reply
from tests.interop.zonesets import CHECKOUT, ZoneSet, corners

_ORIGIN = names.from_text("corner.test.")
_ALL = (*DEVIATIONS, *CHOICES, TAIL)
_BY_SIGNING = sorted({found.example.signed for found in _ALL})


def _question(example: Example, loaded: Loaded) -> Question:
    text = example.name
    if "<nsec3>" in text:
        owner = min(loaded.zones[_ORIGIN].nsec3)
        text = text.replace("<nsec3>", names.label_text(names.labels(owner)[0]))
    name = _ORIGIN if text == "@" else names.from_text(text, _ORIGIN)
    return Question(name, example.rtype, 0, 1232 if example.dnssec_ok else 0, DO if example.dnssec_ok else 0)


def _spoilt(reply: Reply) -> dict[str, Reply]:
    """Return wrong replies made from a right one."""
    stranger = wire.RR(_ORIGIN, wire.TXT, 1, b"\x05wrong")
    spoilt = {
        "rcode": reply._replace(rcode=wire.REFUSED),
        "aa": reply._replace(flags=reply.flags ^ wire.AA),
        "answer": reply._replace(answer=reply.answer | {stranger}),
        "authority": reply._replace(authority=reply.authority | {stranger}),
        "empty": reply._replace(answer=frozenset(), authority=frozenset()),
    }
    if reply.authority:
        spoilt["authority record lost"] = reply._replace(authority=frozenset(sorted(reply.authority)[1:]))
    if reply.answer:
        changed = min(reply.answer)
        spoilt["ttl"] = reply._replace(answer=reply.answer - {changed} | {changed._replace(ttl=changed.ttl + 1)})
    return spoilt


@pytest.mark.interop
@pytest.mark.parametrize("signed", _BY_SIGNING, ids=lambda signed: signed or "unsigned")
def test_each_is_needed_and_narrow(
    signed: str, tmp_path: Path, unique_name: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peers still differ over each example; without its explanation, or with a spoilt reply, it is a failure."""
    zones = ZoneSet("corners", corners, signed).write(tmp_path)
    loaded = Loaded.read(zones)
    with ExitStack() as stack:
        peers = stack.enter_context(serving(unique_name(), tmp_path / "peers", zones))
        servers: list[Server] = [InProcess.of(loaded), *(Remote.peer(peer) for peer in peers)]
        for found in _ALL:
            if found.example.signed != signed:
                continue
            question = _question(found.example, loaded)
            replies = {}
            for server in servers:
                (message,) = server.over_tcp([question.wire()])
                assert message is not None
                replies[server.name] = wire.parse(message)

            def peers_say(question: Question) -> dict[str, Reply]:
                messages = {server.name: server.over_tcp([question.wire()])[0] for server in servers[1:]}
                return {name: wire.parse(message) for name, message in messages.items() if message is not None}

            _check_example(found, Case(question, loaded, replies, peers_say), monkeypatch)


def _check_example(found: Deviation | Choice, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not case.all_agree(), f"{found.name}: all agree by now, it is not needed"
    used = explain(case)
    assert used is not None, case.text()
    assert found.name in used, f"{found.name}: {used}"
    with monkeypatch.context() as patch:
        patch.setattr(explanations, "DEVIATIONS", tuple(one for one in DEVIATIONS if one is not found))
        patch.setattr(explanations, "CHOICES", tuple(one for one in CHOICES if one is not found))
        patch.setattr(explanations, "TAIL", TAIL._replace(applies=lambda _: False))
        assert explain(case) is None, f"{found.name}: something else explains its example too"
    for how, reply in _spoilt(case.replies[OURS]).items():
        spoilt = replace(case, replies={**case.replies, OURS: reply})
        assert explain(spoilt) is None, f"{found.name} hides a reply with wrong {how}"


@pytest.mark.unit
def test_each_is_documented() -> None:
    """docs/differences.md has a row for each, with the same RFC section, and none that the code does not have."""
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \|.*\|([^|]*)\|$", (CHECKOUT / "docs" / "differences.md").read_text(), re.MULTILINE
    )
    documented = dict(rows)
    assert documented.keys() == {found.name for found in _ALL}
    for found in _ALL:
        assert f"RFC {found.rfc}" in documented[found.name], found.name
