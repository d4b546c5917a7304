# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.kernels.live SERVER:CLIENT:MODE…`: the demonstration's questions between cards cabled two by two.

A mode of native+tags or generic+hidden-tags says what the card does with VLAN tags: the latter takes them out.
"""

import sys
import tempfile
from pathlib import Path

from demo import session
from demo.demonstration import load, questions_for, zone_files
from demo.network import Pair, card_pairs
from demo.server import Server
from demo.show import Screen
from tests.kernels import tagged

HIDDEN = "hidden-tags"
_START_S = 1000.0  # an emulated processor takes its time to compile


def judge(pair: Pair, server: Server, mode: str, how: str = "") -> bool:
    """Ask through one pair of cards; print who answered; return whether all was right and the mode the one wanted."""
    got = server.interface_mode(pair.server.device)
    questions = questions_for(load(zone_files("", "", "")))
    exchanges = session.run(pair, server, questions, lambda _: None)
    Screen().table(exchanges, got)
    wrong = sum(bool(exchange.complaint) for exchange in exchanges)
    print(f"live {pair.server.device} {got}{how}: {len(exchanges)} answers, {wrong} wrong", flush=True)
    return got == mode and exchanges != [] and wrong == 0


def judge_tagged(pair: Pair, server: Server, mode: str, tags: str) -> bool:
    """Do the same through VLAN devices, with tags beside the frame if the card takes them out, and in it."""
    with tagged.vlan_devices(pair):
        refused = tagged.refusal(pair.server)
        server.look_again()  # the program has to know the tags
        right = bool(refused) == (tags == HIDDEN) and judge(pair, server, mode, f" {tags}")
        if refused:
            print(f"refused native: {refused}", flush=True)
            tagged.switch_tags_off(pair.server)
            right = right and not tagged.refusal(pair.server) and judge(pair, server, mode, " tags")
    return right


def main(*arguments: str) -> int:
    """Serve on the server's cards with one server, ask through each of the clients' cards."""
    wanted = [argument.replace("+", ":").split(":") for argument in arguments]
    modes = {server: mode for server, _, mode, _ in wanted}
    with (
        tempfile.TemporaryDirectory() as folder,
        card_pairs("live", *((server, client) for server, client, *_ in wanted)) as pairs,
        Server(pairs[0].server, Path(folder), zone_files("", "", ""), modes, _START_S) as server,
    ):
        right = [
            judge(pair, server, mode) and judge_tagged(pair, server, mode, tags)
            for pair, (_, _, mode, tags) in zip(pairs, wanted, strict=True)
        ]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
