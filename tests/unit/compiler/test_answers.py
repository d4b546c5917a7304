# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store says in single cases that the comparison with the oracle does not look at."""

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from appliance.lookup.find import find
from appliance.lookup.follow import reply
from appliance.lookup.render import render
from appliance.store import layout
from appliance.store.layout import ZONE_EXPIRED
from appliance.store.store import Store, StoreFull
from appliance.store.verdict_names import KIND
from appliance.zone import names, types
from tests.harness.worlds import compile_zones, remove_zone, replace_zone
from tests.reference.zone import ReferenceZone
from tests.stores.asking import SEED, ask, asked, differences, store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.unit

APEX = "@ 3600 SOA ns1 hostmaster 1 7200 900 1209600 300\n@ 3600 NS ns1\nns1 300 A 192.0.2.1\n"


def kind(store: Store, text: str, rtype: int = types.A, limit: int = 65535) -> str:
    """Return the name of the answer's kind."""
    question = names.from_text(text) + rtype.to_bytes(2, "big") + b"\0\1"
    number, _ = reply(store, 0, 0, question, limit, None)
    return next(name for name, value in KIND.items() if value == number)


def test_kinds() -> None:
    text = APEX + 'cut NS ns.else.\n*.w TXT "x"\nalias CNAME ns1\ndn DNAME else.\n@ DNSKEY 256 3 13 AAAA\n'
    store = store_of([model_of("$TTL 60\n" + text, "example.")])
    expected = {
        ("ns1.example.", types.A): "positive",
        ("ns1.example.", types.ANY): "any",
        ("ns1.example.", types.TXT): "nodata",
        ("x.example.", types.A): "nxdomain",
        ("x.cut.example.", types.A): "referral",
        ("x.w.example.", types.TXT): "wildcard",
        ("alias.example.", types.A): "cname",
        ("x.dn.example.", types.A): "dname",
        ("example.", types.DNSKEY): "dnskey",
        ("elsewhere.", types.A): "refused",
    }
    assert {question: kind(store, *question) for question in expected} == expected
    assert kind(store, "ns1.example.", types.A, 20) == "truncated"


def test_refused_carries_nothing() -> None:
    reply_ = asked(store_of([model_of(APEX, "example.")]), "test.", types.A)
    assert reply_.rcode() == dns.rcode.REFUSED
    assert not reply_.flags & dns.flags.AA
    assert not reply_.answer + reply_.authority + reply_.additional


def test_expired_and_loading_zones() -> None:
    store = store_of([model_of(APEX, "example.")])
    number = store.numbers[names.from_text("example.")]
    store.set_zone_word(number, "state", ZONE_EXPIRED)
    assert asked(store, "example.", types.SOA).rcode() == dns.rcode.SERVFAIL
    store.set_zone_word(number, "state", layout.ZONE_SERVING)
    store.set_expiry(number, 1)
    assert asked(store, "example.", types.SOA).rcode() == dns.rcode.SERVFAIL
    store.set_expiry(number, 1 << 62)
    assert asked(store, "example.", types.SOA).rcode() == dns.rcode.NOERROR


def test_a_touched_zone_keeps_its_state() -> None:
    store = store_of([model_of(APEX + "a 60 CNAME ns1.b.\n", "a."), model_of(APEX, "b.")])
    number = store.numbers[names.from_text("a.")]
    store.set_zone_word(number, "state", ZONE_EXPIRED)
    replace_zone(store, model_of(APEX, "b."))
    assert store.zone_word(number, "version") == 2
    assert store.zone_word(number, "state") == ZONE_EXPIRED


@pytest.mark.parametrize("dnssec_ok", [False, True])
def test_what_fits(dnssec_ok: bool) -> None:
    """Optional addresses go one by one, required glue never without TC (RFC 9471 §3.1)."""
    servers = "".join(f"cut 60 NS n{i}.cut\nn{i}.cut 60 A 192.0.2.{i}\ncut 60 NS other{i}\n" for i in range(1, 6))
    siblings = "".join(f"other{i} 60 A 198.51.100.{i}\nother{i} 60 AAAA 2001:db8::{i}\n" for i in range(1, 6))
    zone = model_of(APEX + servers + siblings, "example.")
    store = store_of([signed(zone, size=16) if dnssec_ok else zone])
    sizes = {}
    for limit in range(100, 1500, 7):
        wire = ask(store, names.from_text("cut.example."), types.A, dnssec_ok, limit)
        assert len(wire) <= limit
        message = dns.message.from_wire(wire)
        if message.flags & dns.flags.TC:
            assert not message.answer + message.authority + message.additional
            continue
        glue = {rrset.name.to_text() for rrset in message.additional}
        assert {f"n{i}.cut.example." for i in range(1, 6)} <= glue
        sizes[len(message.additional)] = len(wire)
    assert min(sizes) == 5
    assert len(sizes) >= 2
    assert max(sizes) == (25 if dnssec_ok else 15)  # RRSIG RRsets count too


def test_no_more_than_four_variants() -> None:
    many = "".join(f"@ 60 MX {i} m{i}\nm{i} 60 A 192.0.2.{i}\nm{i} 60 AAAA 2001:db8::{i}\n" for i in range(1, 60))
    store = store_of([model_of(APEX + many, "example.")])
    ref = find(store, names.from_text("example."), types.MX, False).answer
    lengths = []
    while ref:
        fields = layout.ANSWER.unpack_from(store.octets, ref * 16)
        lengths.append(fields[layout.ANSWER_LEN_PLACE])
        ref = fields[layout.ANSWER_SMALLER_PLACE]
    assert len(lengths) <= 4
    assert lengths == sorted(lengths, reverse=True)


def test_more_than_a_message_holds() -> None:
    rows = "".join(f'big 60 TXT "{i:05}{"x" * 240}"\n' for i in range(250))
    huge = "".join(f'huge 60 TXT "{i:05}{"x" * 240}"\n' for i in range(300))
    store = store_of([model_of(APEX + rows + huge, "example.")])
    assert len(asked(store, "big.example.", types.TXT).answer[0]) == 250
    assert asked(store, "big.example.", types.TXT, limit=1232).flags & dns.flags.TC
    assert asked(store, "huge.example.", types.TXT).flags & dns.flags.TC


def test_referrals_are_shared() -> None:
    cuts = "".join(f"c{i:04} 60 NS ns1.else.\nc{i:04} 60 NS ns2.else.\n" for i in range(100))
    store = store_of([model_of(APEX + cuts, "example.")])
    assert len({find(store, names.from_text(f"c{i:04}.example."), 1, False).answer for i in range(100)}) == 1


def test_a_node_and_its_answers_are_neighbours() -> None:
    store = store_of([model_of(APEX + "host 60 A 192.0.2.9\nhost 60 AAAA 2001:db8::9\n", "example.")])
    outcome = find(store, names.from_text("host.example."), types.AAAA, False)
    assert 0 < outcome.answer - outcome.node < 16


def test_question_case_is_echoed_and_edns_answered() -> None:
    store = store_of([model_of(APEX, "example.")])
    question = b"\x03Ns1\x07exAmple\0\0\1\0\1"
    outcome = find(store, question[:-4].lower(), types.A, False)
    _, wire = render(store, outcome, 7, 0x0110, question, 512, None)
    assert wire[:12] == bytes.fromhex("000785100001000100000000")
    assert wire[12 : 12 + len(question)] == question


def test_cname_chain_follows_a_replaced_zone() -> None:
    store = store_of([model_of(APEX + "a 60 CNAME ns1.b.\n", "a."), model_of(APEX, "b.")])
    store.reclaim(replace_zone(store, model_of(APEX.replace("192.0.2.1", "192.0.2.77"), "b.")))
    assert "192.0.2.77" in asked(store, "a.a.", types.A).to_text()
    store.reclaim(remove_zone(store, names.from_text("b.")))
    message = asked(store, "a.a.", types.A)
    assert message.rcode() == dns.rcode.NOERROR
    assert [rrset.rdtype for rrset in message.answer] == [dns.rdatatype.CNAME]
    replace_zone(store, model_of(APEX, "b."))
    assert "192.0.2.1" in asked(store, "a.a.", types.A).to_text()


def test_a_full_store_keeps_what_it_has() -> None:
    small, large = model_of(APEX, "a."), model_of(APEX + "".join(f"n{i} 60 A 192.0.2.1\n" for i in range(12000)), "b.")
    store = Store.create(12, 1, 4, SEED)
    compile_zones(store, [small])
    before = [ask(store, names.from_text(text), 1) for text in ("ns1.a.", "ns1.b.", "x.a.")]
    free, nodes = store.heap.free_octets(), store.get("nodes")
    with pytest.raises(StoreFull, match="more chunks"):
        replace_zone(store, large)
    assert [ask(store, names.from_text(text), 1) for text in ("ns1.a.", "ns1.b.", "x.a.")] == before
    store.reclaim(remove_zone(store, names.from_text("a.")))
    assert store.get("nodes") == 0
    assert nodes
    assert store.heap.free_octets() > free


@pytest.mark.parametrize("nsec3", [False, True])
def test_proofs_among_many_children(nsec3: bool) -> None:
    """More children, and more hashes, than one block of the search arrays holds."""
    rows = "".join(f"k{i} 60 A 192.0.2.1\n" for i in range(17000))
    store = store_of([signed(model_of(APEX + rows, "example."), nsec3, size=8)])
    for text in ("k0a.example.", "k9.k9.example.", "a.example.", "zz.example.", "k16999a.example.", "k5000x.example."):
        message = asked(store, text, types.A, True)
        assert message.rcode() == dns.rcode.NXDOMAIN
        proofs = [rrset for rrset in message.authority if rrset.rdtype in (types.NSEC, types.NSEC3)]
        assert 1 <= len(proofs) <= 3
        if not nsec3:
            name = dns.name.from_text(text)
            assert any(r.name < name and (name < r[0].next or r[0].next.to_text() == "example.") for r in proofs)


def test_no_chain_leads_into_a_zone_that_is_not_loaded_yet() -> None:
    alias, target = model_of(APEX + "a 60 CNAME ns1.b.\n", "a."), model_of(APEX, "b.")
    store = Store.create(8, 2, 4, SEED)
    compile_zones(store, [alias], loading=[target])
    assert asked(store, "ns1.b.", types.A).rcode() == dns.rcode.SERVFAIL
    message = asked(store, "a.a.", types.A)
    assert message.rcode() == dns.rcode.NOERROR
    assert [rrset.rdtype for rrset in message.answer] == [dns.rdatatype.CNAME]
    replace_zone(store, target)
    assert asked(store, "ns1.b.", types.A).rcode() == dns.rcode.NOERROR
    assert "192.0.2.1" in asked(store, "a.a.", types.A).to_text()


@pytest.mark.parametrize("wildcard", ["", "* 60 TXT w\n"])
def test_a_child_that_nobody_delegates(wildcard: str) -> None:
    """The names on the way to its apex are no names of the parent."""
    parent, child = model_of(APEX + wildcard, "example."), model_of(APEX, "a.b.c.example.")
    for zone in (parent, signed(parent), signed(parent, nsec3=True)):
        for store in (store_of([zone, child]), store_of([child])):
            replace_zone(store, zone)
            for text in ("c.example.", "b.c.example.", "x.b.c.example.", "x.c.example."):
                for dnssec_ok in (False, True):
                    reference = [ReferenceZone.from_model(each) for each in (zone, child)]
                    for rtype in (types.A, types.TXT, types.DS):
                        assert not differences(store, reference, names.from_text(text), rtype, dnssec_ok)
            assert asked(store, "ns1.a.b.c.example.", types.A).answer
