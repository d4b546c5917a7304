# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of a scenario: each is what an operator does, or what a client must see.

    link     give the NIC path an interface, in a mode
    zones    put zones into the configuration, each with its version
    take     take zones out of it
    update   write another version of a zone
    setting  set a key of a table
    start    start the server
    apply    apply the configuration; nothing is left to do afterwards
    reload   read changed zone files
    kill     SIGKILL
    load     ask without a pause meanwhile
    same     what is served is what was written, and nothing was lost

What a scenario has written is kept with the times between which it may have become visible, and each reply is held
against that.
"""

import json
import random
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dns.message
import dns.name
import dns.rcode

from appliance.errors import ApplianceError
from demo.network import Pair
from tests.chaos.client import Client, Exchange
from tests.chaos.serving import Server

GONE: Final = 0
"""The version of a zone that is not in the configuration."""
_LONG_S: Final = 120.0
_ASKED: Final = 200
"""Zones that the load asks for."""


@dataclass(slots=True)
class State:
    """One version of a zone, and when it may have begun and must have begun to be served."""

    version: int
    begun: float
    done: float = float("inf")


class Scenario:
    """A site with one server at one end of a veth pair, and a client at the other."""

    def __init__(self, pair: Pair, folder: Path, rng: random.Random) -> None:
        self.pair = pair
        self.rng = rng
        self.server = Server(pair.server, folder, "unused.")
        self.zone_folders = (folder / "a", folder / "b")
        for one in self.zone_folders:
            one.mkdir()
        self._folder = folder
        self._keys: dict[tuple[str, str], Any] = {}
        self._mode = ""
        self.configured: dict[str, int] = {}
        """The zones of the configuration, each with the folder that it is in."""
        self._written: dict[tuple[str, int], int] = {}
        self._seen: dict[str, list[State]] = {}
        self._asking: Client | None = None
        self._write()

    # What an operator writes.

    def link(self, mode: str = "auto") -> None:
        """Give the NIC path the interface in a mode; "" takes it away."""
        self._mode = mode

    def setting(self, table: str, key: str, value: Any) -> None:
        """Set a key of a table."""
        self._keys[table, key] = value

    def zones(self, names: Iterable[str], folder: int = 0) -> None:
        """Put zones into the configuration, or into another folder."""
        for name in names:
            self.configured[name] = folder
            if (name, folder) not in self._written:
                self._write_zone(name, folder, self.rng.randrange(1, 1 << 24))

    def take(self, names: Iterable[str]) -> None:
        """Take zones out of the configuration."""
        for name in names:
            del self.configured[name]

    def update(self, name: str) -> None:
        """Write another version of a zone that is configured; reload() serves it."""
        self._write_zone(name, self.configured[name], self.rng.randrange(1, 1 << 24))

    def _write_zone(self, name: str, folder: int, version: int) -> None:
        self._written[name, folder] = version
        address = ".".join(str(part) for part in (10, version >> 16, version >> 8 & 255, version & 255))
        draft = self.zone_folders[folder] / ".draft"
        draft.write_text(f"$TTL 60\n@ SOA ns root {version} 3600 900 1209600 60\n@ NS ns\nns A {address}\n")
        draft.rename(self.zone_folders[folder] / f"{name}.zone")

    def _write(self) -> None:
        """Write the configuration, and the list of each folder."""
        tables: dict[str, list[str]] = {
            "server": [f'run_dir = "{self._folder}/run"', f'state_dir = "{self._folder}/state"']
        }
        for (table, key), value in self._keys.items():
            tables.setdefault(table, []).append(f"{key} = {json.dumps(value)}")
        lines = [line for name, keys in tables.items() for line in (f"[{name}]", *keys)]
        if self._mode:
            lines += ["[[interface]]", 'name = "eth0"', f'mode = "{self._mode}"']
        for number, folder in enumerate(self.zone_folders):
            names = sorted(name for name, at in self.configured.items() if at == number)
            (self._folder / f"{number}.list").write_text("".join(f"{name}\n" for name in names))
            lines += ["[[pattern]]", f'file = "{folder}/{{zone}}.zone"', f'zones = "{self._folder}/{number}.list"']
        self.server.config.write_text("\n".join(lines) + "\n")

    # What an operator does.

    def start(self) -> None:
        """Start the server on what is written."""
        self._write()
        begun = Client.now()
        self.server.start()
        self._settle(begun)

    def apply(self) -> Any:
        """Apply what is written: all of it is done, and a second apply would do nothing."""
        self._write()
        begun = Client.now()
        self._note(begun)
        told = self.server.ask("apply", limit_s=_LONG_S)
        assert told["ok"], told
        self._settle(begun)
        again = self.server.ask("apply", dry_run=True, limit_s=_LONG_S)
        assert not again["would_change"], again
        assert again["changes"] == []
        return told

    def apply_and_kill(self, after_s: float) -> bool:
        """Begin to apply what is written, and kill the server some time later; return whether it was done by then."""
        self._write()
        done = threading.Event()

        def ask() -> None:
            try:
                self.server.ask("apply", limit_s=_LONG_S)
                done.set()
            except ApplianceError:
                pass

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(after_s)
        was_done = done.is_set()
        self.kill()
        asking.join()
        return was_done

    def reload(self) -> None:
        """Read what has changed."""
        begun = Client.now()
        self._note(begun)
        told = self.server.ask("reload", limit_s=_LONG_S)
        assert told["ok"], told
        self._settle(begun)

    def kill(self) -> None:
        """Kill the server."""
        self.server.signal(signal.SIGKILL)

    def end(self) -> None:
        """End whatever runs."""
        self.server.stop()

    # What a client sees.

    def _note(self, begun: float) -> None:
        """Note that what is written may be seen from a moment on."""
        for name in {*self.configured, *self._seen}:
            version = self._written[name, self.configured[name]] if name in self.configured else GONE
            states = self._seen.setdefault(name, [State(GONE, 0.0, 0.0)])
            if states[-1].version != version:
                states.append(State(version, begun))

    def _settle(self, begun: float) -> None:
        """Note that what is written is seen by now."""
        self._note(begun)
        done = Client.now()
        for states in self._seen.values():
            states[-1].done = min(states[-1].done, done)

    @contextmanager
    def load(self, zones: Iterable[str]) -> Iterator[Client]:
        """Ask for zones, whether they are configured or not, without a pause meanwhile; same() judges the replies."""
        asked = self.rng.sample(sorted(zones), min(_ASKED, len(list(zones))))
        questions = [dns.message.make_query(f"ns.{name}.", "A").to_wire() for name in asked]
        with Client(self.pair.client.name, self.pair.server.address4, questions) as asking:
            self._asking = asking
            yield asking
            asking.wait_for(200)
        self.same(asking.take())
        self._asking = None

    def wait(self, queries: int = 100) -> None:
        """Wait until the client has had so many more answers, and hold them against what is served."""
        assert self._asking is not None
        self._asking.wait_for(queries)
        self.same(self._asking.take())

    def same(self, exchanges: Iterable[Exchange] = ()) -> None:
        """Hold replies against what was written: one version each, none that was not there then, none lost.

        Without replies every zone is asked for.
        """
        for exchange in exchanges or self._ask_all():
            assert exchange.reply is not None, f"no reply to {_name(exchange.query)}"
            name, seen = _name(exchange.query), _version(exchange.reply)
            states = self._seen.get(name, [State(GONE, 0.0, 0.0)])
            first = max(at for at, one in enumerate(states) if one.done < exchange.sent or at == 0)
            possible = [one.version for one in states[first:] if one.begun < exchange.received]
            assert seen in possible, f"zone {name}: {seen} where {possible} were served"

    def _ask_all(self) -> list[Exchange]:
        names = sorted({*self.configured, *self._seen})
        questions = [dns.message.make_query(f"ns.{name}.", "A").to_wire() for name in names]
        asked: list[Exchange] = []
        for at in range(0, len(questions), 500):
            with Client(self.pair.client.name, self.pair.server.address4, questions[at : at + 500]) as asking:
                asking.wait_for(500)
            asked += asking.exchanges
        return asked


def _name(query: bytes) -> str:
    question = dns.message.from_wire(query).question[0]
    return question.name.parent().to_text(omit_final_dot=True)


def _version(reply: bytes) -> int:
    """Return the version that a reply is from; all its addresses must say the same."""
    said = dns.message.from_wire(reply)
    if said.rcode() == dns.rcode.REFUSED:
        return GONE
    assert said.rcode() == dns.rcode.NOERROR, said
    found = {int.from_bytes(bytes(map(int, rdata.address.split(".")[1:]))) for rdata in said.answer[0]}
    (version,) = found
    return version
