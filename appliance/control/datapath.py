# SPDX-License-Identifier: GPL-3.0-or-later
"""The NIC path as the control process uses it: every call to a Generation is here."""

import contextlib
import time
from collections import Counter
from typing import Any

from appliance.answers.sizes import Capacity
from appliance.answers.store import Store
from appliance.config.schema import Config
from appliance.datapath.generation import Generation, InterfaceSpec
from appliance.errors import DatapathError


def wanted(config: Config) -> list[InterfaceSpec]:
    """Return the interfaces that the configuration gives to the XDP program."""
    return [
        InterfaceSpec(one.name, one.mode, one.addresses, one.port, one.verify_checksum)
        for one in config.interface
        if one.mode != "off"
    ]


def may_do_without(config: Config) -> bool:
    """Tell whether the configuration leaves it to us how, and so whether, an interface runs the program."""
    return all(one.mode in ("auto", "off") for one in config.interface)


class NicPath:
    """One generation: loaded with an empty store at construction, answering after attach()."""

    def __init__(self, config: Config, sizes: Capacity, opcode_pass: int) -> None:
        """Compile, load and pin the program. Raises DatapathError."""
        self._generation = Generation.load(
            wanted(config),
            **sizes._asdict(),
            edns_size=config.limits.edns_size,
            pass_rate=config.limits.pass_rate,
            pass_burst=config.limits.pass_burst,
            opcode_pass=opcode_pass,
        )
        self._lease_s = config.server.lease_s
        self._before: Counter[str] = Counter()

    @property
    def store(self) -> Store:
        """The store that the program reads."""
        return self._generation.store

    @property
    def name(self) -> str:
        """Name of the generation's folder of pins."""
        return self._generation.folder.name

    def attach(self) -> None:
        """Answer from now on, taking the interfaces over from a former generation. Raises DatapathError."""
        self.renew_lease()
        self._generation.serving(True)
        self._generation.attach()

    def renew_lease(self) -> None:
        """Let the program answer for another `lease_s` from now on; 0: without end."""
        until_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + int(self._lease_s * 1e9)
        self._generation.lease(until_ns if self._lease_s else 0)

    def look_around(self) -> None:
        """Tell the program of addresses and VLAN devices that came or went. Asks the kernel: not for the event loop."""
        with contextlib.suppress(DatapathError):  # it goes on with what it knows; the conditions tell what is wrong
            self._generation.look_around()

    def detach(self) -> None:
        """Take the program off the interfaces and forget it. Raises DatapathError."""
        self._generation.detach()

    def interfaces(self) -> list[dict[str, Any]]:
        """Return what each interface got, and how it is now. Asks the kernel: not for the event loop's thread."""
        self.look_around()
        now = self._generation.conditions()
        return [
            {
                "name": one.name,
                "mode": one.mode or "off",
                "reason": one.reason,
                "verify_checksum": one.verify_checksum,
                "addresses": list(one.addresses),
                "problem": now[one.name].refusal,
                "remarks": list(now[one.name].remarks),
            }
            for one in self._generation.interfaces
        ]

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
        """Undo the load, and the attachment as far as it went."""
        self._generation.detach()
