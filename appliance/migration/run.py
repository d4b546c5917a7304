# SPDX-License-Identifier: GPL-3.0-or-later
"""One import: guess, read, settle, write, let the loader read it, keep; and what is said of it."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from appliance.errors import ConfigError
from appliance.migration import files
from appliance.migration.checkers import checked
from appliance.migration.formats import READERS, guess
from appliance.migration.settle import Settled, settle
from appliance.migration.writer import Written, write


def carry(
    path: Path, program: str = "", output: Path | None = None, public: Collection[str] = (), *, force: bool = False
) -> dict[str, Any]:
    """Import a configuration, into a file or (`output` None) into the result. Raises ConfigError: nothing is kept.

    The result says what came of it, for JSON; no secret is in it.
    """
    if output is not None and os.path.lexists(output) and not force:
        raise ConfigError(f"{output} is there already: give another --output, or --force to replace it")
    known, why = (program, "as --from says") if program else guess(path)
    try:
        old = READERS[known](path)
    except RecursionError:
        raise ConfigError(f"{path}: it is nested too deeply; no configuration needs that") from None
    made = settle(old, public)
    written = write(made)
    notes = [note for note in (checked(known, path),) if note]
    result = _result(made, why, notes)
    if output is None:
        files.check(written)
        notes += _not_kept(written)
        return {**result, "output": None, "configuration": written.text, "secret_files": []}
    secrets = files.keep(written, output, force=force)
    return {**result, "output": str(output), "configuration": None, "secret_files": [str(one) for one in secrets]}


def _not_kept(written: Written) -> list[str]:
    if not written.secrets:
        return []
    return [f"secrets are in no file yet ({', '.join(written.secrets)}): give --output to have them written"]


def _result(made: Settled, why: str, notes: list[str]) -> dict[str, Any]:
    old = made.old
    return {
        "ok": True,
        "program": old.program,
        "recognized": why,
        "file": old.file,
        "zones": len(made.zones),
        "patterns": len(old.patterns),
        "keys": len(made.keys),
        "remotes": len(old.remotes),
        "acls": len(old.acls),
        "left_out": [
            {
                "zone": zone.name,
                "view": zone.view,
                "file": zone.place.file,
                "line": zone.place.line,
                "reason": zone.left_out,
            }
            for zone in made.left_out
        ],
        "not_carried": [
            {"file": one.place.file, "line": one.place.line, "what": one.what, "reason": one.reason}
            for one in sorted(old.not_carried, key=lambda one: (one.place.file, one.place.line))
        ],
        "notes": notes,
    }
