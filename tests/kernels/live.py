# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.kernels.live SERVER_CARD CLIENT_CARD MODE`: the demonstration's questions between two cards."""

import sys
import tempfile
from pathlib import Path

from demo import session
from demo.__main__ import load, questions_for, zone_files
from demo.network import card_pair
from demo.server import Server
from demo.show import Screen


def main(server_card: str, client_card: str, mode: str) -> int:
    """Serve on one card, ask from the other, judge every answer; the mode must be the one wanted."""
    files = zone_files("", "", "")
    questions = questions_for(load(files))
    screen = Screen()
    with (
        tempfile.TemporaryDirectory() as folder,
        card_pair("live", server_card, client_card) as pair,
        Server(pair.server, Path(folder), files, mode) as server,
    ):
        got = server.interface_mode()
        exchanges = session.run(pair, server, questions, lambda _: None)
        screen.table(exchanges, got)
    complaints = [exchange.complaint for exchange in exchanges if exchange.complaint]
    if got != mode:
        complaints.append(f"mode {got} instead of {mode}")
    print(f"live {server_card} {mode}: {len(exchanges)} answers, {len(complaints)} wrong")
    return 1 if complaints or not exchanges else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
