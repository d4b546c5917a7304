# SPDX-License-Identifier: GPL-3.0-or-later
"""What status tells where no server runs: the programs that the last one left on the interfaces, and what they do."""

from typing import Any

from appliance.config.schema import Config
from appliance.datapath.remains import Remains, remains
from appliance.errors import DatapathError
from appliance.served.signatures import moment


def left_on_interfaces(config: Config) -> list[dict[str, Any]]:
    """Return a row for each interface that still runs a program; `problem` says what it does and how it is taken off.

    An interface that cannot be looked at is not told of.
    """
    try:
        found = remains({one.name for one in config.interface}, config.server.run_dir)
    except (DatapathError, OSError):
        return []
    return [_row(one) for one in found]


def _row(one: Remains) -> dict[str, Any]:
    return {
        "name": one.interface,
        "mode": one.mode or "off",
        "program": one.program,
        "pid": one.pid if one.known else None,
        "since": one.since,
        "answers": one.answers,
        "answers_until": one.lease.until or None if one.lease is not None and one.answers else None,
        "problem": _problem(one),
    }


def _problem(one: Remains) -> str:
    name, what = one.interface, f"XDP program (id {one.program})"
    if not one.known:
        return f"{name} runs an {what}, which may be ours and answer old data: `sudo appliance status` can tell"
    mend = f"`appliance detach {name}` takes it off"
    return f"{name} still runs the {what} of the server that has ended (process {one.pid}): {_does(one)}; {mend}"


def _does(one: Remains) -> str:
    """Return what a program does with queries now, and until when."""
    if one.silent:
        return one.silent.partition(";")[0]
    if one.lease is None:
        return "whether it answers, and until when, cannot be read"
    if not one.lease.serving:
        return "it hands everything up, and nobody answers"
    if not one.lease.until:
        return "it answers from the zones of then, without end (lease_s = 0)"
    if not one.answers:
        return f"since {moment(int(one.lease.until))} it hands everything up (lease_s), and nobody answers"
    return f"it answers from the zones of then until {moment(int(one.lease.until))} (lease_s)"
