# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone's time runs out while its control process is dead or stands still: NIC path and userspace stop by themselves.

The end of a zone lies in the arrays, on a clock that nobody can set; whoever answers looks at it for each query.
"""

import os
import signal
import sys
import time
from collections.abc import Callable

import dns.message
import dns.rcode
import pytest

from demo.network import Pair
from tests.chaos import versions
from tests.chaos.serving import Server
from tests.netns.serving import ask

pytestmark = [pytest.mark.chaos, pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

# Sets the end of the zone in the arrays of the running program, in seconds from now.
_END = """
import sys, time
from appliance.datapath.generation import Generation
from appliance.zone import names
adopted = Generation.adopt()
number = adopted.store.numbers[names.from_text(sys.argv[1])]
adopted.store.set_expiry(number, time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(float(sys.argv[2]) * 1e9))
"""
QUERY = dns.message.make_query("host0.versions.test.", "A", id=0x1234).to_wire()
LEFT_S = 3.0


def rcode(pair: Pair, kind: str = "udp", address: str = "") -> str:
    """Return what the server says to the question, "none" for nothing."""
    (reply,) = ask(pair, QUERY, kind=kind, address=address)
    return "none" if reply is None else dns.rcode.to_text(dns.message.from_wire(reply).rcode())


def let_it_end(server: Server) -> float:
    """Give the zone a few seconds; return when they will be over."""
    ending = server.end.run(sys.executable, "-c", _END, versions.ORIGIN, str(LEFT_S), check=False)
    assert ending.returncode == 0, ending.stderr
    return time.monotonic() + LEFT_S


def wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda number: number.name)
def test_nobody_is_there_to_end_it(server: Server, veth_pair: Pair, number: signal.Signals) -> None:
    """Answers until then, SERVFAIL from then on, over both families and, where there are workers, over TCP."""
    kinds: list[Callable[[], str]] = [
        lambda: rcode(veth_pair),
        lambda: rcode(veth_pair, address=veth_pair.server.address6),
    ]
    control = server.processes[-1].pid
    if number == signal.SIGKILL:
        server.signal(number)
    else:
        os.kill(control, number)
        kinds.append(lambda: rcode(veth_pair, "tcp"))
    try:
        assert [asked() for asked in kinds] == ["NOERROR"] * len(kinds)
        over = let_it_end(server)
        said = rcode(veth_pair)
        assert said == "NOERROR" or time.monotonic() >= over
        wait_until(over)
        assert [asked() for asked in kinds] == ["SERVFAIL"] * len(kinds)
    finally:
        if number == signal.SIGSTOP:
            os.kill(control, signal.SIGCONT)
    if number == signal.SIGSTOP:
        assert [asked() for asked in kinds] == ["SERVFAIL"] * len(kinds)


def test_a_restart_with_the_zone_at_hand_begins_anew(server: Server, veth_pair: Pair) -> None:
    """What had ended is served again by a control process that has read the zone file."""
    over = let_it_end(server)
    server.signal(signal.SIGKILL)
    wait_until(over)
    assert rcode(veth_pair) == "SERVFAIL"
    server.start()
    assert rcode(veth_pair) == "NOERROR"
