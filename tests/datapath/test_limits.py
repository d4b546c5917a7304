# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program does with each verdict that a limit may give: built with that verdict for every reply."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from appliance.datapath import generation, loader, source
from tests.datapath import expected, packets, reply
from tests.datapath.lab import Lab
from tests.datapath.packets import DO, Frame, Opt, message
from tests.datapath.runner import XDP_TX

# bcc warns of what it is given as text, and here a warning is an error. It compiles for each test, which takes seconds,
# or a hundred of them on a busy machine.
pytestmark = [
    pytest.mark.datapath,
    pytest.mark.filterwarnings("ignore:not a bytes object:DeprecationWarning"),
    pytest.mark.timeout(600),
]

QUERIES = {
    "positive": (message("mail.table.test"), True, 0),
    "referral": (message("x.cut.table.test", opt=Opt()), False, 0),
    "NODATA": (message("a.table.test", 28), True, 0),
    "proof": (message("no-such-name.signed.test", opt=Opt(flags=DO)), True, 3),
    "NSEC3 proof": (message("no-such-name.nsec3.test", opt=Opt(flags=DO)), True, 3),
}
"""Queries, whether the answer is authoritative, and its rcode."""

Build = Callable[[str], AbstractContextManager[Lab]]


@pytest.fixture
def built(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build the lab's program with a verdict of limits; the loader is this process, since it knows the flag."""

    @contextmanager
    def build(verdict: str) -> Iterator[Lab]:
        monkeypatch.setattr(source, "FLAGS", (*source.FLAGS, f"-DLIMIT_VERDICT={verdict}"))
        monkeypatch.setattr(generation, "run_loader", loader.load)
        limited = Lab(lab.zones, lab.reference)
        try:
            yield limited
        finally:
            limited.close()

    return build


def test_slip_is_an_empty_reply_with_tc(built: Build) -> None:
    """Question and OPT come back, no other record: a client that is there asks again over TCP."""
    with built("SLIP") as limited:
        for what, (query, authoritative, rcode) in QUERIES.items():
            frame = Frame(query).octets()
            outcome = limited.ask(frame)
            assert (outcome.action, outcome.verdict) == (XDP_TX, "answer_truncated"), what
            wanted = bytearray(expected.truncated(query, aa=authoritative))
            wanted[3] |= rcode
            assert reply.check_frame(frame, outcome.frame) == wanted, what
        malformed = message("mail.table.test", tail=b"!")
        assert limited.ask(Frame(malformed)).verdict == "answer_formerr"  # as short as it can be


def test_any_other_verdict_is_the_way_out(built: Build) -> None:
    with built("DROP_service_error") as limited:
        for what, (query, *_) in QUERIES.items():
            assert limited.ask(Frame(query)).verdict == "drop_service_error", what
        assert limited.ask(Frame(message("nowhere.example"))).verdict == "drop_service_error"
        assert limited.ask(Frame(message("mail.table.test", flags=packets.QR))).verdict == "drop_response"
