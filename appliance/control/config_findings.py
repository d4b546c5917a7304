# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration asks for that this machine does not have: folders, rights, addresses; and what it leaves out.

All of it is a warning: the check may run on another machine than the server.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from appliance.config import places
from appliance.config.schema import Config
from appliance.datapath.interface_names import another_name, name_of
from appliance.errors import Finding

_Found = Iterator[tuple[places.Path, str]]


def examine_machine(config: Config, file: Path) -> list[Finding]:
    """Return what is doubtful about a configuration, which was read from a file, on this machine."""
    lines = places.key_lines(file.read_text(encoding="utf-8"))
    found = [*_zones(config), *_folders(config), *_addresses(config), *_interfaces(config)]
    return [Finding(str(file), lines.get(at, lines.get(at[:1], 0)), "warning", reason) for at, reason in found]


def _zones(config: Config) -> _Found:
    if not config.zone and not config.pattern:
        yield ("zone",), "no zone is configured, so every query is refused: add a [[zone]] or a [[pattern]]"


def _folders(config: Config) -> _Found:
    for key, loss in (("state_dir", "nothing is kept for the next start"), ("run_dir", "the server does not start")):
        folder = Path(getattr(config.server, key))
        if why := _why_not_used(folder):
            yield ("server", key), f"{key} {folder}: {why}; {loss}"


def _why_not_used(folder: Path) -> str:
    """Return why nothing can be written to a folder, which is made where it is missing; nothing where it can."""
    for step in (folder, *folder.parents):
        try:
            status = step.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{step}: {error.strerror}"
        if not stat.S_ISDIR(status.st_mode):
            return f"{step} is a file, not a folder"
        if os.access(step, os.W_OK | os.X_OK, effective_ids=True):
            return ""
        if os.statvfs(step).f_flag & os.ST_RDONLY:
            return f"{step} is on a file system that is read-only"
        return (
            f"{'may not be written' if step == folder else f'is missing, and {step} may not be written'} by this user"
        )
    return ""


def _addresses(config: Config) -> _Found:
    for text in config.listen.addresses:
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((text, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                yield ("listen", "addresses"), f"{text} is no address of this machine: the server does not start"
            elif error.errno == errno.EAFNOSUPPORT:
                yield ("listen", "addresses"), f"{text}: this machine has no {'IPv6' if ':' in text else 'IPv4'}"


def _interfaces(config: Config) -> _Found:
    for number, one in enumerate(config.interface):
        if one.mode == "off" or (known := name_of(one.name)) == one.name:
            continue
        if known:
            yield ("interface", number, "name"), another_name(one.name, known)
        else:
            there = ", ".join(name for _, name in socket.if_nameindex() if name != "lo")
            reason = f"no interface {one.name}; it is served when it appears; there are {there or 'none'}"
            yield ("interface", number, "name"), reason
