# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration asks for that this machine does not have: folders, rights, addresses; and what it leaves out.

All of it is a warning: the check may run on another machine than the server.
"""

import base64
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from appliance.access import why_not_read
from appliance.config import places
from appliance.config.files import Merged, read_parts
from appliance.config.schema import Config
from appliance.datapath.interface_names import another_name, name_of
from appliance.errors import Finding

_SECRET_OCTETS: Final = 4096
_Found = Iterator[tuple[places.Path, str]]


def examine_machine(config: Config, file: Path) -> list[Finding]:
    """Return what is doubtful about a configuration, which was read from a file, on this machine."""
    whole = Merged(read_parts(file))
    found = [*_zones(config), *_folders(config), *_addresses(config), *_interfaces(config)]
    found += [*_secrets(config), *_not_used(config)]
    return [Finding(*whole.place(at), "warning", reason) for at, reason in found]


def _zones(config: Config) -> _Found:
    if not config.zone and not config.populated:
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


def _secrets(config: Config) -> _Found:
    """Yield what is wrong with the files of secrets; what is in them is never told."""
    for index, key in enumerate(config.key):
        path = Path(key.secret_file)
        for reason in _doubts_about_secret(path):
            yield ("key", index, "secret_file"), f"secret_file {path}{reason}"


def _doubts_about_secret(path: Path) -> Iterator[str]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _SECRET_OCTETS:
            yield f" is no file of at most {_SECRET_OCTETS} octets"
            return
        octets = path.read_bytes()
    except (OSError, ValueError) as error:
        yield f": {why_not_read(path, error)}"
        return
    if status.st_uid not in (0, os.geteuid()):
        yield f" belongs to user {status.st_uid}, who can change it: `chown {os.geteuid()} {path}`"
    if status.st_mode & 0o027:
        yield f" can be read or written by others: `chmod 0640 {path}`"
    try:
        found = base64.b64decode(octets.strip(), validate=True)
    except ValueError:
        found = b""
    if not found:
        yield " does not hold a secret in base64, and nothing else"


_UNUSED: Final = ("primaries", "notify", "allow_transfer", "allow_notify")


def _not_used(config: Config) -> _Found:
    """Yield what is checked already, and that this version does not act on."""
    patterns = {one.name: one for one in config.pattern if one.name}
    for table in ("pattern", "zone"):
        for index, user in enumerate(getattr(config, table)):
            above = patterns.get(user.pattern) if table == "zone" else None
            for key in _UNUSED:
                # What a zone has from its pattern is told there, once for all of its zones.
                if getattr(user, key) and getattr(user, key) != getattr(above, key, None):
                    yield (table, index, key), f"{key}: this version makes no transfers; zones come from files alone"


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
