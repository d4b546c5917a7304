# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a running server questions, one by one, and see from its counters who answered each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from demo import dig
from demo.network import Pair
from demo.questions import Question
from demo.server import Server


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question over one transport, its reply, and the verdict the program counted for it."""

    title: str
    asked: str
    command: list[str]
    reply: dig.Reply
    verdict: str
    wanted_on_nic_path: bool
    wrong: str

    @property
    def on_nic_path(self) -> bool:
        """Whether the XDP program sent the reply itself."""
        return self.verdict.startswith("answer_")

    @property
    def answered_by(self) -> str:
        return "NIC path" if self.on_nic_path else "userspace" if self.reply.rcode else "nobody"

    @property
    def complaint(self) -> str:
        """What is wrong with the answer or with who gave it; empty if nothing."""
        if self.wrong:
            return self.wrong
        if self.wanted_on_nic_path and not self.on_nic_path:
            return "the NIC path should have answered"
        return ""


def run(pair: Pair, server: Server, questions: list[Question], show: Callable[[Exchange], None]) -> list[Exchange]:
    """Ask every question over UDP, the long ones over TCP too; show each exchange as it happens."""
    exchanges = []
    for question in questions:
        for tcp in (False, True) if question.over_tcp else (False,):
            exchange = _exchange(pair, server, question, tcp)
            show(exchange)
            exchanges.append(exchange)
    return exchanges


def _exchange(pair: Pair, server: Server, question: Question, tcp: bool) -> Exchange:
    command = dig.arguments(pair.server.address4, question, tcp)
    before = server.verdicts()
    reply = dig.ask(pair.client, command)
    after = server.verdicts()
    title = f"{question.title}, again over TCP" if tcp else question.title
    verdict = ", ".join(_counted(before, after, tcp)) or "none"
    return Exchange(
        title, f"{question.qname} {question.qtype}", command, reply, verdict, not tcp, dig.wrong(question, reply, tcp)
    )


def _counted(before: dict[str, int], after: dict[str, int], tcp: bool) -> Iterator[str]:
    """Yield what the program counted meanwhile, apart from the ARP and multicast traffic that any link has."""
    noise = {"pass_not_ip", "pass_not_udp", "pass_other_mac", "pass_ipv6_extension"} | (set() if tcp else {"pass_tcp"})
    return (name for name in after if after[name] > before.get(name, 0) and name not in noise)
