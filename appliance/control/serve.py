# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of events of `appliance serve`: configuration, sockets, zones, store, workers, NIC path, control, stop.

Each step registers how it is undone; a step that fails undoes all before it, in reverse.
"""

import asyncio
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from appliance import __version__
from appliance.config.load import load_config
from appliance.config.schema import Config
from appliance.control.channel import Channel
from appliance.control.datapath import keep_looking
from appliance.control.detach import detach_verb
from appliance.control.lock import RunLock
from appliance.control.memory import use_one_arena
from appliance.control.notify import notify_manager
from appliance.control.progress import Progress
from appliance.control.publish import Publication
from appliance.control.reload import Reloader
from appliance.control.status import Told
from appliance.control.workers import WorkerPool
from appliance.errors import ApplianceError
from appliance.server.sockets import open_sockets

_log = logging.getLogger(__name__)

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def run(config_file: Path, use_xdp: bool) -> None:
    """Serve until told to stop. Raises ApplianceError when the server cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.addLevelName(logging.INFO, "info:")
    logging.addLevelName(logging.WARNING, "warning:")
    logging.addLevelName(logging.ERROR, "error:")
    use_one_arena()
    config = load_config(config_file)
    _allow_open_files()
    asyncio.run(_serve(config, use_xdp))


def _allow_open_files() -> None:
    """Raise the soft limit of descriptors, which is low for old programs only, to the hard one: clients are many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(config: Config, use_xdp: bool) -> None:
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in _ENDING:
        loop.add_signal_handler(number, stop.set)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the files are about to be read anyway
    async with AsyncExitStack() as cleanup:
        lock = RunLock(Path(config.server.run_dir))
        cleanup.callback(lock.close)
        listening = open_sockets(config.listen.addresses, config.listen.port, config.listen.tcp_workers)
        cleanup.callback(listening.close)
        pool = WorkerPool(config, listening)
        publication = Publication(config, use_xdp, pool)
        reloader = Reloader(config, publication, Progress())
        cleanup.push_async_callback(pool.stop)
        cleanup.push_async_exit(publication.withdraw)
        if not await _unless_stopped(reloader.load_all(), stop, reloader.cancel):
            return
        told = Told(started, reloader.zones, pool, listening.endpoints, publication, reloader.history)
        channel = Channel(config.control_socket, _verbs(told, reloader, stop))
        await channel.open()
        cleanup.push_async_callback(channel.close)
        # Not the loop's own handler: where that ends, SIGHUP would end the process.
        signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(reloader.on_signal))
        cleanup.callback(signal.signal, signal.SIGHUP, signal.SIG_IGN)
        cleanup.push_async_callback(reloader.close)
        saving = asyncio.create_task(reloader.keep_saving())
        cleanup.callback(saving.cancel)
        recording = asyncio.create_task(reloader.record())
        cleanup.push_async_callback(_cancelled, recording)
        compacting = asyncio.create_task(reloader.compaction.keep_looking())
        cleanup.push_async_callback(_cancelled, compacting)
        looking = asyncio.create_task(keep_looking(publication.interfaces))
        cleanup.push_async_callback(_cancelled, looking)
        await _say_ready(told)
        notify_manager("READY=1")
        await stop.wait()
        notify_manager("STOPPING=1")
        _log.info("stopping")


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has left everything as it should be."""
    task.cancel()
    await asyncio.wait((task,))


async def _unless_stopped(work: Any, stop: asyncio.Event, cancel: Callable[[], None]) -> bool:
    """Do the work; tell whether it is done rather than given up because the server is to stop."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not task.done():  # a thread cannot be stopped half-way: ask it to give up, and wait for it
        cancel()
        await asyncio.wait((task,))
        task.exception()
        return False
    await task
    return not stop.is_set()


def _verbs(told: Told, reloader: Reloader, stop: asyncio.Event) -> dict[str, Any]:
    async def status(request: dict[str, Any]) -> Any:
        return await told.status()

    async def stats(request: dict[str, Any]) -> Any:
        return told.stats()

    async def reload(request: dict[str, Any]) -> Any:
        zone = request.get("zone", "")
        if not isinstance(zone, str):
            raise ApplianceError("zone must be a name")
        return {"zones": await reloader.reload(zone)}

    async def journal(request: dict[str, Any]) -> Any:
        zone = request.get("zone")
        if not isinstance(zone, str):
            raise ApplianceError("zone must be a name")
        return {"zone": zone, "steps": [asdict(step) for step in await reloader.steps(zone)]}

    async def end(request: dict[str, Any]) -> Any:
        stop.set()
        return {"stopping": True, "pid": os.getpid()}

    detach = detach_verb(told.publication.interfaces)
    return {"status": status, "stats": stats, "reload": reload, "journal": journal, "detach": detach, "stop": end}


async def _say_ready(told: Told) -> None:
    status = await told.status()
    zones = status["zones"]
    serving = sum(zone["state"] == "serving" for zone in zones)
    path = ", ".join(f"{one['name']} ({one['mode']})" for one in status["interfaces"]) or "no NIC path"
    where = ", ".join(f"{one['address']} port {one['port']}" for one in status["listening"])
    _log.info("appliance %s serves %d of %d zones on %s; %s", __version__, serving, len(zones), where, path)
    for one in status["interfaces"]:
        for doubt in filter(None, (one["reason"], one["problem"], *one["remarks"])):
            _log.warning("interface %s (%s): %s", one["name"], one["mode"], doubt)
