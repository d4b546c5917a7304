# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of the names in a zone file, and questions about a zone: what is there, and what is nearly there.

The file is looked through as text, within bounds; it needs not be right for that.
"""

import random
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import dns.exception
import dns.name
import dns.rdatatype

from appliance.migration.sources import regular

Question = tuple[dns.name.Name, dns.rdatatype.RdataType]

READ_MIB: Final = 16
_APEX: Final = (dns.rdatatype.SOA, dns.rdatatype.NS, dns.rdatatype.DNSKEY)
_NOT_ASKED: Final = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "SOA"})
_WORDS: Final = re.compile(r'"(?:\\.|[^"\\])*"?|[();]|(?:\\.|[^\s"();])+')
_TTL_OR_CLASS: Final = re.compile(r"\d[\dwdhms]*|IN|CH|HS|CS", re.IGNORECASE)


def questions(origin: dns.name.Name, file: str, number: int, chance: random.Random) -> list[Question]:
    """Return the questions about a zone: its apex, `number` names of its file at random, and near misses of these."""
    asked: list[Question] = [(origin, kind) for kind in _APEX]
    chosen = sample(_owners(origin, file), number, chance)
    for name, kind in chosen:
        asked.append((name, kind))
        asked += near_misses(origin, name, chance)
    if not chosen:
        asked += near_misses(origin, origin, chance)
    return list(dict.fromkeys(asked))


def near_misses(origin: dns.name.Name, name: dns.name.Name, chance: random.Random) -> list[Question]:
    """Return questions for names below and beside one, for a wildcard there, and for a type that it may not have."""
    word = f"x{chance.getrandbits(32):08x}"
    parent = name.parent() if name != origin else name
    found: list[Question] = [(name, dns.rdatatype.TXT)]
    for prefix, base in ((word, name), (word, parent), ("*", parent)):
        with suppress(dns.name.NameTooLong):
            found.append((dns.name.from_text(prefix, base), dns.rdatatype.A))
    return found


def sample(all_of_them: Iterator[Question], number: int, chance: random.Random) -> list[Question]:
    """Return some questions, each with the same chance, without holding all."""
    chosen: list[Question] = []
    for index, one in enumerate(all_of_them):
        if len(chosen) < number:
            chosen.append(one)
        elif (place := chance.randrange(index + 1)) < number:
            chosen[place] = one
    return chosen


def _owners(origin: dns.name.Name, file: str) -> Iterator[Question]:
    """Yield owner names and types in a zone file; what cannot be read is passed over."""
    base, depth, owner = origin, 0, origin
    for line in _lines(file):
        words = list(_until_comment(line))
        begins = depth == 0
        depth = max(0, depth + words.count("(") - words.count(")"))
        if not begins or not words:
            continue
        with suppress(dns.exception.DNSException, ValueError):
            if words[0].startswith("$"):
                if words[0].upper() == "$ORIGIN":
                    base = dns.name.from_text(words[1], base)
                continue
            if not line[:1].isspace():
                owner = dns.name.from_text(words.pop(0), base)
            while words and _TTL_OR_CLASS.fullmatch(words[0]):
                words.pop(0)
            if words and words[0].upper() not in _NOT_ASKED and owner.is_subdomain(origin):
                yield owner, dns.rdatatype.from_text(words[0])


def _until_comment(line: str) -> Iterator[str]:
    for match in _WORDS.finditer(line):
        if match[0] == ";":
            return
        yield match[0]


def _lines(file: str) -> Iterator[str]:
    try:
        with regular(file) as octets:
            left = READ_MIB << 20
            while left > 0 and (line := octets.readline(1 << 16)):
                left -= len(line)
                yield line.decode("utf-8", "replace")
    except (OSError, ValueError):
        return
