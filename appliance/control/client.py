# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's end of the control socket: one JSON line out, one back."""

import contextlib
import json
import os
import select
import socket
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError

ANSWER_TIMEOUT_S = 600.0
"""A reload answers when the zone is compiled."""

STOP_TIMEOUT_S = 60.0


class NotRunningError(ApplianceError):
    """Nobody listens on the control socket, or nobody does any more."""


def ask(path: Path, verb: str, **arguments: str) -> Any:
    """Return the server's result. Raises NotRunningError, or ApplianceError with what the server or the kernel says."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as line:
        line.settimeout(ANSWER_TIMEOUT_S)
        try:
            line.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunningError(f"no server listens on {path}; start it with `appliance serve`") from None
        except OSError as error:
            raise ApplianceError(f"cannot reach the server on {path}: {error.strerror}") from error
        try:
            line.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer = answers.readline()
        except (ConnectionResetError, BrokenPipeError):  # as when a child of a killed server had the socket longer
            raise NotRunningError(f"the server on {path} ended before it answered; its log may say why") from None
        except OSError as error:
            raise ApplianceError(f"the server on {path} does not answer: {error}") from error
    if not answer.endswith(b"\n"):
        raise ApplianceError(f"the server on {path} closed the connection without an answer")
    decoded = json.loads(answer)
    if not decoded["ok"]:
        raise ApplianceError(decoded["error"])
    return decoded["result"]


def stop(path: Path) -> Any:
    """Tell the server to stop and return its answer when its process has ended. Raises as ask does."""
    result = ask(path, "stop")
    with contextlib.suppress(ProcessLookupError):
        ended = os.pidfd_open(result["pid"])
        try:
            if not select.select([ended], [], [], STOP_TIMEOUT_S)[0]:
                raise ApplianceError(f"process {result['pid']} has not ended within {STOP_TIMEOUT_S:.0f} s")
        finally:
            os.close(ended)
    return result
