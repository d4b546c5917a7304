# SPDX-License-Identifier: GPL-3.0-or-later
"""Knot's remotes and ACLs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from appliance.migration.addresses import EVERYBODY, endpoint, networks, plain
from appliance.migration.grants import Grant, granted, lets_everybody
from appliance.migration.knot_syntax import Entry, Item
from appliance.migration.old import NO_FETCHING, NO_GIVING, NO_HEARING, NO_TELLING, Lists, Old, Remote
from appliance.migration.reasons import why_not
from appliance.migration.sources import wrong

_READ: Final = ("id", "address", "key", "via", "remote", "action", "deny", "protocol", "quic", "tls", "automatic-acl")
_OF_UPDATES: Final = ("comment", "update-type", "update-owner", "update-owner-match", "update-owner-name")
"""Items of an ACL that narrow nothing which is taken over; where others stand, nobody is let in."""


@dataclass(slots=True)
class Clients:
    """The remotes and ACLs of a configuration, each taken over when a zone names it."""

    old: Old
    remotes: dict[str, Entry] = field(default_factory=dict)
    groups: dict[str, Entry] = field(default_factory=dict)
    acls: dict[str, Entry] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Add a remote, a group of them, or an ACL."""
        known = {"remote": self.remotes, "remotes": self.groups, "acl": self.acls}[entry.section]
        if known.setdefault(entry.name, entry) is not entry:
            raise wrong(entry.place, f"{entry.section} {entry.name} is there twice; take one of them out")
        for one in entry.items:
            if one.name not in _READ:
                reason = why_not("knot", one.name)
                self.old.leave(one.place, f"{entry.section} {entry.name}: {one.name}", reason)

    def add_unused(self) -> None:
        """Take over the remotes and ACLs that no zone names; zones that come later may."""
        for entry in self.remotes.values():
            for _ in self._remote(entry):
                pass
        for name, entry in self.acls.items():
            item = Item("acl", [name], entry.place)
            granted(self.old, name, [*self._grants(item, "transfer"), *self._grants(item, "notify")])

    def lists(self, zone: str, said: dict[str, Item], automatic: bool) -> Lists:
        """Return who gives, is told of, and may fetch a zone."""
        made = Lists(self._remotes(said.get("master")), self._remotes(said.get("notify")))
        grants = {
            "transfer": self._grants(said.get("acl"), "transfer"),
            "notify": self._grants(said.get("acl"), "notify"),
        }
        if automatic:
            grants["transfer"] += [one for entry in self._named(said.get("notify")) for one in self._own(entry)]
        made.allow_transfer = granted(self.old, f"{zone}-transfer", grants["transfer"])
        made.allow_notify = granted(self.old, f"{zone}-notify", grants["notify"])
        reasons = (("master", made.primaries, NO_FETCHING), ("notify", made.notify, NO_TELLING))
        for name, taken, reason in reasons:
            if taken:
                self.old.leave(said[name].place, f"{name} {', '.join(said[name].values)}", reason)
        for one, reason in ((made.allow_transfer, NO_GIVING), (made.allow_notify, NO_HEARING)):
            if one and "acl" in said:
                self.old.leave(said["acl"].place, f"acl {', '.join(said['acl'].values)}", reason)
        return made

    def restriction(self, said: dict[str, Item]) -> str:
        """Return who may ask for a zone, where its ACLs do not let everybody ask."""
        grants = self._grants(said.get("acl"), "query")
        if not grants or lets_everybody(grants):
            return ""
        return f"{grants[0].what} in {grants[0].place} may keep clients from asking"

    def _named(self, item: Item | None) -> list[Entry]:
        found = []
        for name in item.values if item else ():
            names = self.groups[name].values("remote") if name in self.groups else [name]
            for one in names:
                if one not in self.remotes or item is None:
                    raise wrong(item.place if item else self.groups[name].place, f"there is no remote {one}; add it")
                found.append(self.remotes[one])
        return found

    def _remotes(self, item: Item | None) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for entry in self._named(item) for name in self._remote(entry)))

    def _remote(self, entry: Entry) -> Iterable[str]:
        """Yield the names of remotes for one: ours have one port each."""
        by_port: dict[int, list[str]] = {}
        transport = "tls" if any((one := entry.get(name)) and one.is_on for name in ("quic", "tls")) else "tcp"
        for text in entry.values("address"):
            if text.startswith("/"):
                self.old.leave(
                    entry.place, f"remote {entry.name}: address {text}", "there are no remotes by Unix socket"
                )
                continue
            try:
                address, port = endpoint(text)
            except ValueError:
                raise wrong(entry.place, f"remote {entry.name}: {text} is no address; a port stands behind @") from None
            by_port.setdefault(port or (853 if transport == "tls" else 53), []).append(address)
        key, via = "".join(entry.values("key")[:1]), "".join(entry.values("via")[:1]).partition("@")[0]
        for port, found in by_port.items():
            source = via if via and any((":" in via) == (":" in one) for one in found) else ""
            yield self.old.remote(Remote(entry.name, tuple(found), entry.place, port, key, transport, source))

    def _own(self, entry: Entry) -> list[Grant]:
        """Return what lets in the clients that are a remote."""
        addresses = [text.partition("@")[0] for text in entry.values("address") if not text.startswith("/")]
        prefixes = self._prefixes(addresses, entry)
        return [
            Grant(entry.place, f"remote {entry.name}", prefixes, tuple(entry.values("key")), name=f"from-{entry.name}")
        ]

    def _grants(self, item: Item | None, action: str) -> list[Grant]:
        made: list[Grant] = []
        for name in item.values if item else ():
            if name not in self.acls:
                raise wrong(
                    item.place if item else Item("", [], self.acls[name].place).place, f"there is no acl {name}; add it"
                )
            entry = self.acls[name]
            actions, deny = entry.values("action"), entry.get("deny")
            if "update" in actions:
                self.old.leave(entry.place, f"acl {name}: action update", why_not("knot", "ddns-primary"))
            refuses = deny is not None and deny.is_on
            narrowed = [one.name for one in entry.items if one.name not in (*_READ, *_OF_UPDATES)]
            if narrowed and not refuses and action != "query":
                continue
            if action not in actions and not (deny is not None and deny.is_on and not actions):
                continue
            made += self._of_acl(entry, refuses=refuses)
        return made

    def _of_acl(self, entry: Entry, *, refuses: bool) -> list[Grant]:
        addresses, keys = entry.values("address"), tuple(entry.values("key"))
        protocols = tuple("tls" if one == "quic" else one for one in entry.values("protocol"))
        what = f"acl {entry.name}"
        if entry.values("remote"):
            found = [one for remote in self._named(entry.get("remote")) for one in self._own(remote)]
            return [Grant(entry.place, what, one.addresses, one.keys, protocols, refuses) for one in found]
        prefixes = self._prefixes(addresses, entry) if addresses else () if keys else EVERYBODY
        return [Grant(entry.place, what, prefixes, keys, protocols, refuses, entry.name)]

    def _prefixes(self, addresses: list[str], entry: Entry) -> tuple[str, ...]:
        try:
            found = [network for text in addresses for network in networks(text)]
        except ValueError as error:
            raise wrong(
                entry.place, f"{entry.section} {entry.name}: {error}; write an address, prefix or range"
            ) from None
        return tuple(plain(network) if network.prefixlen else str(network) for network in found)
