# SPDX-License-Identifier: GPL-3.0-or-later
"""A million damaged queries: nothing but a query is answered, and that rightly; what is passed up is untouched."""

import random
from collections.abc import Iterator

import pytest

from tests.datapath.lab import Lab
from tests.datapath.packets import Frame
from tests.fuzz import seeds
from tests.fuzz.kernel_log import KernelLog, complaints
from tests.fuzz.model import Host
from tests.fuzz.trial import Trial

pytestmark = [pytest.mark.fuzz, pytest.mark.datapath]

PARTS = 8
PACKETS = 1_000_000
PER_SEED = PACKETS // seeds.SEEDS
_SOAK_ROUNDS = 50


@pytest.fixture(scope="module")
def queries() -> list[Frame]:
    """Return the seed queries."""
    return seeds.seeds()


@pytest.fixture(autouse=True)
def quiet_kernel() -> Iterator[None]:
    """Fail when the kernel complains meanwhile."""
    with KernelLog() as log:
        yield
    assert not complaints(log.lines)


def _whole_checksums(rng: random.Random, seed: Frame, count: int) -> Iterator[bytes]:
    """Yield changes of the DNS message under checksums that are right, so that the message is what is judged."""
    return (seed.but(message=changed).octets() for changed in seeds.some_octets(rng, seed.message, count))


def _verified(rng: random.Random, seed: Frame) -> Iterator[bytes]:
    whole = seed.octets()
    yield whole
    yield from seeds.truncations(seed)
    yield from seeds.short_messages(seed)
    yield from seeds.some_octets(rng, whole, 200)
    yield from _whole_checksums(rng, seed, PER_SEED - 500)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(600)
def test_a_million_damaged_queries(lab: Lab, queries: list[Frame], part: int) -> None:
    """Truncated at every octet, octets changed under right and wrong checksums, with verification on and off."""
    rng = random.Random(part)
    sent = 0
    for seed in queries[part::PARTS]:
        trial = Trial(lab)
        count = trial.all(_verified(rng, seed))
        trial.finish()
        with lab.port_flags(verify=False):
            trial = Trial(lab, Host(verify=False))
            count += trial.all(seeds.some_octets(rng, seed.octets(), max(300, PER_SEED - count)))
            trial.finish()
        assert count >= PER_SEED
        sent += count
    assert sent >= PACKETS // PARTS


def _covered(seed: Frame) -> Iterator[bytes]:
    """Yield every single-bit change of what checksums cover: not Ethernet, not IPv6's class, label and hop limit."""
    whole = seed.octets()
    first = 14 + 4 * len(seed.tags)
    uncovered = {first + at for at in (0, 1, 2, 3, 7)} if seed.ipv6 else set()
    for at in range(first, len(whole)):
        if at not in uncovered:
            for bit in range(8):
                yield whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]


@pytest.mark.parametrize("part", range(PARTS))
def test_each_flipped_bit_is_caught(lab: Lab, queries: list[Frame], part: int) -> None:
    """One wrong bit anywhere that a checksum covers is never answered: 200 seeds, every bit."""
    for seed in queries[part:200:PARTS]:
        trial = Trial(lab)
        trial.all(_covered(seed))
        trial.finish()
        assert not [verdict for verdict in trial.verdicts if verdict.startswith("answer_")]


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(0)
def test_every_changed_octet(lab: Lab, queries: list[Frame], part: int) -> None:
    """All 255 changes of each octet of each seed, and many more drawn at random."""
    rng = random.Random(1000 + part)
    for seed in queries[part::PARTS]:
        trial = Trial(lab)
        trial.all(seed.but(message=changed).octets() for changed in seeds.every_octet(seed.message))
        for _ in range(_SOAK_ROUNDS):
            trial.all(_verified(rng, seed))
        trial.finish()
        with lab.port_flags(verify=False):
            trial = Trial(lab, Host(verify=False))
            trial.all(seeds.every_octet(seed.octets()))
            trial.finish()
