# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that BIND listens on: listen-on, listen-on-v6, port."""

import ipaddress

from appliance.migration.addresses import is_everybody
from appliance.migration.grants import Grant
from appliance.migration.named_lists import Names, grants
from appliance.migration.named_syntax import Statement, last
from appliance.migration.old import Endpoint, Old
from appliance.migration.sources import wrong

_FAMILIES = {"listen-on": (4, "0.0.0.0"), "listen-on-v6": (6, "::")}


def listen(old: Old, names: Names, options: list[Statement]) -> None:
    """Take the addresses over; without any statement, all of them."""
    port = last(options, "port")
    if port is not None:
        old.port = _port(port, port.value)
    given = [one for one in options if one.name in _FAMILIES]
    if not given:
        return
    old.listens_nowhere_else = True
    for name, (version, wildcard) in _FAMILIES.items():
        found = [one for one in given if one.name == name]
        if not found:  # that family is listened on everywhere
            old.listen.append(Endpoint(wildcard, 0, given[0].place, is_implied=True))
        for one in found:
            _one(old, names, one, version, wildcard)


def _one(old: Old, names: Names, one: Statement, version: int, wildcard: str) -> None:
    options = dict(zip(one.terms[1::2], one.terms[2::2], strict=False))
    if any(options.get(key, "none") != "none" for key in ("tls", "http", "proxy")):
        old.leave(one.place, one.name, "this version serves no DNS over TLS or HTTPS; keep it in front of the server")
        return
    port = _port(one, options["port"]) if "port" in options else 0
    found = grants(old, names, one)
    refused = [grant for grant in found if grant.refuses]
    if refused:
        reason = (
            "addresses that are left out of a list cannot be said here; write those to listen on in [listen] addresses"
        )
        old.leave(one.place, one.name, reason)
        return
    for grant in found:
        _address(old, grant, version, wildcard, port)


def _address(old: Old, grant: Grant, version: int, wildcard: str, port: int) -> None:
    if is_everybody(grant.addresses):
        old.listen.append(Endpoint(wildcard, port, grant.place))
        return
    for text in grant.addresses:
        network = ipaddress.ip_network(text)
        if network.version != version:
            continue
        if network.prefixlen == 0:
            old.listen.append(Endpoint(wildcard, port, grant.place))
        elif network.num_addresses == 1:
            old.listen.append(Endpoint(text, port, grant.place))
        else:
            reason = "a prefix stands for this machine's addresses in it; write these into [listen] addresses"
            old.leave(grant.place, grant.what, reason)
    if grant.keys:
        old.leave(grant.place, grant.what, "a key is no address to listen on")


def _port(one: Statement, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise wrong(one.place, f"port {text} is none; write a number from 1 to 65535")
    return int(text)
