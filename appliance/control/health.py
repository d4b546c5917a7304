# SPDX-License-Identifier: GPL-3.0-or-later
"""`appliance health`: ask a few names as clients do, on every way there is, and compare; status is never looked at.

It says whether this site should get queries, so what is asked is chosen: one customer's broken zone is no reason to
take it off the air.
"""

import ipaddress
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from appliance.config.patterns import Expansion, expand
from appliance.config.schema import Config
from appliance.control.drain import drained_in
from appliance.datapath import probe
from appliance.errors import ConfigError, StateError, WireError
from appliance.zone import names

FEW: Final = 3
"""Zones of the configuration that are asked for when nobody says which."""
_ROUNDS: Final = 2
"""A reload between two questions makes them differ once."""
_AT_A_TIME: Final = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question on one way."""

    zone: str
    way: str
    rcode: str
    """Empty where there was no answer."""
    serial: int | None
    remark: str


Way = Callable[[str, float], Answer | None]
"""Asks for the SOA of a zone within seconds; None where the answer is left to another way."""


def examine(config: Config, zones: Sequence[str], limit_s: float | None = None) -> dict[str, Any]:
    """Return what the server answers, and whether that is well. Raises ConfigError where it cannot be asked.

    Zones that are named, here or in [health] names, must be answered with their SOA on every way. Of those taken from
    the configuration one must; all ways must give the same answer in any case.
    """
    chosen, named = _chosen(config, zones)
    deadline = time.monotonic() + (limit_s or config.health.timeout_s)
    problems: list[str] = []
    answers: list[Answer] = []
    with ExitStack() as opened:
        ways, remarks = _ways(config, opened)
        for _ in range(_ROUNDS):
            answers = asked(ways, chosen, deadline)
            problems = _judged(answers, chosen, named)
            if not problems or time.monotonic() > deadline:
                break
    drained = None
    try:
        drained = drained_in(Path(config.server.run_dir))
    except StateError as error:
        remarks.append(str(error))
    if drained is not None:
        problems = [f"the server is {drained}", *problems]
    return {
        "healthy": not problems,
        "drained": None if drained is None else asdict(drained),
        "problems": problems,
        "remarks": remarks,
        "answers": [asdict(answer) for answer in answers],
    }


def _chosen(config: Config, zones: Sequence[str]) -> tuple[list[str], bool]:
    """Return the zones to ask for, and whether somebody named them."""
    wanted = list(zones) or list(config.health.names)
    try:
        if wanted:
            return [names.to_text(names.from_text(one)) for one in wanted], True
        listed = (names.from_text(one.name) for one in config.zone)
        found = itertools.chain(
            listed, (one[0] for pattern in config.populated for one in expand(pattern, Expansion()))
        )
        return [names.to_text(one) for one in itertools.islice(found, FEW)], False
    except WireError as error:
        raise ConfigError(str(error)) from error


def _ways(config: Config, opened: ExitStack) -> tuple[list[tuple[str, Way]], list[str]]:
    """Return every way to ask the server that the configuration names, and why some cannot be gone."""
    port = config.listen.port
    if not port:
        raise ConfigError("[listen] port = 0 takes any free port: set one, so that it can be asked")
    return ways_to(config, [(address, port) for address in config.listen.addresses], opened)


def ways_to(
    config: Config, endpoints: Sequence[tuple[str, int]], opened: ExitStack
) -> tuple[list[tuple[str, Way]], list[str]]:
    """Return the ways through sockets (addresses with ports) and through interfaces, and why some cannot be gone."""
    ways: list[tuple[str, Way]] = []
    remarks: list[str] = []
    for address, port in dict.fromkeys((_reachable(one), port) for one, port in endpoints):
        ways.append((f"UDP {address}", _socket_way(dns.query.udp, address, port, f"UDP {address}")))
        ways.append((f"TCP {address}", _socket_way(dns.query.tcp, address, port, f"TCP {address}")))
    for interface in config.interface:
        if interface.mode == "off":
            continue
        program = probe.open_program(interface.name, interface.addresses, interface.port)
        if isinstance(program, str):
            remarks.append(program)
            continue
        opened.callback(program.close)
        for address in program.addresses:
            way = f"NIC path {interface.name} {address}"
            ways.append((way, _program_way(program, address, way)))
    return ways, remarks


def _reachable(address: str) -> str:
    """Return an address of this machine that leads to a socket: the loopback address for all of them."""
    parsed = ipaddress.ip_address(address)
    if not parsed.is_unspecified:
        return address
    return "127.0.0.1" if parsed.version == 4 else "::1"


def _socket_way(ask: Any, address: str, port: int, way: str) -> Way:
    def go(zone: str, left: float) -> Answer | None:
        query = dns.message.make_query(zone, dns.rdatatype.SOA)
        try:
            return _read(zone, way, ask(query, address, timeout=left, port=port))
        except dns.exception.Timeout:
            return Answer(zone, way, "", None, "no answer in time")
        except dns.exception.DNSException as error:
            return Answer(zone, way, "", None, f"no DNS message: {type(error).__name__}")
        except (OSError, EOFError) as error:
            if ":" in address and isinstance(error, OSError) and not _has_ipv6(address):
                return None
            return Answer(zone, way, "", None, getattr(error, "strerror", None) or "the connection was closed")

    return go


def _has_ipv6(address: str) -> bool:
    """Return whether the machine has an address of IPv6; "::" is in the default, which is no fault of one without."""
    import socket

    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as line:
            line.bind((address, 0))
    except OSError:
        return False
    return True


def _program_way(program: probe.Program, address: str, way: str) -> Way:
    def go(zone: str, left: float) -> Answer | None:
        done = program.ask(dns.message.make_query(zone, dns.rdatatype.SOA).to_wire(), address)
        if done.outcome == probe.PASSED:
            return None
        if done.outcome == probe.LOST:
            return Answer(zone, way, "", None, "the program dropped the query")
        try:
            return _read(zone, way, dns.message.from_wire(done.reply))
        except dns.exception.DNSException as error:
            return Answer(zone, way, "", None, f"no DNS message: {type(error).__name__}")

    return go


def _read(zone: str, way: str, reply: dns.message.Message) -> Answer:
    rcode = dns.rcode.to_text(reply.rcode())
    for rrset in reply.answer:
        if rrset.rdtype == dns.rdatatype.SOA:
            remark = "" if reply.flags & dns.flags.AA else "not authoritative"
            return Answer(zone, way, rcode, int(rrset[0].serial), remark)
    return Answer(zone, way, rcode, None, "" if reply.rcode() else "no SOA in the answer")


def asked(ways: list[tuple[str, Way]], zones: list[str], deadline: float) -> list[Answer]:
    """Return the answers on all ways; without zones, the root is asked for, which any answer will do."""

    def one(pair: tuple[str, tuple[str, Way]]) -> Answer | None:
        zone, (_, way) = pair
        return way(zone, max(0.01, deadline - time.monotonic()))

    pairs = list(itertools.product(zones or ["."], ways))
    with ThreadPoolExecutor(min(_AT_A_TIME, len(pairs))) as pool:
        return [answer for answer in pool.map(one, pairs) if answer is not None]


def _judged(answers: list[Answer], zones: list[str], named: bool) -> list[str]:
    """Return what is wrong."""
    problems = [f"zone {one.zone}: {one.way}: {one.remark}" for one in answers if not one.rcode]
    good = 0
    for zone, group in itertools.groupby(answers, lambda one: one.zone):
        given = [one for one in group if one.rcode]
        problems += differences(zone, given)
        wrong = [one for one in given if one.serial is None or one.remark]
        good += bool(given) and not wrong
        if named:
            problems += [f"zone {zone}: {one.way}: {one.rcode}, {one.remark or 'no SOA'}" for one in wrong]
    if zones and not named and not good and not problems:
        problems.append(f"none of the zones {', '.join(zones)} is answered with its SOA")
    if not answers:
        problems.append("there is no way to ask")
    return problems


def differences(zone: str, answers: list[Answer]) -> Iterator[str]:
    """Yield what two ways answer differently."""
    if not answers:
        return
    first = answers[0]
    for other in answers[1:]:
        if (other.rcode, other.serial) != (first.rcode, first.serial):
            yield f"zone {zone}: {first.way} says {_words(first)}, {other.way} says {_words(other)}"


def _words(answer: Answer) -> str:
    return answer.rcode if answer.serial is None else f"serial {answer.serial}"
