# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of events of `appliance serve`: configuration, sockets, zones, store, workers, NIC path, control, stop.

Each step registers how it is undone; a step that fails undoes all before it, in reverse.
"""

import asyncio
import logging
import os
import resource
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from appliance import __version__, crash
from appliance.control.apply import Apply
from appliance.control.background import Background
from appliance.control.channel import Channel
from appliance.control.config_file import ConfigFile
from appliance.control.config_findings import examine_machine
from appliance.control.drain import Drain
from appliance.control.lock import RunLock, lock_state
from appliance.control.log import start_logging
from appliance.control.reload import Reloader
from appliance.control.rewiring import Rewiring
from appliance.control.service_manager import notify_manager
from appliance.control.signals import Signals
from appliance.control.stage import Stage
from appliance.control.start import Start
from appliance.control.status import Told
from appliance.control.tls_channel import TlsChannel
from appliance.control.turns import Turns
from appliance.control.update import Update
from appliance.control.verb_table import OPERATING
from appliance.control.verbs import Verbs
from appliance.control.zone_verbs import ZoneVerbs
from appliance.publish.lease import keep_renewing
from appliance.publish.nic_path import keep_looking
from appliance.publish.progress import Progress
from appliance.publish.publication import Publication
from appliance.publish.workers import WorkerPool
from appliance.served.memory import use_one_arena
from appliance.served.zone_set import place_and_reason
from appliance.server.sockets import Listening, open_sockets
from appliance.wording import counted

_log = logging.getLogger(__name__)


def run(config_file: Path, use_xdp: bool) -> NoReturn:
    """Serve until told to stop, and end the process then. Raises ApplianceError when the server cannot start."""
    start_logging()
    use_one_arena()
    file = ConfigFile(config_file)
    for finding in examine_machine(file.config, config_file):
        _log.warning("%s", place_and_reason(finding))
    crash.keep_reports_in(Path(file.config.server.state_dir))
    crash.catch_the_rest()
    _allow_open_files()
    asyncio.run(_serve(file, use_xdp))
    _leave()


def _allow_open_files() -> None:
    """Raise the soft limit of descriptors, which is low for old programs only, to the hard one: clients are many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(file: ConfigFile, use_xdp: bool) -> None:
    config = file.config
    asyncio.get_running_loop().set_exception_handler(crash.in_event_loop)
    stop = asyncio.Event()
    signals = Signals(stop)
    async with AsyncExitStack() as cleanup:
        cleanup.callback(signals.end)
        lock = RunLock(Path(config.server.run_dir))
        cleanup.callback(lock.close)
        if (state := lock_state(Path(config.server.state_dir))) is not None:
            cleanup.callback(state.close)
        unfinished = await _serve_alone(file, use_xdp, stop, signals)
        if unfinished is not None:
            # Its threads write nothing that a killed server may not leave. The locks go with them.
            unfinished.sweep_up()
            _leave()


async def _serve_alone(file: ConfigFile, use_xdp: bool, stop: asyncio.Event, signals: Signals) -> Start | None:
    """Serve with the locks held; return a start that was given up, whose threads may still be at work."""
    config = file.config
    async with AsyncExitStack() as cleanup:
        listening = open_sockets(config.listen.addresses, config.listen.port, config.listen.tcp_workers)
        cleanup.callback(listening.close)
        pool = WorkerPool(config, listening)
        stage = Stage(Progress(), lambda: pool.alive > 0)
        stage.drain = Drain(Path(config.server.state_dir), Path(config.server.run_dir))
        verbs = Verbs(stage, pool, listening.endpoints, stop)
        channels = _channels(file, verbs, stage)
        for channel in channels:
            await channel.open()
            cleanup.push_async_callback(channel.close)
        publication = Publication(config, use_xdp, pool)
        cleanup.push_async_callback(pool.stop)
        cleanup.push_async_exit(publication.withdraw)
        background = Background()
        cleanup.push_async_callback(background.stop)
        background.keep("asking whether the workers are alive", pool.keep_asking)
        for channel in channels:
            background.keep(f"listening on {channel.path.name}", channel.keep_listening)
        background.keep("renewing the lease of the NIC path", partial(keep_renewing, publication))
        cleanup.callback(stage.end)
        start = Start(config, publication, stage.progress)
        if not await _unless_stopped(start.load(), stop) or start.update is None:
            notify_manager("STOPPING=1")
            _log.info("stopping before the start is done")
            return start
        update = start.update
        reloader = Reloader(file, update, stage)
        told = _told(stage, update, file, pool, listening, background)
        applying = Apply(update, reloader, Rewiring(pool, listening, publication))
        zones = ZoneVerbs(update, reloader)
        verbs.serve(told, reloader, applying, zones)
        stage.serve()
        cleanup.push_async_callback(update.close)
        beside = Background(background.failures)
        cleanup.push_async_callback(beside.stop)
        cleanup.callback(signals.forget_hangups)
        _keep_up(update, zones, beside)
        await _say_ready(told)
        notify_manager("READY=1")
        signals.on_hangup(applying.on_signal)
        await stop.wait()
        stage.end()
        notify_manager("STOPPING=1")
        _log.info("stopping")
        return None


def _leave() -> NoReturn:
    """End the process without the interpreter's own end, which waits for threads and gives signals their defaults."""
    logging.shutdown()
    os._exit(0)


def _channels(file: ConfigFile, verbs: Verbs, stage: Stage) -> tuple[Channel, Channel, Channel]:
    """Return the two sockets, one for those who may change something, one for those who may look; and that with TLS."""
    config, server = file.config, file.config.server
    roles = {"read": verbs.reading, "operate": verbs.control}
    tls = TlsChannel(lambda: file.config, roles, stage.doing, OPERATING)
    stage.channel_problem = lambda: tls.problem
    stage.open_channel = tls.open
    return (
        Channel(config.control_socket, verbs.control, server.operate_group, stage.doing, operating=OPERATING),
        Channel(config.read_socket, verbs.reading, server.read_group, stage.doing, Turns(), OPERATING),
        tls,
    )


def _told(
    stage: Stage,
    update: Update,
    file: ConfigFile,
    pool: WorkerPool,
    listening: Listening,
    background: Background,
) -> Told:
    """Return where status and stats come from."""
    zones, history, zone_set = update.zones, update.history, update.zone_set
    return Told(stage, zones, pool, listening.endpoints, update.publication, history, background, zone_set, file)


def _keep_up(update: Update, zones: ZoneVerbs, background: Background) -> None:
    """Start the work that a server does beside answering."""
    background.keep("looking at the interfaces", partial(keep_looking, update.publication.interfaces))
    background.keep("saving the store", update.keep_saving)
    background.once("keeping what is served", update.record)
    background.once("writing the list of added zones", update.write_list)
    background.keep("keeping what was added", update.keep_added)
    background.keep("writing zone files", zones.writing.keep_writing)
    background.keep("looking for waste in the store", update.compaction.keep_looking)


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do the work; return whether it was done, False where it was given up because the server is to stop."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if stop.is_set():
        task.cancel()
        await asyncio.wait((task,))
        _ = task.cancelled() or task.exception()  # which is of no interest any more
        return False
    await task
    return True


async def _say_ready(told: Told) -> None:
    status = await told.status()
    assert isinstance(status, dict)
    zones = status["zone_summary"]
    path = ", ".join(f"{one['name']} ({one['mode']})" for one in status["interfaces"]) or "no NIC path"
    where = ", ".join(f"{one['address']} port {one['port']}" for one in status["listening"])
    serving, all_zones = zones["states"].get("serving", 0), zones["configured"]
    _log.info("appliance %s serves %d of %s on %s; %s", __version__, serving, counted(all_zones, "zone"), where, path)
    for one in status["interfaces"]:
        for doubt in filter(None, (one["reason"], one["problem"], *one["remarks"])):
            _log.warning("interface %s (%s): %s", one["name"], one["mode"], doubt)
