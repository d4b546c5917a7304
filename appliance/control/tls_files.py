# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates of the control channel over TLS: where they lie, who may read them, what is made of them."""

import os
import ssl
import stat
from pathlib import Path
from typing import Final

from appliance.access import why_not_read
from appliance.errors import StateError

CA: Final = "ca.pem"
CA_KEY: Final = "ca.key"
SERVER: Final = "server.pem"
SERVER_KEY: Final = "server.key"
CLIENTS: Final = "clients"
SETUP: Final = "`appliance control-setup` makes what is missing"


def check_key(path: Path) -> None:
    """Raise StateError for a key that others than its owner, who is this user or root, may read or write."""
    try:
        status = path.stat()
    except OSError as error:
        raise StateError(f"key {path}: {why_not_read(path, error)}; {SETUP}") from error
    if not stat.S_ISREG(status.st_mode):
        raise StateError(f"key {path} is no file")
    if status.st_uid not in (os.geteuid(), 0):
        raise StateError(f"key {path} belongs to user {status.st_uid}: `chown {os.geteuid()} {path}`")
    if status.st_mode & 0o037:
        raise StateError(f"key {path} can be read or written by others: `chmod 0600 {path}`")


def server_context(folder: Path) -> ssl.SSLContext:
    """Return what a server needs for TLS 1.3 with clients of its own authority only. Raises StateError."""
    return _context(ssl.PROTOCOL_TLS_SERVER, folder / CA, folder / SERVER, folder / SERVER_KEY)


def client_context(certificate: Path) -> ssl.SSLContext:
    """Return what a client needs, whose key lies beside its certificate, with the authority there or one folder up.

    Raises StateError.
    """
    folders = [folder for folder in (certificate.parent, certificate.parent.parent) if (folder / CA).exists()]
    authority = (folders[0] if folders else certificate.parent) / CA
    return _context(ssl.PROTOCOL_TLS_CLIENT, authority, certificate, certificate.with_suffix(".key"))


def _context(side: int, authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.check_hostname = False  # the authority signs one server
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if side == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    check_key(key)
    for path in (authority, certificate):
        try:
            path.read_bytes()
        except OSError as error:
            raise StateError(f"certificate {path}: {why_not_read(path, error)}; {SETUP}") from error
    try:
        context.load_verify_locations(authority)
    except (OSError, ValueError) as error:
        raise StateError(f"certificate {authority}: {_reason(error)}") from error
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # nobody is there to be asked
    except (OSError, ValueError) as error:
        raise StateError(f"certificate {certificate} with key {key}: {_reason(error)}") from error
    return context


def _reason(error: Exception) -> str:
    """Return why OpenSSL does not take something; it never says what is in it."""
    reason = getattr(error, "reason", None) or "it cannot be read"
    return f"{reason.lower().replace('_', ' ')}: move it away, and {SETUP}"


def stamp(folder: Path) -> tuple[tuple[int, ...], ...]:
    """Return what changes when one of the server's files is replaced."""
    return tuple(_stamp(folder / name) for name in (CA, SERVER, SERVER_KEY))


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid
