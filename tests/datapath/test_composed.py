# SPDX-License-Identifier: GPL-3.0-or-later
"""Referrals that are put together from servers and proofs or DS: octet for octet those that the store has as a list."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.compiler import expected
from appliance.server.respond import Exchange, Settings, respond
from appliance.store.layout import (
    ANSWER,
    ANSWER_KIND_PLACE,
    NODE_CUT,
    NODE_FLAGS_PLACE,
    NODE_NTYPES_PLACE,
    NODE_OTHER_PLACE,
)
from appliance.store.store import Store
from appliance.store.verdict_names import KIND
from appliance.zone import names, types
from appliance.zone.model import Zone
from tests.datapath.lab import Lab
from tests.datapath.packets import DO, Frame, Opt, message
from tests.datapath.reply import check_frame, check_header
from tests.stores.asking import store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.datapath

SIGNED: dict[str, dict[str, Any]] = {
    "nsec.test.": {},
    "all.test.": {"nsec3": True, "salt": b"\xab"},
    "opt-out.test.": {"nsec3": True, "opt_out": True},
    "long.test.": {"nsec3": True, "opt_out": True, "size": 256},
    "wide.test.": {"nsec3": True, "opt_out": True, "size": 620},
}
COUNTS = (1, 2, 6, 13, 16, 30, 60)
COMPOSED = [f"c{count}" for count in COUNTS] + ["x" * 40, "c.deep", "nowhere", "child", "far"]
SECURE = ["ds", "ds3", "many", "s" * 50, "ds.deep"]
OTHERS = ["glue", "beside", "dsglue"]
BELOW = ("", "a.", "b.", "A.B.", "x.b.", "WWW.", f"{'y' * 63}.", "a.b.c.d.e.f.g.h.", f"{'z' * 62}.{'q' * 61}.")
KINDS = (types.A, types.NS, types.DS, types.ANY, types.SOA)
OPTS = (None, *(Opt(size, flags) for size in (512, 700, 1232, 4096) for flags in (0, DO)))


def text() -> str:
    """Return cuts with servers elsewhere, few and many, and some with addresses or DS."""
    lines = ["@ 300 SOA ns hostmaster 1 7200 900 1209600 300", "@ 300 NS ns", "ns 300 A 192.0.2.1"]
    for count in COUNTS:
        lines += [f"c{count} 300 NS ns{i}.provider{i % 5}.example." for i in range(count)]
    lines += [f"{cut} 300 NS ns{i}.p.example." for cut in ("x" * 40, "c.deep", "child", "far", "ds") for i in (1, 2)]
    lines += ["nowhere 300 NS in.nowhere", "glue 300 NS ns.glue", "ns.glue 300 A 192.0.2.2", "beside 300 NS ns"]
    lines += ["dsglue 300 NS ns.dsglue", "ns.dsglue 300 A 192.0.2.3"]
    lines += [f"{cut} 300 NS ns{i}.q.example." for cut in ("ds3", "s" * 50, "ds.deep") for i in (1, 2, 3)]
    lines += [f"many 300 NS ns{i}.provider{i % 4}.example." for i in range(14)]
    lines += [f"{cut} 300 DS 1 13 2 {'ab' * 32}" for cut in (*SECURE, "dsglue")]
    lines += [f"ds3 300 DS {tag} 8 1 {'cd' * 20}" for tag in (2, 3)]
    return "\n".join(lines) + "\n"


def zones() -> list[Zone]:
    """Return the zones, and some below their cuts: at one, and two labels deeper."""
    found = [signed(model_of(text(), origin), **options) for origin, options in SIGNED.items()]
    apex = "@ 300 SOA ns h 1 7200 900 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n"
    return found + [model_of(apex, f"{child}.{origin}") for origin in SIGNED for child in ("child", "a.b.far")]


@dataclass(frozen=True)
class Both:
    """The program with composed referrals, and a store of the same zones that has none."""

    lab: Lab
    apart: Store


@pytest.fixture(scope="module")
def both(own_bpffs: Path) -> Iterator[Both]:
    """Yield both."""
    found = zones()
    apart = store_of(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expected, "LARGE", 0)
        lab = Lab(found, [])
    try:
        yield Both(lab, apart)
    finally:
        lab.close()


def is_composed(store: Store, cut: bytes) -> bool:
    """Return whether a cut has the answer for DS in place of a referral with DO; an insecure one has no types then."""
    node = next(node for ref in store.nodes_of(cut) if (node := store.node(ref))[NODE_FLAGS_PLACE] & NODE_CUT)
    kind = ANSWER.unpack_from(store.octets, node[NODE_OTHER_PLACE + 1] * 16)[ANSWER_KIND_PLACE]
    types = node[NODE_NTYPES_PLACE]
    return (kind == KIND["nodata"] and not types) or (kind == KIND["positive"] and types == 1)


@pytest.mark.parametrize("origin", SIGNED)
def test_which_cuts_have_one(both: Both, origin: str) -> None:
    for cut in COMPOSED + SECURE + OTHERS:
        wire = names.from_text(f"{cut}.{origin}")
        assert is_composed(both.lab.store, wire) is (cut not in OTHERS), cut
        assert not is_composed(both.apart, wire)


@pytest.mark.parametrize("cut", COMPOSED + SECURE + OTHERS)
@pytest.mark.parametrize("origin", SIGNED)
def test_program_userspace_and_list_say_the_same(both: Both, origin: str, cut: str) -> None:
    """At the cut and at names of many lengths below, for each size that a client may take."""
    verdicts = set()
    asked = itertools.product(BELOW, KINDS, OPTS, (False, True))
    for below, rtype, opt, ipv6 in asked:
        query = message(names.from_text(f"{below}{cut}.{origin}"), rtype, opt=opt)
        frame = Frame(query, ipv6=ipv6)
        outcome = both.lab.ask(frame)
        verdicts.add(outcome.verdict)
        slow, expected = (
            respond(Exchange(store, Settings(), query, "udp", frame.source_port)).octets
            for store in (both.lab.store, both.apart)
        )
        assert slow == expected, (below, rtype, opt, outcome.verdict)
        if outcome.verdict == "pass_query_type":  # DS at an apex whose parent's record is not beside it
            assert rtype == types.DS
            assert cut == "far"
            continue
        said = check_frame(frame.octets(), outcome.frame)
        check_header(query, said)
        assert said == expected, (below, rtype, opt, outcome.verdict)
    assert "answer_referral" in verdicts or cut in ("c60", "child")
    assert verdicts >= {"answer_truncated"} or cut not in ("c16", "c30", "c60")


@pytest.mark.parametrize("size", range(512, 1233, 5))
def test_it_goes_where_it_does_not_fit(both: Both, size: int) -> None:
    """A referral is whole or TC, exactly where the list is."""
    for cut, origin in itertools.product(("c6", "c13", "c16", "ds", "ds3", "many"), SIGNED):
        query = message(f"www.{cut}.{origin}", types.A, opt=Opt(size, DO))
        frame = Frame(query)
        said = check_frame(frame.octets(), both.lab.ask(frame).frame)
        assert len(said) <= size
        assert said == respond(Exchange(both.apart, Settings(), query, "udp", frame.source_port)).octets


def test_what_was_composed_before_is_forgotten(both: Both) -> None:
    """Other questions on the same processor, one after the other, have no proofs of the referral before them."""
    asked = [("c2.opt-out.test.", types.A), ("no.opt-out.test.", types.A), ("no.nsec.test.", types.A)]
    asked += [("ns.opt-out.test.", types.A), ("opt-out.test.", types.MX), ("elsewhere.", types.A)]
    asked += [("ds.opt-out.test.", types.A), ("c2.all.test.", types.DS), ("glue.nsec.test.", types.A)]
    asked += [("ds3.all.test.", types.DS), ("ds3.all.test.", types.A), ("many.nsec.test.", types.A)]
    for one, other in itertools.product(asked, asked):
        for (qname, rtype), flags in itertools.product((one, other), (DO, 0)):
            query = message(qname, rtype, opt=Opt(1232, flags))
            frame = Frame(query)
            said = check_frame(frame.octets(), both.lab.ask(frame).frame)
            assert said == respond(Exchange(both.apart, Settings(), query, "udp", frame.source_port)).octets
