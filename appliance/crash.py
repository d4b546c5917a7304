# SPDX-License-Identifier: GPL-3.0-or-later
"""One boundary for what nobody expected: an exception becomes one sentence, and a report in a file of its own.

A report has types and places, never values: messages of exceptions and local values may hold keys or customers' names.
"""

import contextlib
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from appliance import __version__

if TYPE_CHECKING:
    import asyncio

KEPT: Final = 10
"""Reports that stay; older ones go."""
_FRAMES: Final = 100
_CHAIN: Final = 10
_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700

_log = logging.getLogger(__name__)
_folder: Path | None = None
_count = 0


def keep_reports_in(state_dir: Path) -> None:
    """Write the reports of this process, and of those it forks, below the state folder from now on."""
    global _folder  # noqa: PLW0603 - one process, one folder; what breaks down knows no configuration
    _folder = state_dir / "crash"


def sentence(error: BaseException, doing: str) -> str:
    """Return one sentence about an unexpected exception; write the report that it names, where one can be written."""
    global _count  # noqa: PLW0603 - of this process
    _count += 1
    kind = type(error).__name__
    place = _place(error)
    text = f"internal error while {doing}: {kind}{f' at {place}' if place else ''}; this is a defect of this program"
    report = _write(error, doing)
    return f"{text}, please report it with {report}" if report else f"{text}, please report it"


def known() -> dict[str, Any]:
    """Return the number of unexpected exceptions that this process has met, and where the reports are."""
    return {"count": _count, "folder": str(_folder or "")}


def log(error: BaseException, doing: str) -> None:
    """Log the sentence about an unexpected exception."""
    _log.error("%s", sentence(error, doing))


def catch_the_rest() -> None:
    """Turn exceptions that leave a thread, a callback of the interpreter or the main program into sentences too."""
    threading.excepthook = _in_thread
    sys.unraisablehook = _unraisable
    sys.excepthook = _uncaught


def in_event_loop(loop: "asyncio.AbstractEventLoop", context: dict[str, Any]) -> None:
    """Log an exception that nobody awaits, for the event loop."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        log(error, "running the event loop")
    else:
        _log.error("%s", context.get("message", "the event loop reports an error without saying which"))


def _in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        log(args.exc_value, "running a thread")


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        log(args.exc_value, "cleaning up")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, KeyboardInterrupt):
        print(f"appliance: {sentence(error, 'running')}", file=sys.stderr)


def _place(error: BaseException) -> str:
    """Return file, line and function of the innermost frame of this program, else of the innermost frame."""
    places = list(_places(error.__traceback__))
    ours = [place for place in places if place.startswith("appliance/")]
    return (ours or places or [""])[-1]


def _places(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f"{_short(code.co_filename)}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next


def _short(file: str) -> str:
    """Return a path from the package's folder on, where it is in there."""
    root = str(Path(__file__).parent.parent) + os.sep
    return file.removeprefix(root)


def _text(error: BaseException, doing: str) -> str:
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    system = f"Python {platform.python_version()}, Linux {platform.release()}, {platform.machine()}"
    lines = [f"appliance {__version__}, {system}", f"{now}, process {os.getpid()}, while {doing}"]
    seen: BaseException | None = error
    for _ in range(_CHAIN):
        if seen is None:
            break
        number = f" (errno {seen.errno})" if isinstance(seen, OSError) else ""
        lines += ["", f"{type(seen).__module__}.{type(seen).__qualname__}{number}"]
        places = list(_places(seen.__traceback__))
        if len(places) > _FRAMES:
            places[_FRAMES // 2 : -_FRAMES // 2] = [f"({len(places) - _FRAMES} more)"]
        lines += [f"  {place}" for place in places]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join(lines) + "\n"


def _write(error: BaseException, doing: str) -> Path | None:
    """Write a report; None where there is no folder, no right or no room for it."""
    if _folder is None:
        return None
    path = _folder / f"{time.time_ns():020d}-{os.getpid()}.txt"
    try:
        _folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        text = _text(error, doing).encode()
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        try:
            whole = os.write(file, text) == len(text)
        finally:
            os.close(file)
        if not whole:
            path.unlink()
            return None
        _remove_old(_folder)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            path.unlink()
        return None
    return path


def _remove_old(folder: Path) -> None:
    for old in sorted(folder.glob("*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
