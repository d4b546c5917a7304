# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten thousand small zones that change: the time of a reload beside that of a start with the same files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from appliance.cli.client import ask
from bench.figures import Figure, at_most
from bench.machine.lab import SERVER_DEVICE, Veth
from bench.peers.commands import ADDRESS, PORT
from bench.peers.starts import answered, ours, started

COUNT: Final = 10_000
_TEXT: Final = (
    "$TTL 300\n@ SOA ns root {serial} 3600 900 1209600 300\n@ NS ns\n@ NS ns2\n@ MX 10 mail\n{own}"
    "ns A 192.0.2.1\nns2 A 192.0.2.2\nmail A 192.0.2.3\nwww A 192.0.2.4\n"
)


def measure(work: Path, note: Callable[[str], None]) -> Iterator[Figure]:
    """Yield the share of a cold start that a reload of all zones takes, for zones of one text and of own texts."""
    veth = Veth()
    try:
        for kind in ("one_text", "own_texts"):
            note(f"{COUNT} zones: {kind}")
            folder = work / f"reload-{kind}"
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "zones").mkdir(parents=True)
            config = _configure(folder)
            last = f"www.zone{COUNT - 1:06d}.example."
            _write(folder / "zones", 1, kind)
            with started(ours(config), folder / "output", lambda last=last: answered(last)):  # type: ignore[misc]
                _wait_ready(folder / "run" / "control.sock")
                _write(folder / "zones", 2, kind)
                begin = time.monotonic()
                told = ask(folder / "run" / "control.sock", "reload")["zones"]
                spent = time.monotonic() - begin
                done = sum("replaced by 2" in one["outcome"] for one in told)
            while answered(last):
                time.sleep(0.1)  # until nothing of the server before is on the interface any more
            with started(ours(config), folder / "output", lambda last=last: answered(last)) as start:  # type: ignore[misc]
                cold = start.seconds
            yield at_most(f"scale_reload_{kind}", spent / cold, "x", 1.0, reload_s=spent, cold_s=cold, replaced=done)
            shutil.rmtree(folder)
    finally:
        veth.close()


def _configure(folder: Path) -> Path:
    config = folder / "appliance.toml"
    config.write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n[listen]\naddresses = ["{ADDRESS}"]\nport = {PORT}\n'
        f'[store]\nimage = false\n[[interface]]\nname = "{SERVER_DEVICE}"\nport = {PORT}\n'
        f'[[pattern]]\nfile = "{folder}/zones/{{zone}}.zone"\n'
    )
    return config


def _write(folder: Path, serial: int, kind: str) -> None:
    for number in range(COUNT):
        own = f"@ TXT n{number}\n" if kind == "own_texts" else ""
        (folder / f"zone{number:06d}.example.zone").write_text(_TEXT.format(serial=serial, own=own))


def _wait_ready(socket: Path) -> None:
    """Wait until the server has written down what it serves, so that this is no part of the reload."""
    while not socket.exists():
        time.sleep(0.1)
    ask(socket, "status")
    state, before, kept = socket.parents[1] / "state", -1, 0
    while before != kept:
        before = kept
        time.sleep(5)
        kept = sum(one.stat().st_size for one in state.iterdir())
