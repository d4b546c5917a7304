# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken from another server's configuration, whatever its format; and what is not, and why."""

from dataclasses import dataclass, field
from typing import Final

from appliance.wording import visible

NO_FETCHING: Final = (
    "it is in primaries, but this version makes no transfers: bring newer files here by other means until it does"
)
NO_TELLING: Final = "it is in notify, but this version tells nobody: let secondaries ask often until it does"
NO_GIVING: Final = (
    "it is in allow_transfer, but this version gives no zone away: let secondaries get files until it does"
)
NO_HEARING: Final = "it is in allow_notify, but this version hears no NOTIFY: use `appliance reload` until it does"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file; line 0 means the file as a whole."""

    file: str
    line: int

    def __str__(self) -> str:
        return visible(f"{self.file}:{self.line}" if self.line else self.file)


@dataclass(frozen=True, slots=True)
class NotCarried:
    """One thing of the old configuration that ours does not say, and why."""

    place: Place
    what: str
    reason: str

    def __str__(self) -> str:
        return visible(f"{self.place}: {self.what}: {self.reason}")


@dataclass(slots=True)
class Key:
    """One TSIG key; its secret is never shown."""

    name: str
    place: Place
    algorithm: str = "hmac-sha256"
    secret: str = field(default="", repr=False)


@dataclass(slots=True)
class Remote:
    """One server that zones come from, or that is told of changes."""

    name: str
    addresses: tuple[str, ...]
    place: Place
    port: int = 53
    key: str = ""
    transport: str = "tcp"
    source: str = ""


@dataclass(slots=True)
class Acl:
    """Clients that have one of the addresses and sign with one of the keys, where these are given."""

    name: str
    place: Place
    addresses: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()


@dataclass(slots=True)
class Lists:
    """Who gives a zone, who is told, who may fetch it and who may tell of it: names of remotes and of ACLs."""

    primaries: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    allow_transfer: tuple[str, ...] = ()
    allow_notify: tuple[str, ...] = ()


@dataclass(slots=True)
class Pattern:
    """A pattern or template with what it includes; `file` has {zone} for a zone's name, and is empty if none fits."""

    name: str
    place: Place
    file: str = ""
    lists: Lists = field(default_factory=Lists)


@dataclass(slots=True)
class Zone:
    """One zone with all that its pattern gives.

    `restricted` says who may ask for it where not everybody may; `left_out` why it cannot be served from its file.
    """

    name: str
    place: Place
    file: str = ""
    pattern: str = ""
    view: str = ""
    restricted: str = ""
    left_out: str = ""
    lists: Lists = field(default_factory=Lists)


@dataclass(slots=True)
class Endpoint:
    """An address and port that the old server listens on; port 0 stands for the server's usual one."""

    address: str
    port: int
    place: Place
    is_implied: bool = False
    """Whether it is listened on though the configuration does not name it."""


@dataclass(slots=True)
class Old:
    """A whole configuration of another server; `settings` are values of ours by table and key, with their place."""

    program: str
    file: str
    port: int = 53
    listen: list[Endpoint] = field(default_factory=list)
    listens_nowhere_else: bool = False
    """Whether it listens on some addresses only, though none of them could be taken over."""
    settings: dict[tuple[str, str], tuple[str | int | float, Place]] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    remotes: list[Remote] = field(default_factory=list)
    acls: list[Acl] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)
    zones: list[Zone] = field(default_factory=list)
    not_carried: list[NotCarried] = field(default_factory=list)
    _left: set[NotCarried] = field(default_factory=set)
    _remotes: dict[tuple[object, ...], str] = field(default_factory=dict)
    _acls: dict[tuple[object, ...], str] = field(default_factory=dict)
    _names: dict[str, set[str]] = field(default_factory=dict)

    def leave(self, place: Place, what: str, reason: str) -> None:
        """List one thing that is not carried over; the same one once."""
        entry = NotCarried(place, what, reason)
        if entry not in self._left:
            self._left.add(entry)
            self.not_carried.append(entry)

    def remote(self, wanted: Remote) -> str:
        """Return the name of a remote with these values, which is added where there is none yet."""
        values = (wanted.addresses, wanted.port, wanted.key.lower(), wanted.transport, wanted.source)
        if values not in self._remotes:
            wanted.name = self._free_name("remote", wanted.name)
            self._remotes[values] = wanted.name
            self.remotes.append(wanted)
        return self._remotes[values]

    def acl(self, wanted: Acl) -> str:
        """Return the name of an ACL with these values, which is added where there is none yet."""
        values = (wanted.addresses, wanted.keys, wanted.transports)
        if values not in self._acls:
            wanted.name = self._free_name("acl", wanted.name)
            self._acls[values] = wanted.name
            self.acls.append(wanted)
        return self._acls[values]

    def _free_name(self, table: str, wanted: str) -> str:
        """Return a name without white space that is not taken: the wanted one, or one with a number behind it."""
        taken = self._names.setdefault(table, set())
        plain = "".join(one if one.isprintable() and not one.isspace() else "-" for one in wanted)[:240] or "unnamed"
        name, number = plain, 1
        while name in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name)
        return name
