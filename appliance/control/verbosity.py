# SPDX-License-Identifier: GPL-3.0-or-later
"""How much the running server logs: asked for and set by operators, until it ends."""

import logging
from typing import Final

from appliance.errors import ApplianceError

LEVELS: Final = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
"""The levels from the one that logs least on; their numbers from 0 on are names of them too."""

_log = logging.getLogger(__name__)


def level() -> str:
    """Return the name of the level that counts."""
    now = logging.getLogger("appliance").getEffectiveLevel()
    return next((name for name, value in LEVELS.items() if value == now), logging.getLevelName(now).lower())


def set_level(wanted: str) -> None:
    """Log from a level on, named or numbered, until the server ends. Raises ApplianceError for another word."""
    names = list(LEVELS)
    name = names[int(wanted)] if wanted in map(str, range(len(names))) else wanted.lower()
    if name not in LEVELS:
        numbered = ", ".join(f"{number} or {one}" for number, one in enumerate(names))
        raise ApplianceError(f"there is no level {wanted!r}; known are {numbered}")
    _log.warning("the log is for %s from now on", _from(name))
    logging.getLogger("appliance").setLevel(LEVELS[name])
    logging.getLogger().setLevel(max(LEVELS[name], logging.INFO))  # libraries have nothing to say to operators


def _from(name: str) -> str:
    return f"level {name}" if name == "error" else f"level {name} and above"
