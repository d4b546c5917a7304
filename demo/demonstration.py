# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration from its arguments to its exit status."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from appliance.errors import ApplianceError
from appliance.zone import names
from appliance.zone.load import load_zone
from appliance.zone.model import Zone
from demo import session
from demo.errors import DemoError
from demo.network import veth_pair
from demo.questions import Question, choose
from demo.server import Server, ZoneFile
from demo.show import Screen

EXAMPLES = Path(__file__).parents[1] / "appliance" / "examples"
_ENOUGH_QUESTIONS = 8
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def zone_files(zone: str, file: str, root: str) -> list[ZoneFile]:
    """Return the zones to serve: the user's own, or the bundled examples; raise DemoError for what cannot be right."""
    if bool(zone) != bool(file):
        raise DemoError("ZONE and FILE go together: make demo ZONE=example.org FILE=path/to/zone")
    if zone:
        wanted = [ZoneFile(zone if zone.endswith(".") else zone + ".", Path(file))]
    else:
        wanted = [ZoneFile(path.stem + ".", path) for path in sorted(EXAMPLES.glob("*.zone")) if path.stem != "root"]
    if root or not zone:
        wanted.append(ZoneFile(".", Path(root) if root else EXAMPLES / "root.zone"))
    for one in wanted:
        if not one.file.is_file():
            raise DemoError(f"there is no zone file {one.file}")
    return wanted


def load(files: list[ZoneFile]) -> list[Zone]:
    """Return the zones; raise DemoError with what is wrong with a bad one."""
    zones = []
    for one in files:
        try:
            zones.append(load_zone(one.file, names.fold(names.from_text(one.name))))
        except ApplianceError as error:
            everything = f"`.venv/bin/appliance check-zone {one.name} {one.file}` shows everything"
            raise DemoError(f"{error}; {everything}") from error
    return zones


def questions_for(zones: list[Zone]) -> list[Question]:
    """Return the questions of all zones, one of each kind first."""
    chosen = [question for zone in zones for question in choose(zone)]
    first: dict[str, Question] = {}
    for question in chosen:
        first.setdefault(question.title, question)
    others = [question for question in chosen if question not in first.values()]
    return [*first.values(), *others][:_ENOUGH_QUESTIONS]


def demonstrate(files: list[ZoneFile], mode: str) -> bool:
    """Run the demonstration; return whether everything was as it should be."""
    screen = Screen()
    questions = questions_for(load(files))
    with tempfile.TemporaryDirectory(prefix="appliance-demo-") as folder, veth_pair(f"demo{os.getpid():x}") as pair:
        screen.step("Two network namespaces, joined by a veth pair; the server loads its XDP program on one end …")
        with Server(pair.server, Path(folder), files, {pair.server.device: mode}) as server:
            screen.step(
                f"The server is ready with {len(files)} zone{'s' * (len(files) > 1)}. Questions from the other end:"
            )
            exchanges = session.run(pair, server, questions, screen.exchange)
            screen.table(exchanges, server.interface_mode(pair.server.device))
    right = not any(exchange.complaint for exchange in exchanges)
    screen.step("Every answer was right." if right else "Something was wrong: see the table.")
    return right


def _interrupt(number: int, frame: FrameType | None) -> None:
    for one in _ENDING:  # nothing may interrupt the cleaning up
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Check the arguments, run, and turn each failure into one line."""
    parser = argparse.ArgumentParser(
        prog="make demo",
        description="Show the real server answering, with zones of yours: ZONE=, FILE= and ROOT= of make.",
    )
    parser.add_argument("--zone", default="", help="name of your zone")
    parser.add_argument("--file", default="", help="its zone file")
    parser.add_argument("--root", default="", help="a root zone file to serve as well")
    parser.add_argument("--mode", default="auto", choices=("auto", "native", "generic"), help="XDP mode")
    arguments = parser.parse_args()
    for number in _ENDING:
        signal.signal(number, _interrupt)
    try:
        files = zone_files(arguments.zone, arguments.file, arguments.root)
        if os.geteuid() != 0:
            raise DemoError("loading an XDP program needs root: sudo make demo")
        return 0 if demonstrate(files, arguments.mode) else 1
    except (DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
    except subprocess.SubprocessError as error:
        stderr = getattr(error, "stderr", None) or ""
        print(f"demo: {error} {stderr}".strip(), file=sys.stderr)
    except KeyboardInterrupt:
        print("demo: interrupted; everything is cleaned up", file=sys.stderr)
        return 130
    return 1
