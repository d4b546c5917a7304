# SPDX-License-Identifier: GPL-3.0-or-later
"""The same questions through VLAN devices on the cards: tags come back, and a native program is refused hidden ones."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from appliance.datapath import links, offloads
from demo.network import Namespace, Pair
from tests.datapath.devices import inside

_ID: Final = "42"
_LINK_S: Final = 60.0


def _ip(end: Namespace, *arguments: str) -> None:
    subprocess.run(["ip", "-n", end.name, *arguments], check=True, capture_output=True, timeout=60)


@contextmanager
def vlan_devices(pair: Pair) -> Iterator[Pair]:
    """Yield the pair with VLAN devices on both cards, through which it reaches the same service address."""
    addresses = {pair.server.name: "10.42.0.1", pair.client.name: "10.42.0.2"}
    for end in (pair.server, pair.client):
        device = f"{end.device}.{_ID}"
        _ip(end, "link", "add", "link", end.device, "name", device, "type", "vlan", "id", _ID)
        _ip(end, "address", "add", f"{addresses[end.name]}/24", "dev", device)
        _ip(end, "link", "set", device, "up")
    _ip(pair.client, "route", "add", f"{pair.server.address4}/32", "dev", f"{pair.client.device}.{_ID}")
    try:
        yield pair
    finally:
        for end in (pair.server, pair.client):
            _ip(end, "link", "del", f"{end.device}.{_ID}")


def refusal(end: Namespace) -> str:
    """Return why a native program must not run on a card as it is now; empty if it may."""
    with inside(end.name):
        link = links.read(end.device)
        return offloads.judge(link, "native", offloads.features(end.device)).refusal


def switch_tags_off(end: Namespace) -> None:
    """Let the card leave tags in the frame, and wait until its link, which that takes down, is up again."""
    end.run("ethtool", "-K", end.device, "rxvlan", "off")
    deadline = time.monotonic() + _LINK_S
    while not _has_carrier(end):
        assert time.monotonic() < deadline, f"the link of {end.device} does not come up again"
        time.sleep(0.1)


def _has_carrier(end: Namespace) -> bool:
    return "LOWER_UP" in json.loads(end.run("ip", "-j", "link", "show", end.device).stdout)[0]["flags"]
