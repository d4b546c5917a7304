# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hardware profile may say; unknown keys are errors."""

from typing import Annotated, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(gt=0)]
Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]+$")]


class Match(msgspec.Struct, forbid_unknown_fields=True):
    """Which machine the profile is for: kernel driver names and DMI product names."""

    drivers: list[Word]
    products: list[str]


class Xdp(msgspec.Struct, forbid_unknown_fields=True):
    """How the program attaches; `reply_growth_limit` is frame plus growth in octets where the driver limits it."""

    mode: Literal["auto", "native", "generic"]
    tx_queue_per_cpu: bool
    reply_growth_limit: Positive | None = None


class Steering(msgspec.Struct, forbid_unknown_fields=True):
    """Which cores take interrupts and which run the program."""

    irq_cpus: Literal["first", "spread"]
    rps_cpus: Literal["none", "others"]
    stop_irqbalance: bool
    flow_hash: Literal["sd", "sdfn"] | None = None


class Anchor(msgspec.Struct, forbid_unknown_fields=True):
    """A figure somebody reached on this machine: lowest and highest queries per second."""

    what: str
    queries_per_s: tuple[Positive, Positive]


class Profile(msgspec.Struct, forbid_unknown_fields=True):
    """One file of hw-profiles/."""

    name: Word
    title: str
    match: Match
    xdp: Xdp
    features: dict[Word, bool]
    steering: Steering
    sysctl: dict[Word, Positive]
    anchor: list[Anchor] = []
