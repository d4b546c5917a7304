# SPDX-License-Identifier: GPL-3.0-or-later
"""The NIC path as the control process uses it: every call to a Generation is here."""

from typing import Any

from appliance.config.schema import Config
from appliance.control.sizes import Sizes
from appliance.datapath.generation import Generation, InterfaceSpec


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

    def __init__(self, config: Config, sizes: Sizes, seed: int) -> None:
        """Compile, load and pin the program. Raises DatapathError."""
        self._generation = Generation.load(
            wanted(config),
            bucket_bits=sizes.bucket_bits,
            chunks=sizes.chunks,
            zones=sizes.zones,
            seed=seed,
            edns_size=config.limits.edns_size,
            pass_rate=config.limits.pass_rate,
            pass_burst=config.limits.pass_burst,
        )
        self.store = self._generation.store

    @property
    def name(self) -> str:
        """Name of the generation's folder of pins."""
        return self._generation.folder.name

    def attach(self) -> None:
        """Answer from now on, taking the interfaces over from a former generation. Raises DatapathError."""
        self._generation.serving(True)
        self._generation.attach()

    def detach(self) -> None:
        """Take the program off the interfaces and forget it. Raises DatapathError."""
        self._generation.detach()

    def interfaces(self) -> list[dict[str, Any]]:
        """Return what each interface got."""
        return [
            {
                "name": one.name,
                "mode": one.mode or "off",
                "reason": one.reason,
                "verify_checksum": one.verify_checksum,
                "addresses": list(one.addresses),
            }
            for one in self._generation.interfaces
        ]

    def counters(self) -> dict[str, int]:
        """Return the verdict counters by name."""
        return self._generation.counters()

    def discard(self) -> None:
        """Undo the load, and the attachment as far as it went."""
        self._generation.detach()
        self._generation.close()

    def close(self) -> None:
        """Let go of the arrays; what is attached stays attached."""
        self._generation.close()
