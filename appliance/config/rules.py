# SPDX-License-Identifier: GPL-3.0-or-later
"""What types and bounds cannot say about a configuration: addresses, names, duplicates, what must go together."""

import ipaddress
from collections.abc import Callable

from appliance.config.patterns import ZONE, is_folder
from appliance.config.places import Path
from appliance.config.schema import Config
from appliance.errors import WireError
from appliance.zone import names

ReportError = Callable[[Path, str], None]

_LEASE_MIN_S = 1.0
_UNIX_PATH_MAX = 107  # sun_path holds 108 octets with the final NUL (unix(7))
_SERVICE_ADDRESSES_MAX = 64  # of all interfaces together: the collision-free table of the XDP program


def check_meaning(config: Config, error: ReportError, unknown: frozenset[str] = frozenset()) -> None:
    """Report every contradiction in a configuration; unknown are tables that have errors, and are left out."""
    rules: tuple[tuple[Callable[[Config, ReportError], None], set[str]], ...] = (
        (_check_interfaces, {"interface", "listen"}),
        (_check_listen, {"interface", "listen"}),
        (_check_zones, {"zone"}),
        (_check_patterns, {"pattern"}),
        (_check_health, {"health"}),
        (_check_lease, {"server"}),
        (_check_control, {"control", "control_client"}),
        (_check_paths, {"server", "zone", "pattern"}),
    )
    for check, tables in rules:
        if unknown.isdisjoint(tables):
            check(config, error)


def _check_paths(config: Config, error: ReportError) -> None:
    server = config.server
    for key, path, own in (
        ("control_socket", str(config.control_socket), server.control_socket),
        ("read_socket", str(config.read_socket), server.read_socket),
    ):
        if len(path.encode(errors="surrogateescape")) > _UNIX_PATH_MAX:
            reason = f"{key} {path!r} is longer than the {_UNIX_PATH_MAX} octets a Unix socket's path may have"
            error(("server", key if own else "run_dir"), reason)
    if config.control_socket == config.read_socket:
        error(("server", "read_socket"), f"control_socket and read_socket are both {config.read_socket}")
    paths: list[tuple[Path, str]] = [
        (("server", key), getattr(server, key)) for key in ("run_dir", "state_dir", "control_socket", "read_socket")
    ]
    paths += [(("zone", index, "file"), zone.file) for index, zone in enumerate(config.zone)]
    for index, pattern in enumerate(config.pattern):
        paths += [(("pattern", index, "file"), pattern.file), (("pattern", index, "zones"), pattern.zones)]
    for at, text in paths:
        if "\0" in text:
            error(at, f"{at[-1]} {text!r} has a NUL octet, which no path can have")


def _check_lease(config: Config, error: ReportError) -> None:
    if 0 < config.server.lease_s < _LEASE_MIN_S:
        reason = (
            f"lease_s {config.server.lease_s:g} is too short to be renewed in time; at least {_LEASE_MIN_S:g}, or 0"
        )
        error(("server", "lease_s"), f"{reason} for a lease without end")


def _check_control(config: Config, error: ReportError) -> None:
    if config.control.address:
        _check_addresses((config.control.address,), ("control", "address"), error)
    names_, digests = set(), set()
    for index, client in enumerate(config.control_client):
        if client.name in names_:
            error(("control_client", index, "name"), f"client {client.name!r} is there twice")
        if client.digest in digests:
            error(("control_client", index, "fingerprint"), f"fingerprint {client.fingerprint} is there twice")
        names_.add(client.name)
        digests.add(client.digest)


def _check_health(config: Config, error: ReportError) -> None:
    for name in config.health.names:
        try:
            names.from_text(name)
        except WireError as reason:
            error(("health", "names"), f"zone {reason}")


def _check_interfaces(config: Config, error: ReportError) -> None:
    seen: dict[str, int] = {}
    ports: set[int] = set()
    services: set[str] = set()
    for index, interface in enumerate(config.interface):
        at: Path = ("interface", index)
        if interface.name in seen:
            error((*at, "name"), f"interface {interface.name} is there twice")
        seen[interface.name] = index
        _check_addresses(interface.addresses, (*at, "addresses"), error)
        services.update(interface.addresses)
        for text in interface.addresses:
            if _is_unspecified(text):
                error((*at, "addresses"), f"{text} is no address to answer for; leave addresses out to take them all")
        if interface.mode != "off":
            ports.add(interface.port)
    if len(services) > _SERVICE_ADDRESSES_MAX:
        error(("interface", 0), f"{len(services)} addresses on all interfaces, at most {_SERVICE_ADDRESSES_MAX} work")
    if len(ports) > 1:
        listed = ", ".join(str(port) for port in sorted(ports))
        error(("interface", 0, "port"), f"all interfaces must have the same port, not {listed}")
    elif ports and config.listen.port not in ports:
        error(
            ("listen", "port"),
            f"[listen] port {config.listen.port} must be the interfaces' port {min(ports)}: what the XDP program "
            "passes up would find no socket",
        )


def _check_listen(config: Config, error: ReportError) -> None:
    _check_addresses(config.listen.addresses, ("listen", "addresses"), error)
    for index, interface in enumerate(config.interface):
        for text in interface.addresses if interface.mode != "off" else ():
            if not _is_heard(text, config.listen.addresses):
                error(
                    ("interface", index, "addresses"),
                    f"{text} is in no address of [listen]: TCP, and what the XDP program passes up, would find no "
                    f"socket; add it there",
                )


def _is_heard(text: str, listening: tuple[str, ...]) -> bool:
    """Return whether a socket gets what is sent to an address; what is no address is told elsewhere."""
    try:
        address, sockets = ipaddress.ip_address(text), [ipaddress.ip_address(one) for one in listening]
    except ValueError:
        return True
    return any(one == address or (one.is_unspecified and one.version == address.version) for one in sockets)


def _check_addresses(addresses: tuple[str, ...], path: Path, error: ReportError) -> None:
    seen = set()
    for text in addresses:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            error(path, f"{text!r} is not an IPv4 or IPv6 address")
            continue
        if address in seen:
            error(path, f"address {text} is there twice")
        if address.is_multicast or str(address) == "255.255.255.255":
            error(path, f"address {text} is not a unicast address")
        seen.add(address)


def _is_unspecified(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


def _check_zones(config: Config, error: ReportError) -> None:
    seen: dict[bytes, str] = {}
    for index, zone in enumerate(config.zone):
        at: Path = ("zone", index, "name")
        try:
            origin = names.fold(names.from_text(zone.name))
        except WireError as reason:
            error(at, f"zone {reason}")
            continue
        if origin in seen:
            error(at, f"zone {names.to_text(origin)} is there twice")
        seen[origin] = zone.name


def _check_patterns(config: Config, error: ReportError) -> None:
    for index, pattern in enumerate(config.pattern):
        folder, _, file = pattern.file.rpartition("/")
        if ZONE in folder or file.count(ZONE) > 1:
            error(("pattern", index, "file"), f"file {pattern.file!r}: {ZONE} can stand once, in the file's own name")
        if not pattern.file:
            if pattern.has_zones:
                error(("pattern", index), "[[pattern]] lacks file, and no pattern that it includes has one")
        elif pattern.has_zones and is_folder(pattern) and ZONE not in file:
            error(("pattern", index), f"a [[pattern]] without zones needs {ZONE} in file: which zones is it for?")
