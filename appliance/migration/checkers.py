# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other server's own checker says of its configuration, where it is installed. Its words are not repeated:
they may quote a secret."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

_LIMIT_S: Final = 20.0
_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
_COMMANDS: Final = {
    "nsd": ("nsd-checkconf", "{file}"),
    "named": ("named-checkconf", "{file}"),
    "knot": ("knotc", "-c", "{file}", "conf-check"),
}
_PLACE: Final = re.compile(r"([^\s:'\",()]+):(\d+)|file '([^']+)', line (\d+)")


def checked(program: str, path: Path) -> str:
    """Return a note on what the other server's checker says; empty where there is none."""
    words = _COMMANDS.get(program)
    tool = shutil.which(words[0], path=_PATH) if words else None
    if words is None or tool is None:
        return ""
    command = [tool, *(word.format(file=path.absolute()) if word == "{file}" else word for word in words[1:])]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{words[0]} did not say within {_LIMIT_S:.0f} s whether the file is right: {type(error).__name__}"
    if done.returncode == 0:
        return f"{words[0]} accepts it"
    place = _PLACE.search((done.stderr + done.stdout)[:10_000].decode("utf-8", "replace"))
    where = f" for {place[1] or place[3]}:{place[2] or place[4]}" if place else ""
    return f"{words[0]} refuses it (exit status {done.returncode}){where}: run it to see why"
