# SPDX-License-Identifier: GPL-3.0-or-later
"""The NIC path as the control process uses it: what the configuration says of it, in the words of datapath/."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from typing import Any, Final

from appliance.config.schema import Config
from appliance.datapath.events import Changes
from appliance.datapath.interfaces import Interfaces
from appliance.datapath.specs import InterfaceSpec
from appliance.errors import DatapathError
from appliance.store.capacity import Capacity
from appliance.store.store import Store
from appliance.wording import counted

_SETTLE_S: Final = 0.05
"""One change of an interface has several notices."""
_SHARE: Final = 4
"""Pause after a look, in multiples of the time that it took: looking takes at most a fifth of the time."""
_LOOK_S: Final = 60.0
"""Longest time until a change is seen that the kernel does not report, as of programs on interfaces that are down."""

_log = logging.getLogger(__name__)


def wanted(config: Config) -> list[InterfaceSpec]:
    """Return the interfaces that the configuration gives to the XDP program."""
    return [
        InterfaceSpec(one.name, one.mode, one.addresses, one.port, one.verify_checksum, config.listen.addresses)
        for one in config.interface
        if one.mode != "off"
    ]


def may_do_without(config: Config) -> bool:
    """Return whether the configuration leaves it to us how, and so whether, an interface runs the program."""
    return all(one.mode in ("auto", "off") for one in config.interface)


def interfaces(config: Config, use_xdp: bool) -> Interfaces:
    """Return the interfaces as this server is to keep them; without `use_xdp` it wants no program on any."""
    names = [one.name for one in config.interface]
    return Interfaces(wanted(config) if use_xdp else (), names, config.server.run_dir)


def configure(kept: Interfaces, config: Config, *, act: bool = True) -> None:
    """Keep the interfaces as a configuration says; with `act` false from the next generation on.

    Raises DatapathError.
    """
    kept.configure(wanted(config), [one.name for one in config.interface], act=act)


def needs_generation(before: Config, after: Config) -> bool:
    """Return whether a running program cannot be told of a change, since it was compiled for what was before."""
    return (before.limits.edns_size, _port(before)) != (after.limits.edns_size, _port(after))


def _port(config: Config) -> int | None:
    return next((spec.port for spec in wanted(config)), None)


async def keep_looking(kept: Interfaces) -> None:
    """Reconcile the interfaces whenever the kernel tells of a change, until cancelled."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    changes = _listening()

    def read() -> None:
        if changes is not None and changes.drain():
            changed.set()

    if changes is not None:
        loop.add_reader(changes, read)
    try:
        while True:
            before = loop.time()
            try:
                await asyncio.to_thread(kept.reconcile)
            except DatapathError as error:
                _log.warning("the interfaces cannot be looked at: %s", error)
            took = loop.time() - before
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _LOOK_S)
            await asyncio.sleep(max(_SETTLE_S, _SHARE * took))  # interfaces of others may come and go all the time
            changed.clear()
    finally:
        if changes is not None:
            loop.remove_reader(changes)
            changes.close()


def _listening() -> Changes | None:
    try:
        return Changes()
    except DatapathError as error:
        _log.warning("%s; they are looked at every %.0f s", error, _LOOK_S)
        return None


class NicPath:
    """One generation: loaded with an empty store at construction, answering after attach()."""

    def __init__(self, config: Config, kept: Interfaces, sizes: Capacity, opcode_pass: int) -> None:
        """Load and pin the program. Raises DatapathError."""
        self._kept = kept
        self._generation = kept.load(
            **sizes._asdict(),
            edns_size=config.limits.edns_size,
            pass_rate=config.limits.pass_rate,
            pass_burst=config.limits.pass_burst,
            opcode_pass=opcode_pass,
        )
        self.lease_s = config.server.lease_s
        """Seconds that a lease lasts; 0: without end."""
        self._before: Counter[str] = Counter()

    @property
    def store(self) -> Store:
        """The store that the program reads."""
        return self._generation.store

    @property
    def name(self) -> str:
        """Name of the generation's folder of pins."""
        return self._generation.folder.name

    def renew_lease(self) -> None:
        """Let the program answer for another `lease_s` from now on; 0: without end."""
        until_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + int(self.lease_s * 1e9)
        self._generation.lease(until_ns if self.lease_s else 0)

    def limit(self, rate: int, burst: int) -> None:
        """Hand up at most `rate` packets a second and CPU from now on, and `burst` at once."""
        self._generation.store.set("pass_burst", burst)
        self._generation.store.set("pass_rate", rate)

    def attach(self, *, forced: bool = False) -> None:
        """Answer from now on, taking the interfaces over from a former generation. Raises DatapathError."""
        self.renew_lease()
        self._generation.serving(True)
        self._kept.serve(self._generation, forced=forced)

    def counters(self) -> dict[str, int]:
        """Return the verdict counters by name, those of the generations before this one included."""
        return {name: value + self._before[name] for name, value in self._generation.counters().items()}

    def go_on_counting(self, former: "NicPath") -> None:
        """Add what a former generation, now replaced, has counted."""
        self._before.update(former.counters())

    def close(self) -> None:
        """Unmap the arrays of a generation that another one has replaced."""
        self._generation.store.close()
        self._generation.close()

    def discard(self) -> None:
        """Undo the load."""
        self._kept.drop(self._generation)


def described(kept: Interfaces) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the interfaces as they are now, and what is doubtful beside them. Asks the kernel: not for the loop."""
    report = kept.report()
    told = [
        {
            "name": one.name,
            "link": one.link,
            "mode": one.mode if one.serves and one.mode else "off",
            "program": one.program,
            "since": round(one.since, 3),
            "reason": one.reason,
            "put_back": report.put_back[one.name].times if one.name in report.put_back else 0,
            "put_back_at": round(report.put_back[one.name].last, 3) if one.name in report.put_back else None,
            "verify_checksum": one.verify_checksum,
            "addresses": list(one.addresses),
            "problem": one.problem,
            "remarks": list(one.remarks),
        }
        for one in report.rows
    ]
    doubts = report.doubts
    if report.crowded:
        some = ", ".join(report.crowded[:3]) + (", …" if len(report.crowded) > 3 else "")
        mend = "`appliance reload` finds places for all" if kept.are_crowded else "there is no room for more"
        doubts.append(f"queries to {counted(len(report.crowded), 'address')} ({some}) go to userspace: {mend}")
    return told, doubts
