# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of events of `appliance serve`: configuration, sockets, zones, store, workers, NIC path, control, stop.

Each step registers how it is undone; a step that fails undoes all before it, in reverse.
"""

import asyncio
import logging
import resource
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from appliance import __version__, crash
from appliance.config.schema import Config
from appliance.control.background import Background
from appliance.control.channel import Channel
from appliance.control.config_file import ConfigFile
from appliance.control.config_findings import examine_machine
from appliance.control.hangup import Hangups
from appliance.control.lock import RunLock, lock_state
from appliance.control.log import start_logging
from appliance.control.service_manager import notify_manager
from appliance.control.stage import Stage
from appliance.control.status import Told
from appliance.control.update import Reloader
from appliance.control.verbs import Verbs
from appliance.publish.lease import keep_renewing
from appliance.publish.nic_path import keep_looking
from appliance.publish.progress import Progress
from appliance.publish.publication import Publication
from appliance.publish.workers import WorkerPool
from appliance.served.memory import use_one_arena
from appliance.served.zone_set import place_and_reason
from appliance.server.sockets import Listening, open_sockets

_log = logging.getLogger(__name__)

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def run(config_file: Path, use_xdp: bool) -> None:
    """Serve until told to stop. Raises ApplianceError when the server cannot start."""
    start_logging()
    use_one_arena()
    file = ConfigFile(config_file)
    for finding in examine_machine(file.config, config_file):
        _log.warning("%s", place_and_reason(finding))
    crash.keep_reports_in(Path(file.config.server.state_dir))
    crash.catch_the_rest()
    _allow_open_files()
    asyncio.run(_serve(file, use_xdp))


def _allow_open_files() -> None:
    """Raise the soft limit of descriptors, which is low for old programs only, to the hard one: clients are many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(file: ConfigFile, use_xdp: bool) -> None:
    config = file.config
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(crash.in_event_loop)
    stop = asyncio.Event()
    for number in _ENDING:
        loop.add_signal_handler(number, stop.set)
    hangups = Hangups()
    async with AsyncExitStack() as cleanup:
        lock = RunLock(Path(config.server.run_dir))
        cleanup.callback(lock.close)
        if (state := lock_state(Path(config.server.state_dir))) is not None:
            cleanup.callback(state.close)
        listening = open_sockets(config.listen.addresses, config.listen.port, config.listen.tcp_workers)
        cleanup.callback(listening.close)
        pool = WorkerPool(config, listening)
        stage = Stage(Progress(), lambda: pool.alive > 0)
        verbs = Verbs(stage, pool, listening.endpoints, stop)
        for channel in _channels(config, verbs, stage):
            await channel.open()
            cleanup.push_async_callback(channel.close)
        publication = Publication(config, use_xdp, pool)
        cleanup.push_async_callback(pool.stop)
        cleanup.push_async_exit(publication.withdraw)
        background = Background()
        cleanup.push_async_callback(background.stop)
        background.keep("asking whether the workers are alive", pool.keep_asking)
        if config.server.lease_s:
            renewing = partial(keep_renewing, publication, config.server.lease_s)
            background.keep("renewing the lease of the NIC path", renewing)
        reloader = await asyncio.to_thread(Reloader, file, publication, stage.progress, stage)
        cleanup.callback(stage.end)
        if not await _unless_stopped(reloader.load_all(), stop, reloader.cancel):
            return
        told = _told(stage, reloader, pool, listening, publication, background)
        verbs.serve(told, reloader)
        stage.serve()
        cleanup.push_async_callback(reloader.close)
        beside = Background(background.failures)
        cleanup.push_async_callback(beside.stop)
        cleanup.callback(hangups.ignore)
        _keep_up(reloader, publication, beside)
        await _say_ready(told)
        notify_manager("READY=1")
        hangups.act(reloader.on_signal)
        await stop.wait()
        stage.end()
        notify_manager("STOPPING=1")
        _log.info("stopping")


def _channels(config: Config, verbs: Verbs, stage: Stage) -> tuple[Channel, Channel]:
    """Return the two sockets: one for those who may change something, one for those who may look."""
    server = config.server
    return (
        Channel(config.control_socket, verbs.control, server.operate_group, stage.doing),
        Channel(config.read_socket, verbs.reading, server.read_group, stage.doing),
    )


def _told(
    stage: Stage,
    reloader: Reloader,
    pool: WorkerPool,
    listening: Listening,
    publication: Publication,
    background: Background,
) -> Told:
    """Return where status and stats come from."""
    zones, history, zone_set = reloader.zones, reloader.history, reloader.zone_set
    file = reloader.config_file
    return Told(stage, zones, pool, listening.endpoints, publication, history, background, zone_set, file)


def _keep_up(reloader: Reloader, publication: Publication, background: Background) -> None:
    """Do what a server has to do beside answering."""
    background.keep("looking at the interfaces", partial(keep_looking, publication.interfaces))
    background.keep("saving the store", reloader.keep_saving)
    background.once("keeping what is served", reloader.record)
    background.keep("looking for waste in the store", reloader.compaction.keep_looking)


async def _unless_stopped(work: Any, stop: asyncio.Event, cancel: Callable[[], None]) -> bool:
    """Do the work; return whether it is done rather than given up because the server is to stop."""
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


async def _say_ready(told: Told) -> None:
    status = await told.status()
    assert isinstance(status, dict)
    zones = status["zone_summary"]
    path = ", ".join(f"{one['name']} ({one['mode']})" for one in status["interfaces"]) or "no NIC path"
    where = ", ".join(f"{one['address']} port {one['port']}" for one in status["listening"])
    serving, all_zones = zones["states"].get("serving", 0), zones["configured"]
    _log.info("appliance %s serves %d of %d zones on %s; %s", __version__, serving, all_zones, where, path)
    for one in status["interfaces"]:
        for doubt in filter(None, (one["reason"], one["problem"], *one["remarks"])):
            _log.warning("interface %s (%s): %s", one["name"], one["mode"], doubt)
