# SPDX-License-Identifier: GPL-3.0-or-later
"""Names drawn at random: text and wire forms, order and relations agree with dnspython's."""

from __future__ import annotations

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import WireError
from appliance.zone import names
from tests.reference import strategies

pytestmark = pytest.mark.property


def _fits(labels: list[bytes]) -> bool:
    return sum(len(label) + 1 for label in labels) < 255


LABELS = st.lists(
    st.one_of(st.binary(min_size=1, max_size=63), st.sampled_from([b"a", b"A", b"*", b"b", b"\x00"])), max_size=12
).filter(_fits)
NAMES = LABELS.map(strategies.wire_name)
FEW = st.lists(st.sampled_from([b"a", b"A", b"aa", b"*", b"\x00", b"\x01a", b"_", b"Z", b"z"]), max_size=4)
SIMILAR = FEW.map(strategies.wire_name)


def peer(wire: bytes) -> dns.name.Name:
    return dns.name.from_wire(wire, 0)[0]


@strategies.deterministic
@given(NAMES)
def test_text_gives_the_name_back_here_and_in_dnspython(wire: bytes) -> None:
    assert names.from_text(names.to_text(wire)) == wire
    assert dns.name.from_text(names.to_text(wire)).to_wire() == wire
    assert names.from_text(str(peer(wire))) == wire


@strategies.deterministic
@given(NAMES, st.binary(max_size=8), st.binary(max_size=8))
def test_read_stops_where_the_name_ends(wire: bytes, before: bytes, after: bytes) -> None:
    assert names.read(before + wire + after, len(before)) == (wire, len(before) + len(wire))
    if len(wire) > 1:
        with pytest.raises(WireError):
            names.read(wire[:-1])


@strategies.deterministic
@given(st.binary(max_size=300))
def test_read_returns_a_valid_name_or_refuses(octets: bytes) -> None:
    try:
        wire, end = names.read(octets)
    except WireError:
        return
    assert wire == octets[:end]
    assert peer(wire).to_wire() == wire


@strategies.deterministic
@given(SIMILAR, SIMILAR)
def test_relations_are_those_of_dnspython(one: bytes, other: bytes) -> None:
    assert (names.canonical_key(one) < names.canonical_key(other)) == (peer(one) < peer(other))
    assert (names.canonical_key(one) == names.canonical_key(other)) == (peer(one) == peer(other))
    assert names.is_subdomain(names.fold(one), names.fold(other)) == peer(one).is_subdomain(peer(other))


@strategies.deterministic
@given(NAMES)
def test_labels_parents_and_suffixes_fit_together(wire: bytes) -> None:
    labels = names.labels(wire)
    assert strategies.wire_name(labels) == wire
    assert names.label_count(wire) == len(labels) == len(peer(wire)) - 1
    suffixes = list(names.suffixes(wire))
    assert suffixes == [strategies.wire_name(labels[count:]) for count in range(len(labels) + 1)]
    assert names.parent(wire) == (suffixes[1] if labels else names.ROOT)
    assert names.fold(wire) == peer(wire).to_digestable()


@strategies.deterministic
@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=80))
def test_any_text_is_a_valid_name_or_refused(text: str) -> None:
    try:
        wire = names.from_text(text)
    except WireError:
        return
    assert names.read(wire) == (wire, len(wire))
