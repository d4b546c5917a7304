# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask with dig and read what it prints."""

import re
import subprocess
from dataclasses import dataclass, field

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from demo.network import Namespace
from demo.questions import Question

_STATUS = re.compile(r"status: (\w+), id")
_FLAGS = re.compile(r"^;; flags: ([a-z ]*);", re.MULTILINE)
_SECTION = re.compile(r"^;; (\w+) SECTION:\n((?:(?!;).+\n)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; rcode is empty when nothing did."""

    text: str
    rcode: str = ""
    flags: frozenset[str] = frozenset()
    sections: dict[str, list[tuple[str, dns.rdata.Rdata]]] = field(default_factory=dict)

    def rdatas(self, section: str, rtype: str) -> set[dns.rdata.Rdata]:
        """Return the RDATAs of a type in a section."""
        return {rdata for found, rdata in self.sections.get(section, []) if found == rtype}


def arguments(server: str, question: Question, tcp: bool) -> list[str]:
    """Return the dig command for a question: plain DNS without EDNS, one try, no silent retry over TCP."""
    name = ["-q", question.qname] if question.qname[0] in "-+@" else [question.qname]
    how = "+tcp" if tcp else "+ignore"
    return ["dig", f"@{server}", *name, question.qtype, "+norecurse", "+noedns", "+tries=1", "+time=3", how]


def ask(client: Namespace, command: list[str]) -> Reply:
    """Run the command in the client's network and return the parsed reply."""
    try:
        done = client.run(*command, "+nocookie", check=False, timeout_s=15)
    except subprocess.TimeoutExpired:
        return Reply("dig did not end")
    return parse(done.stdout)


def parse(text: str) -> Reply:
    """Read dig's presentation of a reply."""
    status = _STATUS.search(text)
    flags = _FLAGS.search(text)
    if status is None or flags is None:
        return Reply(text)
    sections = {
        match.group(1): [_record(line) for line in match.group(2).splitlines() if line.strip()]
        for match in _SECTION.finditer(text)
    }
    return Reply(text, status.group(1), frozenset(flags.group(1).split()), sections)


def _record(line: str) -> tuple[str, dns.rdata.Rdata]:
    _, _, rclass, rtype, rdata = line.split(None, 4)
    return rtype, dns.rdata.from_text(dns.rdataclass.from_text(rclass), dns.rdatatype.from_text(rtype), rdata)


def expected(question: Question) -> set[dns.rdata.Rdata]:
    """Return the RDATAs the section that counts must hold."""
    rtype = dns.rdatatype.from_text(question.section_type)
    return {dns.rdata.from_wire(dns.rdataclass.IN, rtype, rdata, 0, len(rdata)) for rdata in question.expected}


def wrong(question: Question, reply: Reply, tcp: bool) -> str:
    """Return what is wrong with a reply, or an empty string."""
    if not reply.rcode:
        return "no reply"
    if reply.rcode != question.rcode:
        return f"{reply.rcode} instead of {question.rcode}"
    if ("aa" in reply.flags) != question.authoritative:
        return "the aa flag is wrong"
    truncated = question.over_tcp and not tcp
    if ("tc" in reply.flags) != truncated:
        return "the tc flag is wrong"
    if truncated:
        return ""
    if reply.rdatas(question.section, question.section_type) != expected(question):
        return f"the {question.section_type} records are not those of the zone"
    return ""
