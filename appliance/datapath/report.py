# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of the interfaces as they are now."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.datapath import attachment
from appliance.datapath.conditions import PutBack
from appliance.datapath.door import Attached
from appliance.datapath.generation import Placed
from appliance.datapath.links import Link, Mode
from appliance.datapath.offloads import Judgement
from appliance.datapath.reconcile import Action


@dataclass(frozen=True, slots=True)
class Row:
    """One interface; `mode` and `program` are those of what runs there, `since` is a time of day.

    `link` is "up", "down", "no carrier" or "missing". `serves` tells that it is this server's program; `problem` is
    empty if all is as wanted.
    """

    name: str
    link: str
    mode: Mode | None
    program: int
    serves: bool
    since: float
    reason: str
    verify_checksum: bool
    addresses: tuple[str, ...]
    problem: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All interfaces that are to be told of, entries of the registry that are not believed, addresses without room."""

    rows: list[Row]
    doubts: list[str]
    crowded: tuple[str, ...]
    put_back: dict[str, PutBack]


def row_of(action: Action, got: Attached | None, problem: str, since: float, placed: Placed) -> Row | None:
    """Return what is told of one interface, None if that is nothing."""
    link = action.found.link if action.found is not None else None
    serves = action.do == "keep"
    if action.spec is None and not problem:
        return None
    judged = attachment.judged(link) if serves and link is not None else Judgement()
    remarks = judged.remarks + ((problem,) if action.doubtful else ())
    addresses: tuple[str, ...] = ()
    if action.spec is not None and link is not None and serves:
        addresses = tuple(one for one in action.spec.addresses or link.addresses if one in placed.addresses)
    return Row(
        action.name,
        _state_of(link),
        link.mode if link is not None else None,
        link.program if link is not None else 0,
        serves,
        since,
        got.reason if got is not None and serves else "",
        action.spec is not None and link is not None and attachment.verifies(action.spec, link),
        addresses,
        judged.refusal or ("" if action.doubtful else problem),
        remarks,
    )


def _state_of(link: Link | None) -> str:
    if link is None:
        return "missing"
    return ("up" if link.carrier else "no carrier") if link.up else "down"
