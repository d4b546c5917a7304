# SPDX-License-Identifier: GPL-3.0-or-later
"""Every field of a query, value by value: all of them on request, edges and every 61st in an ordinary run."""

import pytest

from tests.datapath.lab import Lab
from tests.datapath.packets import Frame
from tests.fuzz import fields
from tests.fuzz.kernel_log import KernelLog, complaints
from tests.fuzz.trial import Trial

pytestmark = [pytest.mark.fuzz, pytest.mark.datapath]

FAMILIES = pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])


def _sweep(lab: Lab, make: fields.Maker, size: int, *, ipv6: bool, all_of_them: bool) -> int:
    trial = Trial(lab)
    with KernelLog() as log:
        count = trial.all(make(value, ipv6).octets() for value in fields.values(size, all_of_them=all_of_them))
    trial.finish()
    assert not complaints(log.lines)
    return count


@FAMILIES
@pytest.mark.parametrize("field", fields.WORDS)
def test_word(lab: Lab, field: str, ipv6: bool) -> None:
    """A field of two octets, in steps."""
    assert _sweep(lab, fields.WORDS[field], fields.WORD, ipv6=ipv6, all_of_them=False) > 1000


@pytest.mark.parametrize("field", fields.WORDS_IPV4)
def test_word_of_ipv4(lab: Lab, field: str) -> None:
    """A field of two octets that only IPv4 has; the fragment field entirely."""
    assert _sweep(lab, fields.WORDS_IPV4[field], fields.WORD, ipv6=False, all_of_them=field == "fragment") > 1000


@FAMILIES
@pytest.mark.parametrize("field", fields.OCTETS)
def test_octet(lab: Lab, field: str, ipv6: bool) -> None:
    """A field of one octet, entirely."""
    assert _sweep(lab, fields.OCTETS[field], fields.OCTET, ipv6=ipv6, all_of_them=True) == fields.OCTET


@FAMILIES
def test_odd_messages(lab: Lab, ipv6: bool) -> None:
    """Names at and beyond the limits, OPT in number, other records, octets behind the end, pointers."""
    trial = Trial(lab)
    count = trial.all(Frame(message, ipv6=ipv6).octets() for message in fields.odd_messages())
    trial.finish()
    assert count > 7000


@pytest.mark.soak
@FAMILIES
@pytest.mark.parametrize("field", [*fields.WORDS, *fields.WORDS_IPV4])
@pytest.mark.timeout(0)
def test_all_words(lab: Lab, field: str, ipv6: bool) -> None:
    """A field of two octets, entirely."""
    make = (fields.WORDS | fields.WORDS_IPV4)[field]
    assert _sweep(lab, make, fields.WORD, ipv6=ipv6, all_of_them=True) == fields.WORD
