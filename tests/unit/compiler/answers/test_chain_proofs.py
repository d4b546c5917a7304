# SPDX-License-Identifier: GPL-3.0-or-later
"""CNAME chains and what they prove: every kind of link and end, through zones of every denial scheme."""

import base64
import itertools
from pathlib import Path

import pytest

from appliance.compiler.answers.assemble import MAX_FRAGMENTS
from appliance.lookup.find import find
from appliance.zone import names, nsec3_hash, types
from appliance.zone.model import Zone
from tests.harness.worlds import replace_zone
from tests.interop import wire
from tests.reference.zone import ReferenceZone
from tests.stores.asking import ask, differences, store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.unit

SCHEMES = {
    "unsigned": None,
    "nsec": {},
    "nsec3": {"nsec3": True, "salt": b"\xab\xcd"},
    "opt-out": {"nsec3": True, "opt_out": True},
}
TARGETS = (
    "host", "text", "missing", "deep.missing", "ent", "no.ent", "any.wild", "other.any.wild", "any.dead", "any.alias",
    "any.across", "cut", "below.cut", "secure", "below.secure", "alone", "x.lonely.ent2", "x.renamed", "renamed",
    "any.*.stars", "any.stars", "*.wild", "@", "any.twice",
)  # fmt: skip
TYPES = (types.A, types.MX, types.DS, types.NSEC, types.NSEC3, types.RRSIG, types.CNAME, types.ANY)
BODY = """$TTL 60
@ SOA ns1 hostmaster 1 7200 900 1209600 30
@ NS ns1
ns1 A 192.0.2.1
host A 192.0.2.2
text TXT "text"
a.ent A 192.0.2.3
*.wild A 192.0.2.4
*.*.stars TXT "stars"
*.alias CNAME host
*.dead CNAME nothing
*.across CNAME any.wild.@OTHER@
*.twice CNAME once.more.alias
cut NS ns.cut
ns.cut A 192.0.2.5
secure NS ns1
secure DS 1 13 2 ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB
x.lonely.ent2 NS ns1
renamed DNAME wild
alone CNAME nowhere.else.
"""


def texts() -> dict[str, str]:
    """Return two zones full of aliases to all targets in both, as links of their own and from wildcards."""
    found = {}
    for origin, other in (("a.", "b."), ("b.", "a.")):
        body = BODY.replace("@OTHER@", other)
        for number, (target, zone) in enumerate(itertools.product(TARGETS, (origin, other))):
            full = zone if target == "@" else f"{target}.{zone}"
            body += f"to{number} CNAME {full}\n*.from{number} CNAME {full}\n"
        found[origin] = body
    return found


def loaded(schemes: dict[str, str]) -> list[Zone]:
    found = []
    for origin, text in texts().items():
        options = SCHEMES[schemes[origin]]
        zone = model_of(text, origin)
        found.append(zone if options is None else signed(zone, **options))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("own", "other"), list(itertools.product(SCHEMES, SCHEMES)))
def test_every_link_and_end(own: str, other: str) -> None:
    """Two zones that point into each other: no chain is left to userspace, and each says what the oracle demands."""
    zones = loaded({"a.": own, "b.": other})
    store = store_of(zones)
    reference = [ReferenceZone.from_model(zone) for zone in zones]
    wrong, left = [], []
    for number, step in itertools.product(range(2 * len(TARGETS)), range(3)):
        rtype = TYPES[(3 * number + step) % len(TYPES)]
        for qname in (f"to{number}.a.", f"X.Y.from{number}.a.", f"*.from{number}.a."):
            name = names.from_text(qname)
            outcome = find(store, names.fold(name), rtype, True)
            if outcome.lacks == "chain":
                left.append(qname)
            if found := differences(store, reference, name, rtype, True):
                wrong.append(f"{qname} {types.type_text(rtype)}: {found}")
    assert not wrong, "\n".join(wrong[:5])
    assert not left


def _chained(count: int, nsec3: bool) -> Zone:
    """Return a zone in which x.w0 leads through so many wildcards."""
    text = "$TTL 60\n@ SOA ns1 hostmaster 1 7200 900 1209600 30\n@ NS ns1\n"
    text += "".join(f"*.w{number:02} CNAME x.w{number + 1:02}\n" for number in range(count))
    text += f"*.w{count:02} A 192.0.2.1\nto CNAME x.w00\n"
    return signed(model_of(text, "a."), nsec3)


@pytest.mark.parametrize("nsec3", [False, True])
@pytest.mark.parametrize("count", range(1, 15))
def test_as_many_proofs_as_fit(count: int, nsec3: bool) -> None:
    """A chain that starts at a wildcard lists its proofs, and lists end; one that starts at a name has no bound.

    One NSEC3 may cover several of the names.
    """
    zone = _chained(count, nsec3)
    store, reference = store_of([zone]), [ReferenceZone.from_model(zone)]
    for qname, listed in ((b"\x03any\x03w00\x01a\0", True), (b"\x02to\x01a\0", False)):
        outcome = find(store, qname, types.A, True)
        too_many = listed and count > MAX_FRAGMENTS - 1
        assert (outcome.lacks == "chain") == too_many or (nsec3 and too_many and count < 2 * MAX_FRAGMENTS - 3)
        assert not differences(store, reference, qname, types.A, True)


def test_the_bound_is_that_of_the_program() -> None:
    header = (Path(__file__).parents[4] / "ebpf" / "store.h").read_text()
    assert f"#define FRAGMENTS_MAX {MAX_FRAGMENTS}\n" in header


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_a_proof_that_the_search_finds_again_is_there_once(denial: str) -> None:
    """The NSEC that denies the target denies the question name too."""
    text = "$TTL 60\n@ SOA a.ns h.ns 1 7200 900 1209600 30\n@ NS a.ns\n*.w CNAME none.w2\na.ns A 192.0.2.1\n"
    zone = signed(model_of(text, "a."), denial == "nsec3")
    store, reference = store_of([zone]), [ReferenceZone.from_model(zone)]
    once = 0
    for number in range(200):
        qname = names.from_text(f"q{number}.w.a.")
        assert not differences(store, reference, qname, types.A, True)
        reply = wire.parse(ask(store, qname, types.A, True))
        assert not reply.repeated
        once += sum(rr.rtype in (types.NSEC, types.NSEC3) for rr in reply.authority) < (3 if denial == "nsec" else 4)
    assert once


@pytest.mark.parametrize("target", ["x.self", "back"])
@pytest.mark.parametrize("nsec3", [False, True])
def test_a_chain_that_comes_back_to_its_wildcard(target: str, nsec3: bool) -> None:
    """It differs for the one question name that is a link of it, so userspace follows it: counted, and right."""
    text = f"$TTL 60\n@ SOA ns1 h 1 7200 900 1209600 30\n@ NS ns1\n*.self CNAME {target}\nback CNAME y.self\n"
    zone = signed(model_of(text, "a."), nsec3)
    store, reference = store_of([zone]), [ReferenceZone.from_model(zone)]
    for qname in ("x.self.a.", "y.self.a.", "z.self.a.", "*.self.a.", "back.a."):
        name = names.from_text(qname)
        assert not differences(store, reference, name, types.A, True)
        assert (find(store, name, types.A, True).lacks == "chain") == (
            len(qname) == len("x.self.a.") and qname != "*.self.a."
        )


@pytest.mark.parametrize("schemes", list(itertools.permutations(("nsec", "nsec3", "unsigned"), 2)))
def test_another_zone_that_changes_its_chain(schemes: tuple[str, str]) -> None:
    """A zone that aliases lead into is signed in another way, or not at all: the aliases' proofs follow."""
    first, second = (loaded({"a.": "nsec3", "b.": scheme}) for scheme in schemes)
    store = store_of(first)
    store.reclaim(replace_zone(store, second[1]))
    reference = [ReferenceZone.from_model(zone) for zone in (first[0], second[1])]
    for number in range(2 * len(TARGETS)):
        for qname in (f"to{number}.a.", f"x.from{number}.a."):
            assert not differences(store, reference, names.from_text(qname), types.A, True)


@pytest.mark.parametrize("qname", ["to.a.", "x.w.a."])
@pytest.mark.parametrize("broken", ["no chain", "the target's hash is there"])
def test_a_chain_that_cannot_be_proved(qname: str, broken: str) -> None:
    """Where the zone has no NSEC3 that denies the target, it is a counted miss, and no other is passed off as one."""
    text = "$TTL 60\n@ SOA ns1 h 1 7200 900 1209600 30\n@ NS ns1\nto CNAME none\n*.w CNAME none\n"
    zone = signed(model_of(text, "a."), nsec3=True)
    assert find(store_of([zone]), names.from_text(qname), types.A, True).lacks != "chain"
    if broken == "no chain":
        zone.nsec3 = {}
    else:
        digest = nsec3_hash.digest(b"\x04none\x01a\0", nsec3_hash.parameters(zone))
        owner = b"\x20" + base64.b32hexencode(digest).lower() + zone.origin
        zone.nsec3 = {**zone.nsec3, owner: next(iter(zone.nsec3.values()))}
    store = store_of([zone])
    assert find(store, names.from_text(qname), types.A, True).lacks == "chain"
    shown = {rr.owner for rr in wire.parse(ask(store, names.from_text(qname), types.A, True)).authority}
    assert not any(owner[1:33] == base64.b32hexencode(digest).lower() for owner in shown if broken != "no chain")
