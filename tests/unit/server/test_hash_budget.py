# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashing of many NSEC3 iterations is compiled, and costs no more than its budgets allow."""

from dataclasses import dataclass

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.server.counters import Counters
from appliance.server.hash_budget import HashBudget, OverBudgetError
from appliance.server.networks import client_prefix
from appliance.server.respond import Settings
from appliance.server.responder import Responder
from appliance.zone import names, nsec3, nsec3_hash
from tests.stores.asking import store_of
from tests.stores.models import model_of
from tests.stores.signing import signed

pytestmark = pytest.mark.unit

COSTLY = (150, b"salt")
ZONE = "$TTL 60\n@ SOA ns1 hostmaster 1 7200 900 1209600 30\n@ NS ns1\nns1 A 192.0.2.1\n"
HERE, THERE = "192.0.2.1", "203.0.113.1"


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.binary(max_size=254).map(bytes.lower), st.integers(0, 40), st.binary(max_size=255))
def test_hashes_are_those_of_hashlib(name: bytes, iterations: int, salt: bytes) -> None:
    assert nsec3_hash.digest(name, (iterations, salt)) == nsec3.digest(name, iterations, salt)


def test_a_hash_costs_its_blocks() -> None:
    assert nsec3_hash.cost((150, b"")) == 150
    assert nsec3_hash.cost((150, bytes(35))) == 150  # 20 + 35 octets and the padding fill a block
    assert nsec3_hash.cost((150, bytes(36))) == 300


def hashes(budget: HashBudget, most: int = 1000) -> int:
    """Return how many hashes the budget pays for."""
    for number in range(most):
        try:
            budget.spend(COSTLY)
        except OverBudgetError:
            return number
    return most


def test_a_network_spends_its_own_budget_only() -> None:
    clock = Clock()
    budget = HashBudget(1_000_000, 30_000, clock)
    budget.serve("udp", HERE)
    assert hashes(budget) == 100  # half of the budget is TCP's
    budget.serve("udp", THERE)
    assert hashes(budget) == 100
    budget.serve("tcp", HERE)
    assert hashes(budget) == 100
    clock.now = 0.5
    assert hashes(budget) == 50
    clock.now = 1000.0
    assert hashes(budget) == 100  # nothing is saved up for longer than a second


def test_all_networks_together_have_a_budget() -> None:
    budget = HashBudget(30_000, 0, Clock())
    paid = 0
    for number in range(1000):
        budget.serve("udp", number.to_bytes(3))
        paid += hashes(budget, 1)
    assert paid == 100


def test_networks_without_number_are_forgotten() -> None:
    budget = HashBudget(0, 300, Clock())
    for number in range(20_000):
        budget.serve("udp", number.to_bytes(3))
        budget.spend(COSTLY)
    assert len(budget._purses["udp"]._networks) == 4096


def test_what_the_nic_path_computes_is_free() -> None:
    budget = HashBudget(1, 1, Clock())
    for _ in range(1000):
        budget.spend((10, b"salt"))
    HashBudget().spend((2500, bytes(255)))


def test_over_its_budget_a_client_is_sent_to_tcp_and_then_gets_servfail() -> None:
    """Never an answer without its proof, which would be bogus; and others are served."""
    store = store_of([signed(model_of(ZONE, "example."), nsec3=True, iterations=COSTLY[0], salt=COSTLY[1])])
    row = Counters(1).row(0)
    responder = Responder(store, Settings(), row, HashBudget(1_000_000, 600, Clock()))
    wire = dns.message.make_query("none.example.", "A", want_dnssec=True).to_wire()

    def ask(tcp: bool = False, address: str = HERE) -> dns.message.Message:
        reply = responder.answer_tcp(wire, client_prefix(address)) if tcp else responder.answer_udp(wire, 5353, address)
        assert reply is not None
        return dns.message.from_wire(reply)

    for _ in range(2):
        assert ask().rcode() == dns.rcode.NXDOMAIN
    over = ask()
    assert over.rcode() == dns.rcode.NOERROR
    assert over.flags & dns.flags.TC
    assert over.flags & dns.flags.QR
    assert not over.answer + over.authority
    assert over.edns == 0
    assert ask(address=THERE).rcode() == dns.rcode.NXDOMAIN
    for _ in range(2):
        assert ask(tcp=True).rcode() == dns.rcode.NXDOMAIN
    assert ask(tcp=True).rcode() == dns.rcode.SERVFAIL
    plain = dns.message.make_query("none.example.", "A").to_wire()
    unsigned = responder.answer_udp(plain, 5353, HERE)
    assert unsigned is not None
    assert dns.message.from_wire(unsigned).rcode() == dns.rcode.NXDOMAIN  # without DO nothing is hashed
    assert (row.value("nsec3_truncated"), row.value("nsec3_servfail")) == (1, 1)


def test_names_are_folded() -> None:
    assert nsec3_hash.digest(names.from_text("WWW.Example."), COSTLY) == nsec3.digest(b"\3www\7example\0", *COSTLY)
