# SPDX-License-Identifier: GPL-3.0-or-later
"""The suites by name. A suite is a function that yields figures; one added here is found by `make bench SUITE=`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.suites import compare, control, control_zones, dnssec, fairness, nic, nic_starts, octets, scale


@dataclass(frozen=True)
class Setting:
    """What a suite may be told; `work` is a folder in memory that goes with the process."""

    root_zone: Path | None
    work: Path
    note: Callable[[str], None]
    duration_s: float
    parts: frozenset[str]
    commit: str = ""
    """What to compare with, for the suites `compare` and `octets`."""


@dataclass(frozen=True)
class Suite:
    """A suite and what it needs."""

    purpose: str
    parts: frozenset[str]
    measure: Callable[[Setting], Iterator[Figure]]
    kept: bool = True
    """Whether its figures are of the machine, and go into bench/results."""


def nic_suite(setting: Setting) -> Iterator[Figure]:
    """Measure the NIC path."""
    return nic.measure(setting.root_zone, setting.work, setting.note, setting.duration_s, setting.parts or nic.PARTS)


def dnssec_suite(setting: Setting) -> Iterator[Figure]:
    """Measure signed zones."""
    parts = setting.parts or dnssec.PARTS
    return dnssec.measure(setting.root_zone, setting.work, setting.note, setting.duration_s, parts)


def scale_suite(setting: Setting) -> Iterator[Figure]:
    """Measure large zones and many zones."""
    return scale.measure(setting.work, setting.note, setting.duration_s, setting.parts or scale.USUAL)


def starts_suite(setting: Setting) -> Iterator[Figure]:
    """Measure how soon the NIC path answers."""
    return nic_starts.measure(setting.work, setting.note, setting.parts or nic_starts.PARTS)


def fairness_suite(setting: Setting) -> Iterator[Figure]:
    """Measure what clients do to each other."""
    return fairness.measure(setting.work, setting.note, setting.parts or fairness.PARTS)


def octets_suite(setting: Setting) -> Iterator[Figure]:
    """Compare the octets of stores with those of another commit."""
    return octets.measure(setting.commit, setting.root_zone, setting.work, setting.note, setting.parts or octets.USUAL)


def control_suite(setting: Setting) -> Iterator[Figure]:
    """Measure what an operator asks of a server with many zones."""
    parts = setting.parts or CONTROL
    yield from control.measure(setting.work, setting.note, parts)
    yield from control_zones.measure(setting.note, parts)


def compare_suite(setting: Setting) -> Iterator[Figure]:
    """Measure the tree of another commit and this one in turn."""
    run = compare.Run(setting.root_zone, setting.work, setting.note, setting.duration_s, setting.parts)
    return compare.measure(setting.commit, run)


CONTROL = control.PARTS | control_zones.PARTS

SUITES: Mapping[str, Suite] = {
    "nic": Suite("the XDP program's time, the whole way over a veth pair, NSD beside it", nic.PARTS, nic_suite),
    "dnssec": Suite(
        "proofs in the XDP program, signed zones without DO, NSD and Knot beside it", dnssec.PARTS, dnssec_suite
    ),
    "scale": Suite(
        "start, memory and changes of large zones and many zones, peers beside it", scale.PARTS, scale_suite
    ),
    "starts": Suite("from a start, and from a full store, to the NIC path's answers", nic_starts.PARTS, starts_suite),
    "fairness": Suite(
        "an honest client beside greedy and stalled ones, NSD and Knot beside it", fairness.PARTS, fairness_suite
    ),
    "control": Suite(
        "apply, status, memory and added zones beside 100,000 zones, NSD and Knot beside it", CONTROL, control_suite
    ),
    "compare": Suite("the tree of another commit and this one in turn", compare.PARTS, compare_suite),
    "octets": Suite("the octets of stores, beside those of another commit", octets.PARTS, octets_suite, kept=False),
}
