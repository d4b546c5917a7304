# SPDX-License-Identifier: GPL-3.0-or-later
"""A validating resolver (unbound) in front of the server, and what it can judge of the zones made for it."""

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from appliance.zone import names, nsec3_hash
from demo.network import Namespace
from tests.interop import wire
from tests.interop.differential import Remote
from tests.interop.loaded import Loaded
from tests.interop.peers import LOOPBACK, connected
from tests.interop.proofs import undeniable_wildcard
from tests.interop.questions import Question
from tests.interop.validated_zones import ANCHORED

NOW = "20260601000000"
"""The validator's clock: between inception and expiration of the test signatures, whatever the machine's says."""

_PORT = 5399
_START_S = 30.0
_PATIENCE_S = 3.0
"""More than a server needs: on a busy machine it had no answer for a name of 127 labels after six silences of 0.4 s."""
_CHAIN_MAX = 20


@contextmanager
def validating(home: Namespace, folder: Path, server: str, anchors: Sequence[str]) -> Iterator[Remote]:
    """Run unbound in a network namespace, asking one server for everything; the namespace's end is its own."""
    log = folder / "unbound.log"
    (folder / "unbound.conf").write_text(_configuration(log, server, anchors))
    process = home.start(
        *("unbound", "-d", "-c", str(folder / "unbound.conf")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    remote = Remote("unbound", partial(connected, home.name, (LOOPBACK, _PORT)), _PATIENCE_S)
    deadline = time.monotonic() + _START_S
    try:
        while not _is_up(remote):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"unbound does not answer:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield remote
    finally:
        process.terminate()
        process.wait(15)


def _is_up(remote: Remote) -> bool:
    """Return whether a query that wants no recursion is answered, be it with a refusal."""
    try:
        return remote.over_udp([Question(b"\0", wire.NS).wire()])[0] is not None
    except ConnectionRefusedError:
        return False


def _configuration(log: Path, server: str, anchors: Sequence[str]) -> str:
    lines = [
        "server:",
        f" interface: {LOOPBACK}@{_PORT}",
        ' chroot: ""',
        ' username: ""',
        ' pidfile: ""',
        f' directory: "{log.parent}"',
        " use-syslog: no",
        f' logfile: "{log}"',
        " val-log-level: 2",
        ' module-config: "validator iterator"',
        f' val-override-date: "{NOW}"',
        " do-ip6: no",
        " do-not-query-localhost: no",
        " num-threads: 1",
        " outgoing-range: 1024",
        " num-queries-per-thread: 1024",
        # Every answer is to be the server's own: nothing is made from what an earlier answer proved.
        " aggressive-nsec: no",
        " harden-below-nxdomain: no",
        " qname-minimisation: no",
        " trust-anchor-signaling: no",
        ' target-fetch-policy: "0 0 0 0 0"',
        *(f" trust-anchor: {json.dumps(anchor)}" for anchor in anchors),
        'stub-zone:\n name: "example."',
        f" stub-addr: {server}",
        "remote-control:",
        " control-enable: no",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Verdict:
    """What the validator said: rcode, whether data are authentic (AD), and the names that the answer leads through."""

    rcode: int
    authentic: bool
    chain: tuple[bytes, ...]


def verdict(message: bytes, question: Question) -> Verdict:
    """Return what a reply of the validator says."""
    reply = wire.parse(message)
    links = {record.owner: record.rdata for record in reply.answer if record.rtype == wire.CNAME}
    chain = [question.folded]
    while question.rtype != wire.CNAME and chain[-1] in links and len(chain) < _CHAIN_MAX:
        chain.append(links[chain[-1]])
    return Verdict(reply.rcode, bool(reply.flags & wire.AD), tuple(chain))


class Trust:
    """Which names of the loaded zones a validator can be sure about."""

    def __init__(self, loaded: Loaded) -> None:
        """Note the hashes that the zones with opt-out have NSEC3 records for."""
        self._loaded = loaded
        self._opted: dict[bytes, tuple[nsec3_hash.Parameters, frozenset[bytes]]] = {}
        for origin, zone in loaded.zones.items():
            if any(rdata[1] & 1 for rrset in zone.nsec3.values() for rdata in rrset.rdatas):
                parameters = nsec3_hash.parameters(zone)
                self._opted[origin] = parameters, frozenset(nsec3_hash.table(zone, parameters)[0])

    def is_secure(self, chain: Sequence[bytes], rtype: int) -> bool:
        """Return whether every step from a name to the next, and what is asked of the last one, can be proved."""
        steps = [*((name, wire.CNAME) for name in chain[:-1]), (chain[-1], rtype)]
        return all(self._proves(name, asked) for name, asked in steps)

    def _proves(self, name: bytes, rtype: int) -> bool:
        zone = self._loaded.zone_for(name, rtype)
        if zone is None or zone.scheme == "unsigned":
            return False
        opted = self._opted.get(zone.origin)
        if opted is None or zone.dname_for(name) is not None:
            return True
        # Below an opt-out span nothing is sure to be absent (RFC 5155 §6), so neither is a wildcard's answer.
        parameters, hashes = opted
        return nsec3_hash.digest(name, parameters) in hashes


def is_judged(loaded: Loaded, chain: Sequence[bytes], rtype: int) -> bool:
    """Return whether the validator can come to a verdict about a name, its chain of aliases and a type.

    Left out is what it cannot know: other zones, and what is below cuts to zones that nobody serves (all but the DS at
    such a cut); types that are no data of their own (RRSIG, ANY, meta types); and what it takes for bogus whichever
    server says it, see `_is_misjudged`.
    """
    if rtype in (wire.RRSIG, wire.OPT, 0, 100) or 128 <= rtype <= wire.ANY:
        return False
    steps = [*((name, wire.CNAME) for name in chain[:-1]), (chain[-1], rtype)]
    return all(_is_served(loaded, name, asked) for name, asked in steps) and not _is_misjudged(loaded, chain, rtype)


def _is_served(loaded: Loaded, name: bytes, rtype: int) -> bool:
    zone = loaded.zone_for(name, rtype)
    if zone is None or (rtype == wire.DS and names.to_text(name) in ANCHORED):
        return False
    cut = zone.cut_for(name)
    return cut is None or (rtype == wire.DS and cut == name)


def _is_misjudged(loaded: Loaded, chain: Sequence[bytes], rtype: int) -> bool:
    """Return whether unbound 1.17 refuses the answer from BIND or Knot just as it does from us."""
    # A synthesised CNAME needs no signature, but has to have one here where CNAME or DNAME is what was asked for.
    if rtype in (wire.CNAME, wire.DNAME) and any(_below_dname(loaded, name) for name in chain):
        return True
    # A name that begins with an asterisk and comes from a wildcard further up is taken for the wildcard itself.
    if any(names.is_wildcard(name) and loaded.covers_by_wildcard(name) for name in chain):
        return True
    # A loop is a failure to it.
    if len(set(chain)) < len(chain):
        return True
    last = chain[-1]
    zone = loaded.zone_for(last, rtype)
    present = loaded.types(last)
    # The NSEC beside a CNAME: it follows the CNAME if that is in its cache.
    if zone is None or (rtype == wire.NSEC and {wire.CNAME, wire.NSEC} <= present):
        return True
    # NODATA from a wildcard that is an ENT, behind an alias: "the name exists and does not exist"; DS: NXDOMAIN.
    if (
        zone.scheme == "nsec"
        and loaded.covers_by_wildcard(last)
        and not present
        and (last != chain[0] or rtype == wire.DS)
    ):
        return True
    return bool(undeniable_wildcard(zone, last))


def _below_dname(loaded: Loaded, name: bytes) -> bool:
    zone = loaded.zone_of(name)
    return zone is not None and zone.dname_for(name) is not None
