# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain with one thing wrong is refused, or whatever proof comes out of it really covers what it must."""

import base64
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ZoneError
from appliance.store.store import Store
from appliance.zone import names, nsec3_hash, types
from appliance.zone.checks.levels import CLASSES
from appliance.zone.load import load_zone
from appliance.zone.model import RRset, RRsets, Zone
from tests.interop import wire
from tests.reference.strategies import deterministic
from tests.stores.asking import ask, store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.property

ORIGIN: Final = b"\x07example\0"
QUESTIONS: Final = 40
_TEXT: Final = """
@ 300 SOA ns.outside.test. h.outside.test. 1 7200 900 1209600 300
@ 300 NS ns.outside.test.
a 300 A 192.0.2.1
b.ent 300 A 192.0.2.2
*.wild 300 A 192.0.2.3
m 300 TXT "m"
x.deep.er 300 A 192.0.2.4
z 300 A 192.0.2.5
cut 300 NS ns.outside.test.
"""
_SALT: Final = b"\xab"

Breakage = Callable[[Zone, random.Random], None]


def _nsecs(zone: Zone) -> list[RRsets]:
    return [rrsets for _, rrsets in sorted(zone.nodes.items()) if types.NSEC in rrsets]


def _no_nsec(zone: Zone, rng: random.Random) -> None:
    del rng.choice(_nsecs(zone))[types.NSEC]


def _other_next(zone: Zone, rng: random.Random) -> None:
    """Let an NSEC lead to another existing name."""
    rrset = rng.choice(_nsecs(zone))[types.NSEC]
    rest = rrset.rdatas[0][names.read(rrset.rdatas[0])[1] :]
    others = [owner + rest for owner in sorted(zone.nodes) if owner + rest != rrset.rdatas[0]]
    rrset.rdatas[0] = rng.choice(others)


def _second_nsec(zone: Zone, rng: random.Random) -> None:
    rrset = rng.choice(_nsecs(zone))[types.NSEC]
    end = names.read(rrset.rdatas[0])[1]
    rrset.rdatas.append(b"\x01!" + ORIGIN + rrset.rdatas[0][end:])


def _nsec3(zone: Zone, rng: random.Random) -> RRset:
    return zone.nsec3[rng.choice(sorted(zone.nsec3))]


def _no_nsec3(zone: Zone, rng: random.Random) -> None:
    gone = rng.choice(sorted(zone.nsec3))
    zone.nsec3 = {owner: rrset for owner, rrset in zone.nsec3.items() if owner != gone}


def _second_nsec3(zone: Zone, rng: random.Random) -> None:
    rrset = _nsec3(zone, rng)
    at = 5 + len(_SALT) + 1
    rrset.rdatas.append(rrset.rdatas[0][:at] + rng.randbytes(20) + rrset.rdatas[0][at + 20 :])


def _other_salt(zone: Zone, rng: random.Random) -> None:
    rrset = _nsec3(zone, rng)
    rrset.rdatas[0] = rrset.rdatas[0][:5] + b"\xcd" + rrset.rdatas[0][6:]


def _other_iterations(zone: Zone, rng: random.Random) -> None:
    rrset = _nsec3(zone, rng)
    rrset.rdatas[0] = rrset.rdatas[0][:2] + b"\0\7" + rrset.rdatas[0][4:]


def _other_parameters(zone: Zone, _: random.Random) -> None:
    zone.nodes[ORIGIN][types.NSEC3PARAM].rdatas[0] = b"\1\0\0\7\1\xcd"


def _other_following(zone: Zone, rng: random.Random) -> None:
    rrset = _nsec3(zone, rng)
    at = 5 + len(_SALT) + 1
    rrset.rdatas[0] = rrset.rdatas[0][:at] + rng.randbytes(20) + rrset.rdatas[0][at + 20 :]


def _superfluous_nsec3(zone: Zone, rng: random.Random) -> None:
    """Add an NSEC3 for a name that does not exist."""
    digest = nsec3_hash.digest(b"\x04none" + ORIGIN, nsec3_hash.parameters(zone))
    owner = b"\x20" + base64.b32hexencode(digest).lower() + ORIGIN
    zone.nsec3 = {**zone.nsec3, owner: RRset(types.NSEC3, 300, list(_nsec3(zone, rng).rdatas))}


NSEC_BREAKAGES: Final = (_no_nsec, _other_next, _second_nsec)
NSEC3_BREAKAGES: Final = (
    *(_no_nsec3, _second_nsec3, _other_salt, _other_iterations, _other_parameters, _other_following),
    _superfluous_nsec3,
)


def _fresh(nsec3: bool) -> Zone:
    return signed(model_of(_TEXT, "example."), nsec3, False, _SALT)


def _write(zone: Zone, path: Path) -> Path:
    """Write a zone as a file in the notation for unknown types (RFC 3597 §5)."""
    lines = [
        f"{names.to_text(owner)} {rrset.ttl} IN TYPE{rrset.rtype} \\# {len(rdata)} {rdata.hex()}\n"
        for owner, rrset in zone.rrsets()
        for rdata in rrset.rdatas
    ]
    path.write_text("".join(lines))
    return path


@pytest.mark.parametrize("breakage", NSEC_BREAKAGES, ids=lambda breakage: breakage.__name__)
@pytest.mark.parametrize("seed", range(6))
def test_broken_nsec_chains_are_refused(tmp_path: Path, breakage: Breakage, seed: int) -> None:
    zone = _fresh(nsec3=False)
    assert load_zone(_write(zone, tmp_path / "whole"), ORIGIN).scheme == "nsec"
    breakage(zone, random.Random(seed))
    with pytest.raises(ZoneError, match=r"nsec-chain|NSEC"):
        load_zone(_write(zone, tmp_path / "broken"), ORIGIN)


@pytest.mark.parametrize("breakage", NSEC3_BREAKAGES, ids=lambda breakage: breakage.__name__)
@pytest.mark.parametrize("seed", range(6))
def test_broken_nsec3_chains_are_refused(tmp_path: Path, breakage: Breakage, seed: int) -> None:
    zone = _fresh(nsec3=True)
    assert load_zone(_write(zone, tmp_path / "whole"), ORIGIN).scheme == "nsec3"
    breakage(zone, random.Random(seed))
    with pytest.raises(ZoneError, match=r"nsec3-chain|nsec3-parameters|NSEC3"):
        load_zone(_write(zone, tmp_path / "broken"), ORIGIN)


@pytest.mark.parametrize("breakage", [*NSEC_BREAKAGES, *NSEC3_BREAKAGES], ids=lambda breakage: breakage.__name__)
@pytest.mark.parametrize("seed", range(12))
def test_nothing_that_exists_is_denied(tmp_path: Path, breakage: Breakage, seed: int) -> None:
    """With every check switched off a broken chain is served, but never to deny the name that was asked for."""
    zone = _fresh(breakage in NSEC3_BREAKAGES)
    breakage(zone, random.Random(seed))
    loaded = load_zone(_write(zone, tmp_path / "broken"), ORIGIN, dict.fromkeys(CLASSES, "off"))
    store = store_of([loaded])
    for name in (*loaded.nodes, *loaded.ents):
        for rtype in (types.DS, types.HINFO):
            reply = wire.parse(ask(store, name, rtype, True))
            assert reply.rcode == 0
            for rr in reply.authority:
                if rr.rtype == types.NSEC and rr.owner != name:
                    following = names.read(rr.rdata)[0]
                    assert not _nsec_covers((rr.owner, following), name) or names.is_subdomain(following, name)
                if rr.rtype == types.NSEC3:
                    assert _nsec3_label(loaded, name) == rr.owner[1:33], (name, rtype)
    for name in (b"\x04none" + above for above in (*loaded.nodes, *loaded.ents) if above not in loaded.delegations):
        reply = wire.parse(ask(store, name, types.A, True))
        absent = {_nsec3_label(loaded, name), _nsec3_label(loaded, b"\x01*" + names.parent(name))}
        matching = {rr.owner[1:33] for rr in reply.authority if rr.rtype == types.NSEC3} & absent
        assert not matching or loaded.exists(b"\x01*" + names.parent(name)), (
            f"a match is passed off as a cover: {name!r}"
        )


def _nsec3_label(zone: Zone, name: bytes) -> bytes:
    if zone.scheme != "nsec3":
        return b""
    return base64.b32hexencode(nsec3_hash.digest(name, nsec3_hash.parameters(zone))).lower()


@deterministic
@given(st.booleans(), st.integers(0, 2**32), st.booleans())
def test_octets_of_a_chain(nsec3: bool, seed: int, whole: bool) -> None:
    """Any octet of any NSEC or NSEC3 RDATA changed: refused, or all that is proved is proved truly."""
    rng = random.Random(seed)
    zone = _fresh(nsec3)
    if not whole:
        rrset = _nsec3(zone, rng) if nsec3 else rng.choice(_nsecs(zone))[types.NSEC]
        octets = bytearray(rrset.rdatas[0])
        octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
        rrset.rdatas[0] = bytes(octets)
    loaded = _loaded(zone)
    assert loaded is not None or not whole
    if loaded is not None:
        store = store_of([loaded])
        for _ in range(QUESTIONS):
            above = rng.choice(sorted({*loaded.nodes, *loaded.ents} - loaded.delegations))
            label = bytes(rng.choices(b"abmwxz*!~\0\xff", k=rng.choice((1, 1, 2, 9))))
            name = bytes([len(label)]) + label + above
            if not loaded.exists(name):
                _verify(store, loaded, name)


def _loaded(zone: Zone) -> Zone | None:
    """Return the zone as the loader sees it, or None where it refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return load_zone(_write(zone, Path(folder) / "zone"), ORIGIN)
        except ZoneError:
            return None


def _verify(store: Store, zone: Zone, name: bytes) -> None:
    """Check with the RRs of the reply alone that they prove what is said about a missing name."""
    above = list(names.suffixes(name))
    at = next(i for i, upper in enumerate(above) if zone.exists(upper) or upper == ORIGIN)
    encloser, closer = above[at], above[at - 1]
    reply = wire.parse(ask(store, name, types.A, True))
    absent = {closer if zone.scheme == "nsec3" else name}
    if not zone.exists(b"\x01*" + encloser):
        absent.add(b"\x01*" + encloser)
        assert reply.rcode == wire.NXDOMAIN
    if zone.scheme == "nsec":
        spans = [(rr.owner, names.read(rr.rdata)[0]) for rr in reply.authority if rr.rtype == types.NSEC]
        for missing in absent:
            assert any(_nsec_covers(span, missing) for span in spans), (name, missing, spans)
        return
    chosen = nsec3_hash.parameters(zone)
    hashed = [
        (base64.b32hexdecode(rr.owner[1:33].upper()), rr.rdata[6 + len(chosen[1]) :][:20])
        for rr in reply.authority
        if rr.rtype == types.NSEC3
    ]
    for missing in absent:
        assert any(_nsec3_covers(span, nsec3_hash.digest(missing, chosen)) for span in hashed), (name, missing)
    if len(absent) > 1:
        assert nsec3_hash.digest(encloser, chosen) in {owner for owner, _ in hashed}


def _nsec_covers(span: tuple[bytes, bytes], name: bytes) -> bool:
    owner, following = (names.canonical_key(end.lower()) for end in span)
    key = names.canonical_key(name)
    return owner < key and (key < following or following <= owner)


def _nsec3_covers(span: tuple[bytes, bytes], digest: bytes) -> bool:
    owner, following = span
    if owner < following:
        return owner < digest < following
    return digest > owner or digest < following
