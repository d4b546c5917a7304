# SPDX-License-Identifier: GPL-3.0-or-later
"""Other addresses to listen on: what is bound before and after, and who may bind beside it."""

import socket
from collections.abc import Iterator

import pytest

from appliance.server.rebinding import left, rebound
from appliance.server.sockets import ListenError, Listening, open_sockets

pytestmark = pytest.mark.unit

ANY, ONE, OTHER = "0.0.0.0", "127.0.0.1", "127.0.0.2"


@pytest.fixture
def before() -> Iterator[Listening]:
    listening = open_sockets([ONE], 0, 1)
    yield listening
    listening.close()


def bind_beside(address: str, port: int, kind: socket.SocketKind) -> None:
    """Bind as another server does; for UDP as one that wants a share of the port (docs/gaps.md has TCP)."""
    with socket.socket(socket.AF_INET, kind) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, kind == socket.SOCK_DGRAM)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
        line.bind((address, port))


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
@pytest.mark.parametrize("addresses", [[ONE, OTHER], [ANY], [OTHER]])
def test_another_server_is_noticed_after_a_change(
    before: Listening, addresses: list[str], kind: socket.SocketKind
) -> None:
    """A program that is bound beside ours would get a part of the queries."""
    port = before.endpoints[0][1]
    after = rebound(before, addresses, 0, 2)
    try:
        for address in {ONE, *addresses}:
            with pytest.raises(OSError, match="Address already in use"):
                bind_beside(address, port, kind)
    finally:
        after.close()


def test_what_stays_is_the_same_socket(before: Listening) -> None:
    after = rebound(before, [OTHER, ONE], 0, 3)
    try:
        assert left(before, after) == []
        assert len(after.workers) == 3
        assert [one for one, _ in after.endpoints] == [OTHER, ONE]
        gone = left(after, rebound(after, [ONE], 0, 1))
        assert {one.getsockname()[0] for one in gone} == {OTHER}
    finally:
        after.close()


def test_an_address_that_is_taken_leaves_all_as_it_was(before: Listening) -> None:
    port = before.endpoints[0][1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((OTHER, port))
        with pytest.raises(ListenError, match=OTHER):
            rebound(before, [ONE, OTHER], 0, 1)
    assert all(one.fileno() >= 0 for one in before.sockets())
    with pytest.raises(OSError, match="Address already in use"):
        bind_beside(ONE, port, socket.SOCK_DGRAM)
    bind_beside(OTHER, port, socket.SOCK_STREAM)  # the one that was bound before the failure is closed
