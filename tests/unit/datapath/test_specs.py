# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses of an interface are answered at: none that the server has no socket for."""

import pytest

from appliance.datapath.specs import InterfaceSpec

pytestmark = pytest.mark.unit

OWN = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "fe80::1")


@pytest.mark.parametrize(
    ("listening", "answered"),
    [
        ((), OWN),
        (("0.0.0.0", "::"), OWN),
        (("0.0.0.0",), OWN[:2]),
        (("::",), OWN[2:]),
        (("192.0.2.2", "2001:DB8:0::1"), ("192.0.2.2", "2001:db8::1")),
        (("127.0.0.1",), ()),
    ],
)
def test_what_is_listened_on(listening: tuple[str, ...], answered: tuple[str, ...]) -> None:
    assert InterfaceSpec("eth0", listening=listening).answered(OWN) == [*answered]


def test_what_was_asked_for() -> None:
    assert InterfaceSpec("eth0", addresses=("192.0.2.9",)).answered(OWN) == ["192.0.2.9"]
