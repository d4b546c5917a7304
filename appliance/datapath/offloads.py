# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device does to packets before the XDP program sees them, and whether the program can live with it.

A tag that the card takes out of the frame is beside it, where a native program cannot see it: its answer would leave
without one, into another VLAN. In generic mode the kernel keeps the tag and puts it back. Merged segments (LRO,
hardware GRO) are TCP's, which goes up anyway, but most drivers refuse a native program while they merge; in generic
mode the kernel switches merging off itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from appliance.datapath.links import Link, Mode
from appliance.errors import DatapathError

_TAGS_OUT: Final = {"rx-vlan-hw-parse": "rxvlan", "rx-vlan-stag-hw-parse": "rx-vlan-stag-hw-parse"}
_TAGS_IN: Final = "tx-vlan-hw-insert"
_MERGING: Final = {"rx-lro": "lro", "rx-gro-hw": "rx-gro-hw"}
"""Features by the kernel's names, and what `ethtool -K` calls them."""

# The feature says nothing there: whether a tag comes in the frame is the sender's choice.
_KERNEL_LINKS: Final = {"veth", "tun", "lo"}
# Its driver stops merging as long as a program is attached, whatever the feature says.
_STOPS_MERGING: Final = {"virtio_net"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """`refusal` says why the program must not run there, empty if it may; `remarks` what could be better."""

    refusal: str = ""
    remarks: tuple[str, ...] = ()


def features(name: str) -> frozenset[str]:
    """Read which features of a device are on, by the kernel's names. Raises DatapathError."""
    from pyroute2.ethtool.ioctl import EthtoolError, IoctlEthtool  # as late as in links

    try:
        asked = IoctlEthtool(name)
        try:
            return frozenset(feature for feature, active, *_ in asked.get_features() if active)
        finally:
            asked.close()
    except (EthtoolError, OSError) as error:
        raise DatapathError(
            f"{name}: its offloads cannot be read ({error!r}); `ethtool -k {name}` shows them"
        ) from error


def judge(link: Link, mode: Mode, on: frozenset[str]) -> Judgement:
    """Weigh the features that are on against what a program in this mode needs."""
    remarks = [*_of_tags(link, mode, on), *(_of_merging(link, on) if mode == "native" else ())]
    hidden = _hidden(link, on)
    if mode == "native" and hidden and link.vlans:
        reason = (
            f"{link.name} takes VLAN tags out of frames before a native program sees them ({_named(hidden)}), and has "
            f"{' and '.join(link.vlans)} on it: answers would leave without their tag; {_mend(link, hidden)}, or set "
            'mode = "generic" for it'
        )
        return Judgement(reason)
    return Judgement(remarks=tuple(remarks))


def _hidden(link: Link, on: frozenset[str]) -> list[str]:
    return [] if link.kind in _KERNEL_LINKS else [feature for feature in _TAGS_OUT if feature in on]


def _of_tags(link: Link, mode: Mode, on: frozenset[str]) -> list[str]:
    hidden = _hidden(link, on)
    if mode == "native" and hidden:
        return [f"VLAN tags are hidden ({_named(hidden)}): tagged queries get untagged answers; {_mend(link, hidden)}"]
    if mode == "native" and link.kind == "veth" and link.vlans:
        return [
            f"{', '.join(link.vlans)}: a veth hides VLAN tags unless its other end sends them in the frame; there, "
            "run `ethtool -K DEVICE txvlan off`"
        ]
    if mode == "generic" and hidden and link.vlans and _TAGS_IN not in on:
        return [
            f"VLAN tags are taken out of queries ({_named(hidden)}) but not put into answers ({_TAGS_IN} is off): "
            f"they may leave without; {_mend(link, hidden)}"
        ]
    return []


def _of_merging(link: Link, on: frozenset[str]) -> list[str]:
    merging = [feature for feature in _MERGING if feature in on]
    if not merging or link.kind in _STOPS_MERGING | _KERNEL_LINKS:
        return []
    return [f"the card merges packets ({_named(merging)}), which native XDP wants off; {_mend(link, merging)}"]


def why_refused(link: Link, on: frozenset[str]) -> str:
    """Return what may have kept a driver from taking a native program, with the mend; empty if nothing is known."""
    return "; ".join(_of_merging(link, on))


def _named(found: list[str]) -> str:
    return " and ".join(found) + (" are on" if len(found) > 1 else " is on")


def _mend(link: Link, found: list[str]) -> str:
    switches = " ".join(f"{_TAGS_OUT.get(feature) or _MERGING[feature]} off" for feature in found)
    return f"run `ethtool -K {link.name} {switches}`"
