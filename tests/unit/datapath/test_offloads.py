# SPDX-License-Identifier: GPL-3.0-or-later
"""Which offloads the XDP program can live with, by device, mode and whether VLANs are there."""

from __future__ import annotations

import itertools

import pytest

from appliance.datapath import links, offloads
from appliance.datapath.links import Link, Mode

pytestmark = pytest.mark.unit

PARSE, STAG, INSERT, LRO, GRO_HW = (
    "rx-vlan-hw-parse",
    "rx-vlan-stag-hw-parse",
    "tx-vlan-hw-insert",
    "rx-lro",
    "rx-gro-hw",
)
MODES: tuple[Mode, ...] = ("native", "generic")


def link(kind: str = "ixgbe", *vlans: str) -> Link:
    return Link("eth0", 2, bytes(6), kind, ("192.0.2.53",), 0, None, vlans)


@pytest.mark.parametrize(
    "hidden", [{PARSE}, {STAG}, {PARSE, STAG}, {PARSE, INSERT, LRO}], ids=lambda hidden: "+".join(sorted(hidden))
)
def test_a_native_program_is_refused_where_tags_are_hidden_and_used(hidden: set[str]) -> None:
    judged = offloads.judge(link("ixgbe", "eth0.42", "eth0.43"), "native", frozenset(hidden))
    assert "has eth0.42 and eth0.43 on it" in judged.refusal
    assert "run `ethtool -K eth0 " in judged.refusal
    assert ("rxvlan off" in judged.refusal) == (PARSE in hidden)
    assert ("rx-vlan-stag-hw-parse off" in judged.refusal) == (STAG in hidden)


def test_without_vlans_hidden_tags_are_a_remark() -> None:
    """Most cards take tags out unless told otherwise, and most of them carry none."""
    judged = offloads.judge(link(), "native", frozenset({PARSE}))
    assert judged.refusal == ""
    (remark,) = judged.remarks
    assert remark.endswith("tagged queries get untagged answers; run `ethtool -K eth0 rxvlan off`")


def test_in_generic_mode_the_kernel_keeps_the_tag() -> None:
    on = frozenset({PARSE, INSERT})
    assert offloads.judge(link("ixgbe", "eth0.42"), "generic", on) == offloads.Judgement()
    judged = offloads.judge(link("ixgbe", "eth0.42"), "generic", on - {INSERT})
    assert judged.refusal == ""
    assert "tx-vlan-hw-insert is off" in judged.remarks[0]
    assert offloads.judge(link(), "generic", frozenset({PARSE})) == offloads.Judgement()


@pytest.mark.parametrize("kind", ["veth", "tun", "lo"])
def test_on_links_of_the_kernel_the_features_say_nothing(kind: str) -> None:
    for mode, count in itertools.product(MODES, range(6)):
        for chosen in itertools.combinations((PARSE, STAG, INSERT, LRO, GRO_HW), count):
            assert offloads.judge(link(kind), mode, frozenset(chosen)) == offloads.Judgement()
    judged = offloads.judge(link("veth", "eth0.42"), "native", frozenset({PARSE}))
    assert judged.refusal == ""
    assert "other end" in judged.remarks[0]


def test_merging_is_a_remark_in_native_mode_only() -> None:
    on = frozenset({LRO, GRO_HW})
    (remark,) = offloads.judge(link(), "native", on).remarks
    assert remark.endswith("run `ethtool -K eth0 lro off rx-gro-hw off`")
    assert offloads.judge(link(), "generic", on) == offloads.Judgement()
    assert offloads.judge(link("virtio_net"), "native", on) == offloads.Judgement()
    assert "ethtool -K eth0 lro off" in offloads.why_refused(link(), frozenset({LRO}))
    assert offloads.why_refused(link(), frozenset({PARSE})) == ""


def test_nothing_on_nothing_said() -> None:
    for kind, mode in itertools.product(("ixgbe", "veth", "virtio_net", "unknown"), MODES):
        assert offloads.judge(link(kind), mode, frozenset()) == offloads.Judgement()


def test_features_of_a_device_that_is_there() -> None:
    """The loopback device is everywhere, and what it does is fixed."""
    on = offloads.features("lo")
    assert "loopback" in on
    assert not on & {PARSE, LRO, GRO_HW}
    assert links.read("lo").vlans == ()
