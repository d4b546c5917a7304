# SPDX-License-Identifier: GPL-3.0-or-later
"""RR types and classes by number (IANA DNS parameters), and how they are written."""

from typing import Final

A: Final = 1
NS: Final = 2
MD: Final = 3
MF: Final = 4
CNAME: Final = 5
SOA: Final = 6
MB: Final = 7
MG: Final = 8
MR: Final = 9
PTR: Final = 12
HINFO: Final = 13
MINFO: Final = 14
MX: Final = 15
TXT: Final = 16
RP: Final = 17
AFSDB: Final = 18
RT: Final = 21
SIG: Final = 24
PX: Final = 26
AAAA: Final = 28
LOC: Final = 29
NXT: Final = 30
SRV: Final = 33
NAPTR: Final = 35
KX: Final = 36
DNAME: Final = 39
OPT: Final = 41
DS: Final = 43
SSHFP: Final = 44
RRSIG: Final = 46
NSEC: Final = 47
DNSKEY: Final = 48
NSEC3: Final = 50
NSEC3PARAM: Final = 51
TLSA: Final = 52
SMIMEA: Final = 53
CDS: Final = 59
CDNSKEY: Final = 60
CSYNC: Final = 62
ZONEMD: Final = 63
SVCB: Final = 64
HTTPS: Final = 65
SPF: Final = 99
NID: Final = 104
L32: Final = 105
L64: Final = 106
LP: Final = 107
EUI48: Final = 108
EUI64: Final = 109
IXFR: Final = 251
AXFR: Final = 252
ANY: Final = 255
URI: Final = 256
CAA: Final = 257

IN: Final = 1

_MNEMONICS: dict[int, str] = {
    value: name for name, value in list(globals().items()) if type(value) is int and name != "IN"
}

WORDS: Final = frozenset(word for value, word in _MNEMONICS.items() if value < 128 or value > 255)
"""What types of records are written as."""


def is_word_of_questions(word: str) -> bool:
    """Return whether a word is a type of questions and messages only."""
    return word in ("ANY", "AXFR", "IXFR", "MAILA", "MAILB", "OPT", "TKEY", "TSIG")


def is_meta(rtype: int) -> bool:
    """Return whether a type is for questions and messages only and can own no data (RFC 6895 §3.1)."""
    return rtype in (0, OPT) or 128 <= rtype <= 255


def type_text(rtype: int) -> str:
    """Return the mnemonic, or TYPEnnn (RFC 3597 §5) for types this program has no word for."""
    return _MNEMONICS.get(rtype, f"TYPE{rtype}")


def class_text(rclass: int) -> str:
    """Return the mnemonic of a class, or CLASSnnn."""
    return {1: "IN", 3: "CH", 4: "HS"}.get(rclass, f"CLASS{rclass}")
