# SPDX-License-Identifier: GPL-3.0-or-later
"""Single values that ours has too: names of the server, limits, sizes."""

from typing import Final

from appliance.migration.old import Old, Place

_BOUNDS: Final = {
    ("limits", "edns_size"): (512, 1452),
    ("listen", "tcp_max_connections"): (1, 1_000_000),
    ("listen", "tcp_queries_per_connection"): (1, 2**31),
    ("listen", "tcp_idle_timeout_s"): (1, 86400),
}
_TEXT_OCTETS: Final = 255


def set_number(old: Old, table: str, key: str, what: str, text: str, place: Place) -> None:
    """Take a number over, the nearest one that ours may be; the last one counts. What is no number is not carried."""
    low, high = _BOUNDS[table, key]
    try:
        number = int(text)
    except ValueError:
        old.leave(place, f"{what} {text}", f"it is not a whole number; set [{table}] {key} yourself")
        return
    taken = min(max(number, low), high)
    if taken != number:
        old.leave(place, f"{what} {text}", f"[{table}] {key} may be {low} to {high}; it is {taken} now")
    old.settings[table, key] = taken, place


def set_smaller(old: Old, table: str, key: str, what: str, text: str, place: Place) -> None:
    """Take a number over where the other server has two for one of ours: the smaller one counts."""
    before = old.settings.get((table, key))
    set_number(old, table, key, what, text, place)
    after = old.settings.get((table, key))
    if before and after and int(before[0]) < int(after[0]):
        old.settings[table, key] = before
        old.leave(place, f"{what} {text}", f"[{table}] {key} is one number for IPv4 and IPv6: the smaller one counts")
    elif before and after and int(before[0]) > int(after[0]):
        reason = f"[{table}] {key} is one number for IPv4 and IPv6: the smaller one counts"
        old.leave(before[1], f"{key} {before[0]}", reason)


def set_text(old: Old, key: str, what: str, text: str, place: Place) -> None:
    """Take a text of the server itself over, `identity` or `version`."""
    if len(text) > _TEXT_OCTETS or not text.isprintable():
        old.leave(place, what, f"[server] {key} is at most {_TEXT_OCTETS} printable characters; set it yourself")
    else:
        old.settings["server", key] = text, place
