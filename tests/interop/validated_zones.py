# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed zones for a validating resolver: every answer about them can be judged, with nothing but their keys."""

import re
import subprocess
from pathlib import Path

from tests.interop.peers import ZoneFile
from tests.interop.signing import Denial, sign
from tests.interop.zonesets import SIGNED, longest, shapes

PARENTS = {
    "nsec.example.": Denial(),
    "nsec3.example.": Denial(nsec3=True, iterations=3, salt="c0ffee"),
    "optout.example.": Denial(nsec3=True, opt_out=True),
}
_SHAPES = ("nsec", "nsec3-0", "nsec3-10-salt", "optout-1-salt")
"""How the zones of every shape are signed."""
_NAMES = {"shape": "shape{}", "one": "one{}", "long": "{}", "longest": "lng{}"}
"""Their names here, with the number of the version; those of the zones with long names are as long as they were."""


def _renamed(name: str, version: int) -> str:
    return f"{_NAMES[name].format(version)}.example."


ANCHORED = frozenset({*PARENTS, *(_renamed(name, number) for name in _NAMES for number in range(len(_SHAPES)))})
"""The zones whose keys the resolver has from us, so that it asks nobody for their DS."""

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
    """Write and sign the zones, the parents with two children each, one without a DS; return files and DNSKEYs."""
    files = []
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
    files += _shaped(folder, address)
    return files, [_key_file(folder, origin).read_text().strip() for origin in sorted(ANCHORED)]


def _key_file(folder: Path, origin: str) -> Path:
    (found,) = folder.glob(f"K{origin}+*.key")
    return found


def _ds(folder: Path, origin: str) -> str:
    command = ["dnssec-dsfromkey", "-2", str(_key_file(folder, origin))]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def _shaped(folder: Path, address: str) -> list[ZoneFile]:
    """Write and sign the zones of every shape under names of their own, with the server's address."""
    files = []
    for number, version in enumerate(_SHAPES):
        for zone in (*shapes(folder), *longest(folder)):

            def renamed(found: re.Match[str], number: int = number) -> str:
                return _renamed(found[1], number)

            text = re.sub(r"\b(shape|long|one|longest)\.test\.", renamed, zone.path.read_text())
            text = re.sub(r"^(ns1\s+A\s+)192\.0\.2\.1$", rf"\g<1>{address}", text, flags=re.MULTILINE)
            origin = _renamed(zone.path.stem.removesuffix(".test"), number)
            path = folder / f"{origin}zone"
            path.write_text(text)
            files.append(sign(ZoneFile(origin, path), folder, SIGNED[version]))
    return files
