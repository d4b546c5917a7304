# SPDX-License-Identifier: GPL-3.0-or-later
"""Master files as text: where a line begins, and the words for what cannot be read."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from appliance.zone import types

MAX_EXCERPT: Final = 60

# libzscanner takes only absolute names in directives; RFC 1035 §5.1 allows relative ones.
ABSOLUTE_ORIGIN: Final = re.compile(rb"^\$ORIGIN[ \t]+([^\s;]*\.)[ \t]*(?:;.*)?$", re.IGNORECASE | re.MULTILINE)
RELATIVE_ORIGIN: Final = re.compile(rb"\$ORIGIN[ \t]+([^\s;]*[^\s;.])[ \t]*(;.*)?", re.IGNORECASE)
RELATIVE_INCLUDE: Final = re.compile(
    rb"""\$INCLUDE[ \t]+("[^"]+"|[^\s;"]+)[ \t]+([^\s;]*[^\s;.])[ \t]*(;.*)?""", re.IGNORECASE
)

_OWNER_LINE: Final = re.compile(rb"\n(?=[A-Za-z0-9_*-])")


def line_near(file: Any, near: int) -> int:
    """Return where a line with an owner starts, in the middle of the first `near` octets; 0 if none is close by."""
    file.seek(near // 2)
    octets = file.read(65536)
    match = _OWNER_LINE.search(octets)
    return near // 2 + match.end() if match else 0


_NO_NUMBER: Final = "a number is expected"
_NO_TYPE: Final = "unknown record type, or a class other than IN"
_MENDED: Final = {
    # libzscanner's words that leave an operator alone, and what is wrong and mends it.
    "unsupported CRLF newline, remove CR bytes": "a carriage return inside the line: lines end with LF or CR LF",
    "general scanner error": "a directive without its value is on this line or the next one",
    "unclosed last multiline block": "a parenthesis is opened, and not closed up to the end of the file",
    "too many left parentheses": "a parenthesis is opened inside another one: leave the second one out",
    "too many right parentheses": "a parenthesis is closed that was not opened",
    "unsupported record type": _NO_TYPE,
    "previous owner is invalid": "a line that begins with a space has the owner of the line before, and there is none",
    "invalid domain name character": (
        "a name has an empty label or a character that cannot stand there: "
        "write octets as \\DDD, internationalised names as A-labels (xn--…)"
    ),
    "owner is invalid": "neither a record nor a directive begins like this: is this a zone file?",
    "maximal domain name label length has exceeded": (
        "a label has more than 63 octets, or its name more than 255: shorten it"
    ),
    "maximal domain name length has exceeded": "a name has more than 255 octets, its origin counted: shorten it",
    "invalid number": _NO_NUMBER,
    "number is bigger than 32 bits": "a number is above 4294967295",
    "number is bigger than 16 bits": "a number is above 65535",
    "number is bigger than 8 bits": "a number is above 255",
    "maximal record data length has exceeded": "the data of the record take more than 65535 octets",
    "maximal item length has exceeded": "a value is longer than its field may be",
    "invalid address character": "an address is missing, or has a character that cannot stand in one",
    "unexpected data": "more stands here than the record takes: put a text with spaces in quotes, or take it out",
    "invalid time unit": "a number or a time such as 3600 or 1h is expected: is a field missing?",
    "text is too long": "a text has more than 255 octets: split it into several texts in quotes",
    "invalid text character": "a text is not closed with a quote, or has an octet that is written as \\DDD",
    "invalid text string": "a text is missing, or not closed with a quote",
    "invalid directive": "unknown directive: known are $ORIGIN, $TTL and $INCLUDE",
    "invalid zone TTL": "$TTL takes a number of seconds, or a time such as 1h",
    "invalid FQDN zone origin": "$ORIGIN takes a domain name",
    "invalid filename in include directive": "$INCLUDE takes a file name, and an origin if there is to be another one",
    "invalid origin in include directive": "the origin in $INCLUDE is no domain name",
    "the rdata length statement is incorrect": "the data have another length than \\# says (RFC 3597 §5)",
    "unable to process text form for this type": "records of this type are written as \\# LENGTH HEX (RFC 3597 §5)",
}
_MARKS: Final = {
    b"\xef\xbb\xbf": "the file begins with a byte order mark: save it without one",
    b"\xff\xfe": "the file is UTF-16: save it as ASCII or UTF-8",
    b"\xfe\xff": "the file is UTF-16: save it as ASCII or UTF-8",
}
_TTL: Final = re.compile(r"\d+[smhdw\d]*", re.IGNORECASE)
_OTHER_CLASSES: Final = frozenset({"CH", "HS", "CS", "NONE"})


def in_words(reason: str) -> str:
    """Return what is wrong, and what mends it, for libzscanner's words for an error."""
    return _MENDED.get(reason, reason)


def with_excerpt(reason: str, text: bytes) -> str:
    """Return a reason with the beginning of the line it is about, fit to be printed; one that the line itself tells."""
    reason = _of_line(reason, text)
    text = text.strip()
    cut = text[:MAX_EXCERPT]
    shown = "".join(chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}" for octet in cut)
    between = " " if reason.endswith("?") else ": "
    return f"{reason}{between}{shown}{'…' if len(cut) < len(text) else ''}" if text else reason


def _of_line(reason: str, text: bytes) -> str:
    """Return a better reason than libzscanner's, which stops at the first octet that does not fit."""
    for mark, words in _MARKS.items():
        if text.startswith(mark):
            return words
    if reason in (_NO_TYPE, _NO_NUMBER):
        return _of_type(text) or reason
    if text[:7].upper() == b"$ORIGIN":
        return _MENDED["invalid FQDN zone origin"]
    if text[:9].upper() == b"$GENERATE":
        return f"{_MENDED['invalid directive']}; write the records of a $GENERATE out"
    return reason


def _of_type(text: bytes) -> str:
    """Return what is wrong with the type of the record on a line; nothing where that is not what is wrong."""
    words = text.partition(b";")[0].decode("ascii", "replace").replace("(", " ").split()
    for word in (words[1:] if text[:1].strip() else words)[:3]:
        word = word.upper()
        if word == "IN" or _TTL.fullmatch(word):
            continue
        if types.is_word_of_questions(word):
            return f"{word} is a type of questions: no record of a zone has it"
        if word in _OTHER_CLASSES:
            return f"class {word}: only class IN is served"
        if word.startswith(("TYPE", "CLASS")) or word in types.WORDS:
            return ""
        close = difflib.get_close_matches(word, types.WORDS, n=1, cutoff=0.6)
        hint = f"did you mean {close[0]}?" if close else "write one that has no word here as TYPE and its number"
        return f"unknown record type {word}; {hint}"
    return ""


def leads_nowhere(opened: Sequence[Path], real: Path, depth: int) -> str:
    """Return why one more included file is not read, with the files that lead to it."""
    if real not in opened:
        return f"more than {depth} levels of $INCLUDE, from {opened[0]}"
    loop = [*opened[opened.index(real) + 1 :], real]
    return "includes itself" + (f" ({real} > {' > '.join(map(str, loop))})" if len(loop) > 1 else "")


def too_large(most: int) -> str:
    """Return why a file with more than `most` octets of packed records is not read on."""
    return f"more than {-(-most >> 20)} MiB of records, twice what [store] memory_mib allows: not read on"
