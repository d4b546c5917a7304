# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that read standard input: a result for each line as it comes, a report of what was done at the end."""

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from appliance.cli.boundary import ERROR, INTERRUPTED, OK
from appliance.cli.call import Shown, reached, told
from appliance.control.verb_table import Row
from appliance.errors import ApplianceError
from appliance.wording import counted, without_zone


def feed(row: Row, config: Path, timeout: float, arguments: dict[str, Any], *, as_json: bool) -> NoReturn:
    """Send standard input as the data of a verb, print what comes of each line and the report, and exit.

    The exit status is 0 where every line was done, 130 where Ctrl-C has ended it, else 1.
    """
    from appliance.cli import feed as sending

    shown = Shown()
    typed = sys.stdin is not None and sys.stdin.isatty()
    results = Results(as_json)

    def show(told: list[dict[str, Any]]) -> bool:
        shown.clear()
        return results.show(told)

    def say(note: str) -> None:
        if not typed:  # else the server waits for who types, in whose line the note would stand
            shown.show(note)

    def call() -> Any:
        if typed:
            click.echo("appliance: reading lines from the terminal; Ctrl-D ends them", err=True)
        try:
            path = reached(config).control_socket
            return sending.feed(path, row.name, 0, show, limit_s=timeout, say=say, **arguments)
        finally:
            shown.clear()

    report = told(call, config)
    if results.lost:
        click.echo(f"appliance: standard output cannot be written: {results.lost}; {in_words(report)}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what it still holds
        sys.exit(ERROR)
    click.echo(json.dumps(report) if as_json else in_words(report))
    sys.exit(INTERRUPTED if report["ended"] == "stopped" else OK if report["ok"] else ERROR)


class Results:
    """Prints the results of lines as they come: as JSON a line each; in words, with what failed on standard error."""

    lost = ""
    """Why standard output takes no more."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, results: list[dict[str, Any]]) -> bool:
        """Print some results; return whether more can be printed."""
        try:
            self._print(results)
            sys.stdout.flush()
        except (OSError, ApplianceError) as error:
            self.lost = getattr(error, "strerror", None) or str(error).removeprefix("standard output: ")
        return not self.lost

    def _print(self, results: list[dict[str, Any]]) -> None:
        if self._as_json:
            click.echo("".join(json.dumps(one) + "\n" for one in results), nl=False)
            return
        said = [(f"{one['zone']}: {without_zone(one['zone'], one['outcome'])}\n", one["ok"]) for one in results]
        click.echo("".join(text for text, ok in said if not ok), nl=False, err=True)
        click.echo("".join(text for text, ok in said if ok), nl=False)


def show_bulk(report: dict[str, Any]) -> None:
    """Print the report of a bulk verb."""
    print(in_words(report))


def in_words(report: dict[str, Any]) -> str:
    """Return the report of a bulk verb in words."""
    failed = f", {report['failed']} failed" if report["failed"] else ""
    if passed_over := report["lines"] - report["done"] - report["failed"]:
        failed += f", {passed_over} blank or a comment"
    if report.get("unserved"):
        failed += (
            f"; of those done {report['unserved']} cannot be served (SERVFAIL), `appliance zone status --bad` says why"
        )
    why = {"whole": "", "stopped": "; stopped: the lines after these were not taken"}
    ended = why.get(report["ended"], f"; it ended before the last line: {report['ended']}")
    return f"{counted(report['lines'], 'line')}: {report['done']} done{failed}{ended}"
