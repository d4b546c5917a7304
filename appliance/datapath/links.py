# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces over netlink: identity, addresses, attaching an XDP program."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from appliance.datapath.interface_names import no_interface
from appliance.errors import DatapathError

if TYPE_CHECKING:
    from pyroute2 import IPRoute

Mode = Literal["native", "generic"]

_IFF_UP: Final = 1
_FLAG_IF_NONE: Final = 1 << 0
_FLAG_REPLACE: Final = 1 << 4
_FLAGS: Final[dict[Mode, int]] = {"native": 1 << 2, "generic": 1 << 1}
_ATTACHED: Final[dict[int, Mode]] = {1: "native", 2: "generic"}
# Devices of the kernel itself hand on packets whose checksum the sender's stack has not filled in.
_PARTIAL_CHECKSUMS: Final = {"veth", "tun", "lo", "dummy", "bridge"}


@dataclass(frozen=True, slots=True)
class Link:
    """One interface as it is now; `program` and `mode` describe the attached XDP program, if any."""

    name: str
    index: int
    mac: bytes
    kind: str
    addresses: tuple[str, ...]
    program: int
    mode: Mode | None
    vlans: tuple[str, ...] = ()
    """VLAN devices that lie on it."""
    up: bool = True
    """Whether it is switched on, by the administrator's will."""
    carrier: bool = True
    """Whether it has a connection, as far as its driver can tell."""

    @property
    def delivers_whole_checksums(self) -> bool:
        return self.kind not in _PARTIAL_CHECKSUMS


@contextmanager
def netlink(doing: str) -> Iterator[IPRoute]:
    """Open a netlink socket for a while. What the kernel refuses meanwhile becomes a DatapathError about `doing`."""
    # A tenth of a second, which a server has after its first answer rather than before.
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as route:
            yield route
    except NetlinkError as error:
        hint = "; another XDP program is attached" if error.code in (errno.EBUSY, errno.EEXIST) else ""
        raise DatapathError(f"{doing}: {error.args[1] if len(error.args) > 1 else error}{hint}") from error


def read(name: str) -> Link:
    """Read an interface. Raises DatapathError when there is none of that name."""
    with netlink(f"interface {name}") as route:
        found = route.link_lookup(ifname=name)
        if not found:
            raise DatapathError(no_interface(name))
        index = found[0]
        message = route.get_links(index)[0]
        addresses = [_local(a) for a in route.get_addr(index=index)]
        vlans = [m.get_attr("IFLA_IFNAME") for m in route.get_links() if _is_vlan_on(index, m)]
    return _link(name, index, message, tuple(addresses), tuple(vlans))


def _is_vlan_on(index: int, message: Any) -> bool:
    elsewhere = message.get_attr("IFLA_LINK_NETNSID") is not None  # the index counts in another namespace
    return _kind(message) == "vlan" and message.get_attr("IFLA_LINK") == index and not elsewhere


def _kind(message: Any) -> str | None:
    info = message.get_attr("IFLA_LINKINFO")
    return info.get_attr("IFLA_INFO_KIND") if info is not None else None


def _link(name: str, index: int, message: Any, addresses: tuple[str, ...], vlans: tuple[str, ...]) -> Link:
    kind = _kind(message)
    if kind is None:
        kind = "lo" if name == "lo" else _driver(name)
    xdp = message.get_attr("IFLA_XDP")
    program = _program_of(message)
    attached = xdp.get_attr("IFLA_XDP_ATTACHED") if xdp is not None else None
    mac = bytes.fromhex((message.get_attr("IFLA_ADDRESS") or "00:00:00:00:00:00").replace(":", ""))
    mode = _mode_of(attached) if program else None
    up, carrier = bool(message["flags"] & _IFF_UP), message.get_attr("IFLA_CARRIER") != 0
    return Link(name, index, mac[:6].ljust(6, b"\0"), kind, addresses, program, mode, vlans, up, carrier)


def _mode_of(attached: object) -> Mode | None:
    if isinstance(attached, int):
        return _ATTACHED.get(attached)
    text = str(attached)
    return "native" if "xdpdrv" in text or text == "xdp" else "generic" if "xdpgeneric" in text else None


def _driver(name: str) -> str:
    driver = Path(f"/sys/class/net/{name}/device/driver")
    return driver.resolve().name if driver.exists() else "unknown"


def attach(link: Link, fd: int, mode: Mode, replaces: int | None = None, *, if_none: bool = False) -> None:
    """Attach a program, in one message; with `replaces` only if that program (descriptor) is the one attached now.

    With `if_none` only where no program is attached now.
    """
    _set(link, _attributes(fd, mode, replaces, if_none), f"attach to {link.name} in {mode} mode")


def detach(link: Link, mode: Mode, only: int | None = None) -> None:
    """Take any program off in the given mode; with `only` if that program (descriptor) is the one attached now."""
    _set(link, _attributes(-1, mode, only, False), f"detach from {link.name}")


def _attributes(fd: int, mode: Mode, expected: int | None, if_none: bool) -> list[tuple[str, object]]:
    attributes: list[tuple[str, object]] = [("IFLA_XDP_FD", fd)]
    flags = _FLAGS[mode] | (_FLAG_IF_NONE if if_none else 0)
    if expected is not None:
        flags |= _FLAG_REPLACE
        attributes.append(("IFLA_XDP_EXPECTED_FD", expected))
    return [*attributes, ("IFLA_XDP_FLAGS", flags)]


def _set(link: Link, attributes: list[tuple[str, object]], doing: str) -> None:
    with netlink(doing) as route:
        route.link("set", index=link.index, IFLA_XDP={"attrs": attributes})


def with_programs() -> list[Link]:
    """The interfaces of this network namespace that run an XDP program."""
    return [link for link in everything() if link.program]


def idle() -> list[tuple[int, str]]:
    """The interfaces of this network namespace that run no XDP program, by index and name."""
    with netlink("list interfaces") as route:
        return [(m["index"], str(m.get_attr("IFLA_IFNAME"))) for m in route.get_links() if not _program_of(m)]


def indexes() -> set[int]:
    """The indexes of all interfaces of this network namespace."""
    with netlink("list interfaces") as route:
        return {m["index"] for m in route.get_links()}


def everything(names: Collection[str] = ()) -> list[Link]:
    """Return the interfaces of this network namespace that have one of these names or run an XDP program."""
    with netlink("list interfaces") as route:
        messages = list(route.get_links())
        chosen = [m for m in messages if m.get_attr("IFLA_IFNAME") in names or _program_of(m)]
        addresses = _addresses(route) if chosen else {}
    found = []
    for message in chosen:
        name, index = str(message.get_attr("IFLA_IFNAME")), int(message["index"])
        vlans = tuple(m.get_attr("IFLA_IFNAME") for m in messages if _is_vlan_on(index, m))
        found.append(_link(name, index, message, tuple(addresses.get(index, ())), vlans))
    return found


def _local(message: Any) -> str:
    """Return an interface's own address: IFA_ADDRESS is the other end's where a link has two."""
    return str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS"))


def _addresses(route: IPRoute) -> dict[int, list[str]]:
    """Return the addresses of all interfaces by index."""
    found: dict[int, list[str]] = {}
    for message in route.get_addr():
        found.setdefault(message["index"], []).append(_local(message))
    return found


def _program_of(message: Any) -> int:
    xdp = message.get_attr("IFLA_XDP")
    return int(xdp.get_attr("IFLA_XDP_PROG_ID") or 0) if xdp is not None else 0
