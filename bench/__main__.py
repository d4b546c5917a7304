# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench SUITE`: print and keep the figures of a suite. Exit 0 when all were measured, whatever passed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from appliance.errors import ApplianceError
from bench.figures import Report
from bench.machine import lab
from bench.machine.description import describe
from bench.suites.rounds import DURATION_S
from bench.suites.table import SUITES, Setting
from bench.zones import usual

_INTERRUPTED = 130
_PARTS = frozenset[str]().union(*(suite.parts for suite in SUITES.values()))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("suite", type=click.Choice(list(SUITES)), default="nic")
@click.argument("commit", default="")
@click.option(
    "--root-zone",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Root zone file; default: {usual.ROOT_ZONE_VARIABLE} from the environment, else data/root-*.zone.",
)
@click.option("--duration", "duration_s", default=DURATION_S, show_default=True, help="Seconds of interleaved rounds.")
@click.option(
    "--part", "parts", multiple=True, type=click.Choice(sorted(_PARTS)), help="Measure only this part (repeatable)."
)
def main(suite: str, commit: str, root_zone: Path | None, duration_s: float, parts: tuple[str, ...]) -> None:
    """Measure SUITE on this machine; needs root. COMMIT is what compare and octets compare with."""
    if unknown := set(parts) - SUITES[suite].parts:
        raise click.BadParameter(f"suite {suite} has no part {', '.join(sorted(unknown))}", param_hint="--part")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        report = Report(suite, describe())
        setting = Setting(root_zone, lab.enter(), report.note, duration_s, frozenset(parts), commit)
        for figure in SUITES[suite].measure(setting):
            report.add(figure)
        if SUITES[suite].kept:
            print(f"# written to {report.save()}")
    except ApplianceError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("bench: interrupted; nothing is left behind", file=sys.stderr)
        sys.exit(_INTERRUPTED)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Interrupt once; what is being put in order then must not be interrupted again."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
