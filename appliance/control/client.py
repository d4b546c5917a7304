# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's end of the control socket: one JSON line out, one back."""

import json
import socket
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError

ANSWER_TIMEOUT_S = 600.0
"""A reload answers when the zone is compiled."""


class NotRunningError(ApplianceError):
    """Nobody listens on the control socket."""


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
        except OSError as error:
            raise ApplianceError(f"the server on {path} does not answer: {error}") from error
    if not answer.endswith(b"\n"):
        raise ApplianceError(f"the server on {path} closed the connection without an answer")
    decoded = json.loads(answer)
    if not decoded["ok"]:
        raise ApplianceError(decoded["error"])
    return decoded["result"]
