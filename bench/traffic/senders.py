# SPDX-License-Identifier: GPL-3.0-or-later
"""Load: one sending thread on each of some processors, and what came back while they sent."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.errors import DatapathError
from bench.machine.cpustat import Meter, Usage
from bench.traffic.generator import Counts, Generator

WARM_UP_S = 0.3
DRAIN_S = 0.1
ENDLESS = (1 << 31) - 1


@dataclass(frozen=True)
class Load:
    """Result of one run: replies checked by the client's program, and what all processors spent meanwhile.

    `whole` counts from the first question to when the last reply is in, warm-up included.
    """

    counts: Counts
    elapsed_s: float
    usage: Usage
    whole: Counts

    @property
    def rate(self) -> float:
        """Count right replies per second."""
        return self.counts.replies / self.elapsed_s

    @property
    def cpu_us(self) -> float:
        """Microseconds of the whole system per right reply."""
        return 1e6 * self.usage.busy_s / self.counts.replies if self.counts.replies else float("inf")

    @property
    def loss(self) -> float:
        """Share of the questions without a right reply."""
        return 1 - self.whole.replies / self.whole.sent if self.whole.sent else 1.0


def run(
    generator: Generator,
    ifindex: int,
    cpus: tuple[int, ...],
    duration_s: float,
    burst: int = ENDLESS,
    polite: bool = False,
) -> Load:
    """Send from each processor for `duration_s`; the generator must be aimed at `nothing` and its set chosen.

    After each burst a sender waits about 20 ms (the price of the system call). `polite` senders take only the time that
    nobody else wants, so a server in processes sets the pace: the load never pushes it off its processor.
    """
    senders = _Senders(generator, ifindex, cpus, burst, polite)
    try:
        try:
            senders.start()
            time.sleep(WARM_UP_S)
            before, meter, begun = generator.counts(), Meter(), time.monotonic()
            time.sleep(duration_s)
            after, usage, elapsed = generator.counts(), meter.usage(), time.monotonic() - begun
        finally:
            senders.stop()
    except KeyboardInterrupt:
        senders.stop()  # the interrupt, which comes only once, may have hit the first stop
        raise
    time.sleep(DRAIN_S)
    return Load(after - before, elapsed, usage, generator.counts())


def quiet(measure: Callable[[], Load], attempts: int = 3) -> Load:
    """Measure until nobody else took much of the processors' time; the last attempt counts in any case."""
    for _ in range(attempts - 1):
        load = measure()
        if not load.usage.noisy:
            return load
    return measure()


class _Senders:
    """Each thread is in a system call nearly all the time; a signal, harmless when it comes late, ends the call."""

    def __init__(self, generator: Generator, ifindex: int, cpus: tuple[int, ...], burst: int, polite: bool) -> None:
        self._stopping = threading.Event()
        self._failures: list[Exception] = []

        def send(cpu: int) -> None:
            os.sched_setaffinity(0, {cpu})
            if polite:
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            while not self._stopping.is_set():
                try:
                    generator.send(ifindex, burst)
                except DatapathError as error:
                    if not self._stopping.is_set():
                        self._failures.append(error)
                        return

        self._threads = [threading.Thread(target=send, args=(cpu,), daemon=True) for cpu in cpus]

    def start(self) -> None:
        signal.signal(signal.SIGURG, lambda *_: None)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            while thread.is_alive() and thread.ident is not None:
                signal.pthread_kill(thread.ident, signal.SIGURG)
                thread.join(0.01)
        if self._failures:
            raise self._failures[0]
