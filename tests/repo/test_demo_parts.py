# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration's parts: the questions it chooses from a zone, and what it thinks of a reply."""

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.zone import names
from appliance.zone.load import load_zone
from demo import dig
from demo.demonstration import EXAMPLES, load, questions_for, zone_files
from demo.errors import DemoError
from demo.questions import UDP_LIMIT, Question, choose
from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit

REPLY = """
; <<>> DiG 9.18.33 <<>> @10.53.0.1 www.example.org. A +norecurse +noedns
; (1 server found)
;; global options: +cmd
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4711
;; flags: qr aa; QUERY: 1, ANSWER: 2, AUTHORITY: 1, ADDITIONAL: 0

;; QUESTION SECTION:
;www.example.org.\t\tIN\tA

;; ANSWER SECTION:
www.example.org.\t300\tIN\tA\t192.0.2.1
www.example.org.\t300\tIN\tA\t192.0.2.2

;; AUTHORITY SECTION:
example.org.\t\t300\tIN\tNS\tNS1.example.org.

;; Query time: 0 msec
"""
QUESTION = Question(
    title="a positive answer",
    qname="www.example.org.",
    qtype="A",
    rcode="NOERROR",
    section="ANSWER",
    section_type="A",
    expected=(bytes([192, 0, 2, 2]), bytes([192, 0, 2, 1])),
    authoritative=True,
)


def test_the_bundled_zones_show_every_kind() -> None:
    questions = questions_for(load(zone_files("", "", "")))
    assert {question.title for question in questions} == {
        "a delegation",
        "a positive answer",
        "a missing name",
        "too long for UDP",
    }


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.zone")), ids=lambda path: path.stem)
def test_questions_fit_their_zone(file: Path) -> None:
    origin = names.from_text("." if file.stem == "root" else file.stem + ".")
    zone = load_zone(file, origin)
    for question in choose(zone):
        name = names.fold(names.from_text(question.qname))
        assert zone.contains(name)
        assert zone.exists(name) == (question.title in {"a positive answer", "too long for UDP"})
        assert (zone.cut_for(name) is not None) == (question.title == "a delegation")
        if question.over_tcp:
            assert sum(map(len, question.expected)) + 12 * len(question.expected) > UDP_LIMIT - 100


def test_a_wildcard_at_the_apex_leaves_no_missing_name_there(tmp_path: Path) -> None:
    file = tmp_path / "zone"
    file.write_text("@ 60 SOA ns hostmaster 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n* 60 A 192.0.2.2\n")
    (missing,) = [
        question for question in choose(load_zone(file, names.from_text("example."))) if question.rcode != "NOERROR"
    ]
    assert missing.qname == "no-such-name-here.ns.example."


def test_a_right_reply() -> None:
    reply = dig.parse(REPLY)
    assert reply.flags == {"qr", "aa"}
    assert len(reply.rdatas("ANSWER", "A")) == 2
    assert len(reply.rdatas("AUTHORITY", "NS")) == 1
    assert dig.wrong(QUESTION, reply, tcp=False) == ""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("status: NOERROR", "status: SERVFAIL", "SERVFAIL instead of NOERROR"),
        ("flags: qr aa;", "flags: qr;", "aa flag"),
        ("flags: qr aa;", "flags: qr aa tc;", "tc flag"),
        ("192.0.2.2", "192.0.2.3", "not those of the zone"),
        ("www.example.org.\t300\tIN\tA\t192.0.2.2\n", "", "not those of the zone"),
        (";; ->>HEADER<<-", ";; communications error", "no reply"),
    ],
)
def test_wrong_replies(old: str, new: str, complaint: str) -> None:
    assert old in REPLY
    text = REPLY.replace(old, new) if "error" not in new else ";; communications error: timed out\n"
    assert complaint in dig.wrong(QUESTION, dig.parse(text), tcp=False)


def test_a_long_answer_must_be_truncated_over_udp_only() -> None:
    question = replace(QUESTION, over_tcp=True)
    assert "tc flag" in dig.wrong(question, dig.parse(REPLY), tcp=False)
    assert dig.wrong(question, dig.parse(REPLY), tcp=True) == ""


def test_a_name_that_looks_like_an_option_is_quoted_for_dig() -> None:
    assert "-q" in dig.arguments("192.0.2.1", replace(QUESTION, qname="-x.example."), tcp=False)
    assert "-q" not in dig.arguments("192.0.2.1", QUESTION, tcp=False)


@pytest.mark.parametrize(
    ("zone", "file", "root", "complaint"),
    [
        ("example.org", "", "", "go together"),
        ("", "some.zone", "", "go together"),
        ("example.org", "missing.zone", "", "no zone file missing.zone"),
        ("", "", str(ROOT), "no zone file"),
    ],
)
def test_arguments_that_cannot_be_right(zone: str, file: str, root: str, complaint: str) -> None:
    with pytest.raises(DemoError, match=complaint):
        zone_files(zone, file, root)
