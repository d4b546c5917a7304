# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic of domain names in uncompressed wire form (RFC 1035 §3.1), as plain bytes."""

from collections.abc import Iterator

from appliance.errors import WireError

ROOT = b"\x00"
MAX_NAME = 255
MAX_LABEL = 63
WILDCARD_LABEL = b"\x01*"

_QUOTED = frozenset(b'"().;\\@$')


def from_text(text: str, origin: bytes = ROOT) -> bytes:
    r"""Return the wire name of a presentation name, its case kept (RFC 1035 §5.1: "\X" and "\DDD" escapes).

    A name without a final dot is relative to origin; "@" and "" are the origin itself.
    """
    if text in ("", "@"):
        return origin
    if text == ".":
        return ROOT
    wire = bytearray()
    label = bytearray()
    absolute = False
    at = 0
    while at < len(text):
        char = text[at]
        absolute = char == "."
        if absolute:
            _close_label(wire, label, text)
            at += 1
        elif char == "\\":
            octet, at = _escaped(text, at)
            label.append(octet)
        elif char.isascii():
            label.append(ord(char))
            at += 1
        else:
            raise WireError(
                f"name {text!r}: {char!r} is not ASCII; write an internationalised name as its A-label (xn--…)"
            )
    if absolute:
        wire += ROOT
    else:
        _close_label(wire, label, text)
        wire += origin
    if len(wire) > MAX_NAME:
        raise WireError(f"name {text!r}: {len(wire)} octets, at most {MAX_NAME} are allowed")
    return bytes(wire)


def _close_label(wire: bytearray, label: bytearray, text: str) -> None:
    if not label:
        raise WireError(f"name {text!r}: empty label")
    if len(label) > MAX_LABEL:
        raise WireError(f"name {text!r}: a label has {len(label)} octets, at most {MAX_LABEL} are allowed")
    wire.append(len(label))
    wire += label
    label.clear()


def _escaped(text: str, at: int) -> tuple[int, int]:
    r"""Return the octet that the escape at text[at] (the "\") stands for, and where the text goes on."""
    digits = text[at + 1 : at + 4]
    if digits[:1].isdecimal() and digits.isascii():
        if len(digits) < 3 or not digits.isdecimal() or int(digits) > 255:
            raise WireError(f"name {text!r}: an escape of digits is three of them, 000 to 255")
        return int(digits), at + 4
    if not digits or not digits[0].isascii():
        raise WireError(f"name {text!r}: nothing that can be escaped after the backslash")
    return ord(digits[0]), at + 2


def to_text(wire: bytes) -> str:
    """Return the presentation form, absolute (with the final dot), escaped so that from_text gives the name back."""
    if wire == ROOT:
        return "."
    return "".join(label_text(label) + "." for label in labels(wire))


def label_text(label: bytes) -> str:
    """Return one label (without its length octet) in presentation form."""
    return "".join(
        ("\\" if octet in _QUOTED else "") + chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}" for octet in label
    )


def read(octets: bytes, at: int = 0) -> tuple[bytes, int]:
    """Return the uncompressed name that starts at an offset, and the offset behind it."""
    end = at
    try:
        while length := octets[end]:
            if length > MAX_LABEL:
                raise WireError(f"octet {end}: {length} is no label length; a compressed name cannot stand here")
            end += 1 + length
    except IndexError:
        raise WireError(f"the name at octet {at} does not end within {len(octets)} octets") from None
    end += 1
    if end - at > MAX_NAME:
        raise WireError(f"the name at octet {at} has {end - at} octets, at most {MAX_NAME} are allowed")
    return octets[at:end], end


def fold(wire: bytes) -> bytes:
    """Return the name with ASCII A-Z in lower case (RFC 4343); a length octet (at most 63) is no letter."""
    return wire.lower()


def labels(wire: bytes) -> list[bytes]:
    """Return the labels without length octets, leftmost first, without the root label."""
    found = []
    at = 0
    while length := wire[at]:
        at += 1
        found.append(wire[at : at + length])
        at += length
    return found


def label_count(wire: bytes) -> int:
    """Return the number of labels; the root has 0."""
    count = at = 0
    while length := wire[at]:
        count += 1
        at += 1 + length
    return count


def parent(wire: bytes) -> bytes:
    """Return the name without its first label; the root's parent is the root."""
    return wire[wire[0] + 1 :] or ROOT


def suffixes(wire: bytes) -> Iterator[bytes]:
    """Yield the name itself, its parent and so on down to the root."""
    while length := wire[0]:
        yield wire
        wire = wire[length + 1 :]
    yield wire


def is_subdomain(wire: bytes, ancestor: bytes) -> bool:
    """Return whether a name equals or lies below another one; both folded."""
    if not wire.endswith(ancestor):
        return False
    border = len(wire) - len(ancestor)
    at = 0
    while at < border:
        at += 1 + wire[at]
    return at == border


def canonical_key(wire: bytes) -> tuple[bytes, ...]:
    """Return a sort key for the canonical order of names (RFC 4034 §6.1)."""
    return tuple(labels(wire.lower())[::-1])


def is_wildcard(wire: bytes) -> bool:
    """Return whether the first label is a lone asterisk (RFC 4592 §2.1.1)."""
    return wire[:2] == WILDCARD_LABEL


def wildcard_of(wire: bytes) -> bytes:
    """Return "*.<name>"; it is longer than 255 octets, and so can own nothing, below the longest names."""
    return WILDCARD_LABEL + wire
