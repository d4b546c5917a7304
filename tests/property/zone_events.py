# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of zone files in which everything happens, a Reloader on it, and what it should serve after each step.

The parts are those of the server; only workers are left out, since the store itself is asked.
"""

import asyncio
import os
import random
import shutil
from pathlib import Path
from typing import Final

import dns.rcode

from appliance.control.config_file import ConfigFile
from appliance.control.reload import Reloader
from appliance.control.start import Start
from appliance.control.summary import summary
from appliance.control.update import Update
from appliance.publish.progress import Progress
from appliance.publish.publication import Publication
from appliance.publish.workers import WorkerPool
from appliance.server.sockets import open_sockets
from appliance.zone import types
from tests.stores.asking import asked

OWN: Final = "own.test"
BIG: Final = "f0.test"
"""Its changes are applied by difference."""
INCLUDING: Final = "f1.test"
FOLDER: Final = tuple(f"f{number}.test" for number in range(6))
LIST: Final = tuple(f"l{number}.test" for number in range(6))
ZONES: Final = (OWN, *FOLDER, *LIST)
HOSTS: Final = 1010
STEP: Final = 97
LEAST: Final = 2
BAD_LINES: Final = (b"not..a.name", b"\xff\xfe.test", b"x" * 64 + b".test")
ODD_FILES: Final = (b"a..b.zone", "bücher.zone".encode(), b"x" * 64 + b".zone", b"\xff.zone", b"F2.test.zone")
SPELT_OTHERWISE: Final = ("f2.test", b"F2.test.zone")

CONFIGURATION: Final = f"""
[server]
run_dir = "run"
state_dir = "state"
removal_limit_zones = {LEAST}
include_below = ["."]
[store]
compact_percent = 1
compact_mib = 0
[listen]
addresses = ["127.0.0.1"]
port = 0
tcp_workers = 1
[[zone]]
name = "{OWN}"
file = "{OWN}.zone"
[[pattern]]
file = "folder/{{zone}}.zone"
[[pattern]]
zones = "zones.list"
file = "listed/{{zone}}.zone"
"""


class NoWorkers(WorkerPool):
    """A pool that forks nobody."""

    def start(self, store: object) -> None:
        """Do nothing: the store is asked in this process."""


def text(zone: str, version: int) -> str:
    """Return a version of a zone; all of them have as many octets."""
    lines = f'$TTL 300\n@ SOA ns root 1{version:06d} 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww TXT "{version:06d}"\n'
    if zone == BIG:
        lines += "".join(f'h{at} TXT "{mark(at, version):06d}"\n' for at in range(HOSTS))
    return lines + ("$INCLUDE ../more.inc\n" if zone == INCLUDING else "")


def mark(host: int, version: int) -> int:
    """Return what a host of the big zone says in a version: few differ from one to the next."""
    return version if host % STEP == version % STEP else 0


class World:
    """The files, the server's parts, and the model: what is named, what each file is, what was good last."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Start with some zones that are good."""
        self.folder = folder
        self.chance = random.Random(seed)
        self.version = 0
        self.included = 0
        self.files: dict[str, int | str] = {}
        """What a zone's file is: a version, "bad" or "none"."""
        self.good: dict[str, int] = {}
        """The version that is served, or kept, of each zone that ever was good."""
        self.good_include = 0
        self.served: set[str] = set()
        self.listed: list[str] = list(LIST[:5])
        self.bad_lines: list[bytes] = []
        self.odd: set[bytes] = set()
        self.list_is_there = self.folder_is_there = True
        self.held = False
        self.log: list[str] = []
        (folder / "folder").mkdir()
        (folder / "listed").mkdir()
        (folder / "appliance.toml").write_text(CONFIGURATION)
        self.include()
        for zone in (OWN, *FOLDER[:5], *LIST[:5]):
            self.write(zone)
        self.write_list()

    # what happens to files

    def path(self, zone: str) -> Path:
        """Return where the file of a zone is; that of a folder that was moved away too."""
        if zone == OWN:
            return self.folder / f"{zone}.zone"
        if zone in LIST:
            return self.folder / "listed" / f"{zone}.zone"
        return self.folder / ("folder" if self.folder_is_there else "away") / f"{zone}.zone"

    def clear(self, zone: str) -> None:
        """Remove whatever stands in the place of a zone's file."""
        path = self.path(zone)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    def put(self, zone: str, content: str) -> None:
        """Have another content in a zone's file, one way or the other."""
        path = self.path(zone)
        how = self.chance.choice(("renamed", "in place", "with the old time"))
        if how == "renamed" or not path.is_file() or path.is_symlink():
            self.clear(zone)
            draft = self.folder / "draft"
            draft.write_text(content)
            draft.replace(path)
            return
        before = path.stat()
        path.write_text(content)
        if how == "with the old time":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def write(self, zone: str) -> None:
        self.version += 1
        self.put(zone, text(zone, self.version))
        self.files[zone] = self.version

    def spoil(self, zone: str) -> None:
        how = self.chance.choice(("syntax", "folder", "loop", "dangling", "pipe", "includes itself", "device"))
        path = self.path(zone)
        if how in ("syntax", "includes itself"):
            more = "www A nonsense\n" if how == "syntax" else f"$INCLUDE {path.name}\n"
            self.put(zone, text(zone, 0) + more)
        else:
            self.clear(zone)
            if how == "folder":
                path.mkdir()
            elif how == "pipe":
                os.mkfifo(path)
            else:
                path.symlink_to({"loop": path.name, "dangling": "nowhere", "device": "/dev/zero"}[how])
        self.files[zone] = "bad"
        self.log.append(f"    {how}")

    def vanish(self, zone: str) -> None:
        self.clear(zone)
        self.files[zone] = "none"

    def include(self) -> None:
        """Change what one of the zones includes."""
        self.included += 1
        (self.folder / "more.inc").write_text(f'more TXT "{self.included:06d}"\n')

    def write_list(self) -> None:
        path = self.folder / "zones.list"
        path.unlink(missing_ok=True)
        if self.list_is_there:
            path.write_bytes(b"\n".join([*(zone.encode() for zone in self.listed), *self.bad_lines]) + b"\n")

    def edit_list(self) -> None:
        how = self.chance.choice(("add", "remove", "remove", "bad line", "mend", "mend", "empty", "gone", "back"))
        if how == "add":
            self.listed = sorted({*self.listed, self.chance.choice(LIST)})
        elif how == "remove" and self.listed:
            self.listed.remove(self.chance.choice(self.listed))
        elif how == "bad line":
            self.bad_lines.append(self.chance.choice(BAD_LINES))
        elif how == "mend":
            self.bad_lines = []
        elif how == "empty":
            self.listed = []
        elif how in ("gone", "back"):
            self.list_is_there = how == "back"
        self.write_list()
        self.log.append(f"    {how}")

    def move_folder(self) -> None:
        here, there = ("folder", "away") if self.folder_is_there else ("away", "folder")
        (self.folder / here).rename(self.folder / there)
        self.folder_is_there = not self.folder_is_there

    def add_odd(self) -> None:
        name = self.chance.choice(ODD_FILES)
        path = os.fsencode(self.path(FOLDER[0]).parent) + b"/" + name
        if name in self.odd:
            os.unlink(path)  # noqa: PTH108 - of octets that are no text
        else:
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(b"no zone\n")
        self.odd ^= {name}

    # the model

    def state(self, zone: str) -> int | str:
        """Return what a server finds where the file of a zone should be."""
        found = self.files.get(zone, "none")
        if zone in FOLDER and not self.folder_is_there:
            return "none"
        if found == "none" and zone == SPELT_OTHERWISE[0] and SPELT_OTHERWISE[1] in self.odd:
            return "bad"
        return found

    def named(self) -> tuple[set[str], set[str]]:
        """Return the zones that lists and folders name, and those of which it is not known whether they should be."""
        found = {OWN, *(zone for zone in FOLDER if self.state(zone) != "none")}
        unknown: set[str] = set()
        if not self.folder_is_there:
            unknown |= set(FOLDER)
        if self.list_is_there:
            found |= set(self.listed)
        if not self.list_is_there or self.bad_lines:
            unknown |= set(LIST)
        return found, unknown

    def _remove(self, before: set[str], of: int, confirmed: bool) -> set[str]:
        """Return the zones that go, as the rule for many at a time has it."""
        named, unknown = self.named()
        gone = before - named - unknown
        emptied = any(gone & set(group) and not named & set(group) for group in (FOLDER, LIST))
        self.held = bool(gone) and (len(gone) > max(LEAST, of // 2) or emptied) and not confirmed
        return set() if self.held else gone

    def expect_reload(self, confirmed: bool = False) -> None:
        gone = self._remove(self.served, len(self.served), confirmed)
        for zone in gone:
            self.good.pop(zone, None)
        self.served = self.served - gone | self.named()[0]
        self._read(self.served)

    def expect_start(self) -> None:
        """Only zones of which something is kept are known after a start."""
        for zone in self._remove(set(self.good), len(self.good), False):
            self.good.pop(zone)
        self.served = self.named()[0] | set(self.good)
        self._read(self.served)

    def expect_reading(self, zone: str) -> None:
        if zone in self.served:
            self._read({zone})

    def _read(self, zones: set[str]) -> None:
        for zone in zones:
            state = self.state(zone)
            if isinstance(state, int):
                self.good[zone] = state
                if zone == INCLUDING:
                    self.good_include = self.included

    def broken(self) -> set[str]:
        """Return the zones that should be told: named, and with a file that cannot be loaded."""
        return {zone for zone in self.served & self.named()[0] if not isinstance(self.state(zone), int)}

    def something_is_wrong(self) -> bool:
        odd = bool(self.odd - {SPELT_OTHERWISE[1]}) and self.folder_is_there
        twice = SPELT_OTHERWISE[1] in self.odd and self.folder_is_there and self.files.get("f2.test", "none") != "none"
        unreadable = not self.list_is_there or not self.folder_is_there or bool(self.bad_lines)
        return bool(self.broken()) or odd or twice or unreadable or self.held


class Running:
    """The server's parts on a world, from start() to the end of the process."""

    def __init__(self, world: World) -> None:
        """Name the world."""
        self.world = world
        file = ConfigFile(world.folder / "appliance.toml")
        self._listening = open_sockets(("127.0.0.1",), 0, 1)
        self._publication = Publication(file.config, False, NoWorkers(file.config, self._listening))
        self._file = file

    async def start(self) -> None:
        start = Start(self._file.config, self._publication, Progress())
        await start.load()
        assert start.update is not None
        self.update: Update = start.update
        self.reloader = Reloader(self._file, self.update)
        await self.update.record()

    async def signal(self) -> None:
        """Do what SIGHUP does, and wait for it."""
        self.update.ask(self.reloader.reload_on_signal())
        await asyncio.gather(*self.update._asked)

    async def save(self) -> None:
        """Save the image, as the server does some time after each change."""
        await self.update._save()

    async def compact(self) -> None:
        """Compile the store anew, as the server does when there is enough waste."""
        await self.update.compaction._compact()

    def die(self) -> None:
        """End without doing anything more."""
        self._listening.close()

    def problems(self) -> list[str]:
        """Return what the verb status would call a problem of zones."""
        return summary(self.update.zones.values(), 0).problems + self.update.zone_set.problems()

    def check(self, told_too: bool = True) -> None:
        """Compare what is served, and what is told, with the model."""
        world = self.world
        for zone in ZONES:
            assert self.answer("www", zone) == self.expected(zone), zone
        if BIG in world.served and BIG in world.good:
            version = world.good[BIG]
            for host in {*world.chance.sample(range(HOSTS), 12), *range(version % STEP, HOSTS, STEP)}:
                assert self.answer(f"h{host}", BIG) == f'"{mark(host, version):06d}"', host
        if INCLUDING in world.served and INCLUDING in world.good:
            assert self.answer("more", INCLUDING) == f'"{world.good_include:06d}"'
        if not told_too:
            return
        told = "\n".join(self.problems())
        for zone in world.broken():
            assert f"{zone}." in told, zone
        assert bool(told) == world.something_is_wrong(), told

    def expected(self, zone: str) -> str:
        """Return the answer for a zone's host that names the version."""
        if zone not in self.world.served:
            return "REFUSED"
        return f'"{self.world.good[zone]:06d}"' if zone in self.world.good else "SERVFAIL"

    def answer(self, host: str, zone: str) -> str:
        """Return the text that the store answers with, or the rcode."""
        reply = asked(self._publication.store, f"{host}.{zone}.", types.TXT)
        return reply.answer[0][0].to_text() if reply.answer else dns.rcode.to_text(reply.rcode())


async def live(world: World, steps: int) -> None:
    """Let things happen to a world, and check what is served after each reload, signal and start."""
    running = Running(world)
    try:
        await running.start()
        world.expect_start()
        running.check()
        for _ in range(steps):
            running = await step(world, running)
            running.check()
    finally:
        running.die()


async def step(world: World, running: Running) -> Running:
    """Do some things to files, then one thing to the server."""
    chance = world.chance
    for _ in range(chance.randint(1, 3)):
        zone = chance.choice(ZONES)
        action = chance.choice(("write",) * 5 + ("spoil",) * 3 + ("vanish", "include", "list", "folder", "odd", "save"))
        world.log.append(f"  {action} {zone}")
        if action in ("write", "spoil", "vanish"):
            getattr(world, action)(zone)
        elif action == "save":
            await running.save()
        else:
            {"include": world.include, "list": world.edit_list, "folder": world.move_folder, "odd": world.add_odd}[
                action
            ]()
    return await control(
        world, running, chance.choice(("reload",) * 3 + ("name", "signal", "confirm", "compact", "kill", "stop"))
    )


async def control(world: World, running: Running, action: str) -> Running:
    """Reload in one way or the other, or end and start again."""
    world.log.append(action)
    if action == "reload":
        told = await running.reloader.reload()
        world.expect_reload()
        assert any(not one["ok"] for one in told) == world.something_is_wrong(), told
    elif action == "name":
        zone = world.chance.choice(sorted(world.served))
        (one,) = await running.reloader.reload(f"{zone}.")
        world.expect_reading(zone)
        assert one["ok"] == isinstance(world.state(zone), int), one
        await running.reloader.reload()
        world.expect_reload()
    elif action == "compact":
        await running.reloader.reload()
        world.expect_reload()
        world.spoil(world.chance.choice(ZONES))
        await running.compact()
        running.check(told_too=False)
        await running.reloader.reload()
        world.expect_reload()
    elif action == "signal":
        await running.signal()
        world.expect_reload()
    elif action == "confirm":
        await running.reloader.reload()
        world.expect_reload()
        held = running.update.zone_set.limit.held
        assert (held is not None) == world.held
        if held is not None:
            await running.reloader.reload(allow_removal=held.number)
            world.expect_reload(confirmed=True)
    else:
        if action == "stop":
            await running.update.close()
        running.die()
        running = Running(world)
        await running.start()
        world.expect_start()
    return running


def lived(folder: Path, seed: int, steps: int) -> None:
    """Run one sequence; what fails says what has happened before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    world = World(folder, seed)
    try:
        asyncio.run(live(world, steps))
    except BaseException as error:
        error.add_note(f"seed {seed}:\n" + "\n".join(world.log))
        raise
