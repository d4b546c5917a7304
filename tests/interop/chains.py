# SPDX-License-Identifier: GPL-3.0-or-later
"""The CNAME chain inside an answer section: its links in order, where it ends, where it leaves its zone."""

from dataclasses import dataclass, field

from appliance.zone import names
from tests.interop import wire
from tests.interop.loaded import Loaded
from tests.interop.wire import RR


@dataclass
class Chain:
    """Links from the question name on; `steps[i]` holds the records of link i: CNAME, its DNAME, their signatures."""

    end: bytes
    steps: list[frozenset[RR]] = field(default_factory=list)
    owners: list[bytes] = field(default_factory=list)
    loops: bool = False
    through_dname: bool = False

    @property
    def length(self) -> int:
        """Number of links."""
        return len(self.steps)

    def records(self, links: int) -> frozenset[RR]:
        """Return the records of the first links."""
        return frozenset().union(*self.steps[:links])


def _signed_by(answer: frozenset[RR], owner: bytes, rtype: int) -> set[RR]:
    return {
        record
        for record in answer
        if record.rtype == wire.RRSIG and record.owner == owner and int.from_bytes(record.rdata[:2]) == rtype
    }


def chain_of(name: bytes, answer: frozenset[RR]) -> Chain:
    """Follow the CNAME records of an answer from a folded name."""
    links = {record.owner: record for record in answer if record.rtype == wire.CNAME}
    dnames = {record.owner: record for record in answer if record.rtype == wire.DNAME}
    chain = Chain(name)
    while (link := links.get(chain.end)) is not None:
        if chain.end in chain.owners:
            chain.loops = True
            break
        step = {link} | _signed_by(answer, link.owner, wire.CNAME)
        for above in names.suffixes(link.owner):
            if above != link.owner and above in dnames:
                step |= {dnames[above]} | _signed_by(answer, above, wire.DNAME)
                chain.through_dname = True
        chain.owners.append(chain.end)
        chain.steps.append(frozenset(step))
        chain.end = link.rdata
    return chain


def links_to_border(name: bytes, answer: frozenset[RR], loaded: Loaded) -> frozenset[RR] | None:
    """Return the records up to the first link whose target is in another loaded zone, None if there is no such link."""
    chain = chain_of(name, answer)
    targets = [*chain.owners[1:], chain.end]
    for position, (owner, target) in enumerate(zip(chain.owners, targets, strict=False)):
        here, there = loaded.zone_of(owner), loaded.zone_of(target)
        if here is not there and there is not None:
            return chain.records(position + 1)
    return None
