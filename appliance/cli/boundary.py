# SPDX-License-Identifier: GPL-3.0-or-later
"""How every command ends that does not end well: one sentence, an exit status, and JSON where that was asked for."""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import click

from appliance.cli.streams import OutputError, forget_output, prepare
from appliance.errors import ApplianceError

OK: Final = 0
ERROR: Final = 1
UNHEALTHY: Final = 2
NOT_RUNNING: Final = 3
INTERRUPTED: Final = 130

_JOURNAL_ERROR: Final = "<3>"


def print_json(result: Any) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(result, indent=2))


def fail(error: ApplianceError, *, journal: bool = False) -> NoReturn:
    """Print what is wrong, and exit."""
    end(str(error), ERROR, journal=journal)


def not_running(error: ApplianceError, left: Sequence[Mapping[str, Any]] = ()) -> NoReturn:
    """Print that no server runs and what it has left on interfaces, and exit."""
    problems = [str(error), *(f"interface {one['name']}: {one['problem']}" for one in left)]
    told: dict[str, Any] = {"state": "not running", "healthy": False, "problems": problems, "interfaces": [*left]}
    end(str(error), NOT_RUNNING, more=problems[1:], **told)


def end(message: str, status: int, *, journal: bool = False, more: Sequence[str] = (), **told: Any) -> NoReturn:
    """Print a message and `more` to stderr, and as JSON with what else is told where that was asked for, and exit."""
    if "--json" in sys.argv[1:]:
        print_json({"ok": False, "error": message, **told})
    with contextlib.suppress(OSError):
        for line in "\n".join([message, *more]).splitlines():
            click.echo(f"{_JOURNAL_ERROR if journal else ''}appliance: {line}", err=True)
    sys.exit(status)


def run(command: click.Command) -> None:
    """Run the command line; whatever comes out of it, nobody sees a traceback.

    What click itself refuses (unknown options) ends with status 1, as every error does.
    """
    prepare()
    try:
        _run(command)
    except SystemExit as ending:
        _flush(ending)
        raise
    except OutputError as error:
        _lose_output(error)
    _flush()


def _flush(ending: SystemExit | None = None) -> None:
    """Print what is left to be printed, so that nothing of it fails when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OutputError as error:
        _lose_output(error)
    except BrokenPipeError:
        forget_output()
        sys.exit(ending.code if ending is not None and ending.code else ERROR)


def _lose_output(error: OutputError) -> NoReturn:
    forget_output()
    with contextlib.suppress(OSError):
        click.echo(f"appliance: {error}", err=True)
    sys.exit(ERROR)


def _run(command: click.Command) -> None:
    try:
        command.main(prog_name="appliance", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(ERROR)
    except click.ClickException as error:
        if "--json" in sys.argv[1:]:
            print_json({"ok": False, "error": error.format_message()})
        error.show()
        sys.exit(ERROR)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        forget_output()
        sys.exit(ERROR)
    except OutputError:
        raise
    except ApplianceError as error:
        fail(error)
    except Exception as error:  # noqa: BLE001 - the last frame of this program
        from appliance import crash

        end(crash.sentence(error, f"running `{_words()}`"), ERROR)


def _words() -> str:
    """Return which command was given, without its arguments."""
    words = [word for word in sys.argv[1:3] if word.replace("-", "").isalpha() and not word.startswith("-")]
    return " ".join(["appliance", *words[:1]])
