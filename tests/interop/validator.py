# SPDX-License-Identifier: GPL-3.0-or-later
"""A validating resolver (unbound) in front of the server, and signed zones whose every answer it can judge."""

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from appliance.answers import nsec3_hash
from appliance.zone import names
from demo.network import Namespace
from tests.interop import wire
from tests.interop.differential import Remote
from tests.interop.loaded import Loaded
from tests.interop.peers import LOOPBACK, ZoneFile, connected
from tests.interop.questions import Question
from tests.interop.signing import Denial, sign

NOW = "20260601000000"
"""The validator's clock: between inception and expiration of the test signatures, whatever the machine's says."""

PARENTS = {
    "nsec.example.": Denial(),
    "nsec3.example.": Denial(nsec3=True, iterations=3, salt="c0ffee"),
    "optout.example.": Denial(nsec3=True, opt_out=True),
}
_PORT = 5399
_START_S = 30.0
_CHAIN_MAX = 20

# One zone, three times: what must be proved differs with the chain only. `@OTHER@` is the next one of the three.
_ZONE = r"""
@               SOA     ns1 hostmaster 1 7200 900 1209600 300
@               NS      ns1
@               MX      10 mail
ns1             A       @ADDRESS@
mail            A       192.0.2.2
mail            AAAA    2001:db8::2
MiXeD.CaSe      A       192.0.2.3
\000nul         TXT     "a zero octet"
\000            TXT     "nothing sorts before this one"
\255high        TXT     "an octet above 127"
\255\255        TXT     "nor after this one"
a\.dot          TXT     "a dot in a label"
prefix          TXT     "prefix"
prefixed        TXT     "prefix and more"
prefixeda       TXT     "nine octets, the first eight as above"
prefixedz       TXT     "and again"
www             CNAME   mail
chain           CNAME   www
to-nothing      CNAME   no-such-name
to-ent          CNAME   ent
to-wild         CNAME   anything.wild
to-dname        CNAME   mail.renamed
to-secure       CNAME   host.secure
to-insecure     CNAME   host.insecure
to-other        CNAME   mail.@OTHER@
to-other-none   CNAME   no-such-name.@OTHER@
a.b.ent         A       192.0.2.4
c.ent           TXT     "beside an ENT"
one.two.three.four.five.deep A 192.0.2.5
*.wild          A       192.0.2.6
*.wild          MX      10 mail
exists.wild     TXT     "hides the wildcard"
under.sub.wild  A       192.0.2.7
*.sub.wild      TXT     "a wildcard below a wildcard"
*.deep.er.wild  A       192.0.2.8
*.*.stars       TXT     "two stars"
below.*.middle  TXT     "the wildcard is an ENT"
*.alias         CNAME   mail
*.dead          CNAME   no-such-name
*.across        CNAME   mail.@OTHER@
*.twice         CNAME   anything.wild
renamed         DNAME   @
renamed-ent     DNAME   ent
renamed-wild    DNAME   wild
renamed-other   DNAME   @OTHER@
renamed-out     DNAME   insecure
secure          NS      ns1.secure
ns1.secure      A       @ADDRESS@
insecure        NS      ns1.insecure
ns1.insecure    A       @ADDRESS@
in.an.ent       NS      ns1
lonely.cut      NS      ns1
with-ds         NS      ns1
with-ds         DS      12345 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
"""
_CHILD = """
@               SOA     ns1 hostmaster 1 7200 900 1209600 300
@               NS      ns1
ns1             A       @ADDRESS@
host            A       192.0.2.20
a.b             A       192.0.2.21
*.wild          A       192.0.2.22
up              CNAME   mail.@PARENT@
"""


def zone_text(origin: str, other: str, address: str) -> str:
    """Return one of the parents: what is written above, and enough hosts and unserved cuts for long chains."""
    text = f"$ORIGIN {origin}\n$TTL 3600\n" + _ZONE
    text += "".join(f"host{i:03} A 192.0.2.{i}\nsome{i % 7}.leaf{i:03}.tree{i % 11} TXT {i}\n" for i in range(150))
    text += "".join(f"cut{i:03} NS ns1\n" for i in range(60))
    return text.replace("@ADDRESS@", address).replace("@OTHER@", other)


def write_zones(folder: Path, address: str) -> tuple[list[ZoneFile], list[str]]:
    """Write and sign the parents with two children each, one without a DS; return files and the parents' DNSKEYs."""
    files, anchors = [], []
    origins = list(PARENTS)
    for number, (origin, denial) in enumerate(PARENTS.items()):
        children = []
        for label in ("secure", "insecure"):
            child = ZoneFile(f"{label}.{origin}", folder / f"{label}.{origin}zone")
            text = _CHILD.replace("@ADDRESS@", address).replace("@PARENT@", origin)
            child.path.write_text(f"$ORIGIN {child.origin}\n$TTL 3600\n{text}")
            children.append(child)
        children[0] = sign(children[0], folder, denial)
        parent = ZoneFile(origin, folder / f"{origin}zone")
        text = zone_text(origin, origins[(number + 1) % len(origins)], address)
        parent.path.write_text(text + _ds(folder, children[0].origin))
        files += [sign(parent, folder, denial), *children]
        anchors.append(_key_file(folder, origin).read_text().strip())
    return files, anchors


def _key_file(folder: Path, origin: str) -> Path:
    (found,) = folder.glob(f"K{origin}+*.key")
    return found


def _ds(folder: Path, origin: str) -> str:
    command = ["dnssec-dsfromkey", "-2", str(_key_file(folder, origin))]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


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
    remote = Remote("unbound", partial(connected, home.name, (LOOPBACK, _PORT)))
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
    """Tell whether a query that wants no recursion is answered, be it with a refusal."""
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
        """Tell whether every step from a name to the next, and what is asked of the last one, can be proved."""
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
    """Tell whether the validator can come to a verdict about a name, its chain of aliases and a type.

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
    if zone is None or (rtype == wire.DS and names.to_text(name) in PARENTS):
        return False
    cut = zone.cut_for(name)
    return cut is None or (rtype == wire.DS and cut == name)


def _is_misjudged(loaded: Loaded, chain: Sequence[bytes], rtype: int) -> bool:
    """Tell whether unbound 1.17 refuses the answer from BIND or Knot just as it does from us."""
    # A synthesised CNAME needs no signature, but has to have one here where CNAME or DNAME is what was asked for.
    if rtype in (wire.CNAME, wire.DNAME) and any(_below_dname(loaded, name) for name in chain):
        return True
    # A name that begins with an asterisk and comes from a wildcard further up is taken for the wildcard itself.
    return any(names.is_wildcard(name) and loaded.covers_by_wildcard(name) for name in chain)


def _below_dname(loaded: Loaded, name: bytes) -> bool:
    zone = loaded.zone_of(name)
    return zone is not None and zone.dname_for(name) is not None
