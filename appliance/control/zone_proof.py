# SPDX-License-Identifier: GPL-3.0-or-later
"""What a zone's clients get, beside what the server believes that it serves: its SOA, asked for on every way."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, Final

from appliance.config.schema import Config
from appliance.control.health import Answer, asked, differences, ways_to

_ROUNDS: Final = 3
"""A reload between the record and the questions makes them differ once."""

Believed = Callable[[], tuple[dict[str, Any], Sequence[tuple[str, int]]]]
"""Asks the server for the record of the zone, and for its sockets (addresses with ports)."""


def proof(config: Config, believed: Believed, limit_s: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the record of a zone and what was answered; asked by the caller, as a client of this machine would."""
    deadline = time.monotonic() + limit_s
    with ExitStack() as opened:
        ways = None
        for _ in range(_ROUNDS):
            record, endpoints = believed()
            if ways is None:
                ways, remarks = ways_to(config, endpoints, opened)
            answers = asked(ways, [record["name"]], deadline)
            problems = _judged(record, answers)
            if not problems or time.monotonic() > deadline:
                break
    return record, {
        "proved": bool(answers) and not problems,
        "problems": problems,
        "remarks": remarks,
        "answers": [asdict(one) for one in answers],
    }


def _judged(record: dict[str, Any], answers: Sequence[Answer]) -> list[str]:
    """Return in which answers the zone is not what its record says."""
    problems = [f"{one.way}: {one.remark}" for one in answers if not one.rcode]
    given = [one for one in answers if one.rcode]
    problems += [said.removeprefix(f"zone {record['name']}: ") for said in differences(record["name"], given)]
    for one in given:
        if one.serial != record["serial"]:
            wanted = "no SOA" if record["serial"] is None else f"serial {record['serial']}"
            got = one.rcode if one.serial is None else f"serial {one.serial}"
            problems.append(f"{one.way} says {got}, the server believes to serve {wanted}")
        elif one.serial is not None and one.remark:
            problems.append(f"{one.way}: {one.remark}")
    return problems or ([] if answers else ["there is no way to ask"])
