# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and zones in sentences: a noun as its number has it, a zone named once, no control characters."""


def visible(text: str) -> str:
    """Return a text with its control characters written out: no file's name may begin a line or move a cursor."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def counted(number: int, noun: str) -> str:
    """Return a number with a noun, as "1 zone" and "2 zones"."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural(noun)}"


def plural(noun: str) -> str:
    """Return the plural of a noun that messages use."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def of_zone(name: str, said: str) -> str:
    """Return what is said of a zone with "zone NAME" before it; many errors begin so already."""
    return said if _names(name, said) else f"zone {name}: {said}"


def without_zone(name: str, said: str) -> str:
    """Return what is said of a zone for a place that names it anyway."""
    return said.removeprefix(f"zone {name}").removeprefix(":").lstrip() if _names(name, said) else said


def _names(name: str, said: str) -> bool:
    return said.startswith((f"zone {name}: ", f"zone {name} "))
