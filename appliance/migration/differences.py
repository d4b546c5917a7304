# SPDX-License-Identifier: GPL-3.0-or-later
"""In what two replies to one question differ: rcode, flags, sections as sets, TTLs."""

from dataclasses import dataclass
from typing import Final

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of difference, with what each server says; an optional one is of records that nobody needs."""

    kind: str
    old: str
    new: str
    is_optional: bool = False


def compare(old: dns.message.Message, new: dns.message.Message) -> list[Difference]:
    """Return what differs; where the rcode does, nothing else is looked at."""
    if old.rcode() != new.rcode():
        return [Difference("rcode", dns.rcode.to_text(old.rcode()), dns.rcode.to_text(new.rcode()))]
    found = []
    for flag in (dns.flags.AA, dns.flags.TC):
        if (old.flags ^ new.flags) & flag:
            name = dns.flags.to_text(flag)
            found.append(Difference(f"flag {name}", _whether(old, flag), _whether(new, flag)))
    for section in ("answer", "authority", "additional"):
        found += _section(section, old, new)
    return found


def _whether(message: dns.message.Message, flag: int) -> str:
    return "set" if message.flags & flag else "not set"


def _section(section: str, old: dns.message.Message, new: dns.message.Message) -> list[Difference]:
    first, second = (_records(getattr(one, section)) for one in (old, new))
    if first == second:
        return []
    if first.keys() == second.keys():
        changed = [key for key in first if first[key] != second[key]]
        return [
            Difference(
                f"TTL in {section}", _with_ttls(changed, first), _with_ttls(changed, second), section == "additional"
            )
        ]
    only_old, only_new = first.keys() - second.keys(), second.keys() - first.keys()
    optional = all(_is_optional(section, key, old, new) for key in only_old | only_new)
    return [Difference(f"{section} section", _shown(only_old), _shown(only_new), optional)]


_Key = tuple[str, str, str]


def _records(rrsets: list[dns.rrset.RRset]) -> dict[_Key, int]:
    """Return the TTL of each record by its name, type and data, folded."""
    return {
        (str(one.name).lower(), dns.rdatatype.to_text(one.rdtype), _data(one.rdtype, str(data))): one.ttl
        for one in rrsets
        for data in one
    }


def _data(kind: dns.rdatatype.RdataType, text: str) -> str:
    return text if kind in (dns.rdatatype.TXT, dns.rdatatype.RRSIG, dns.rdatatype.DNSKEY) else text.lower()


def _is_optional(section: str, key: _Key, old: dns.message.Message, new: dns.message.Message) -> bool:
    """Return whether a record is one that servers may add to an answer, or leave out (RFC 1034 §4.3.2, RFC 2181 §9)."""
    if section == "additional":
        return not _is_glue(key[0], old) and not _is_glue(key[0], new)
    kind = key[2].split(maxsplit=1)[0].upper() if key[1] == "RRSIG" else key[1]
    if section != "authority":
        return False
    if kind == "NS":
        return bool(old.answer) and bool(new.answer)
    # Whoever asks for the wildcard itself needs the NSEC3 of its name; NSD adds the one that covers it.
    return kind == "NSEC3" and _asks_for_a_wildcard(old) and _has_denial(old) and _has_denial(new)


def _asks_for_a_wildcard(message: dns.message.Message) -> bool:
    return any(one.name.is_wild() for one in message.question)


def _has_denial(message: dns.message.Message) -> bool:
    return any(one.rdtype == dns.rdatatype.NSEC3 for one in message.authority)


def _is_glue(name: str, message: dns.message.Message) -> bool:
    """Return whether a referral needs the addresses of a name: one of its servers, below the cut."""
    if message.answer or message.flags & dns.flags.AA:
        return False
    for one in message.authority:
        if one.rdtype == dns.rdatatype.NS:
            cut = str(one.name).lower()
            if any(str(data).lower() == name for data in one) and f".{name}".endswith(f".{cut}"):
                return True
    return False


def _shown(keys: set[_Key]) -> str:
    return "; ".join(" ".join(key) for key in sorted(keys))[:_SHOWN] or "-"


def _with_ttls(keys: list[_Key], ttls: dict[_Key, int]) -> str:
    return "; ".join(f"{key[0]} {ttls[key]} {key[1]}" for key in sorted(keys))[:_SHOWN]
