# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers found by starting over with another name: DNAMEs (RFC 6672 §3.2), and alias chains that need proofs."""

from typing import Final

from appliance.lookup.find import Outcome, deepest, find, owner_at
from appliance.lookup.message import Records, put_together, take_apart
from appliance.lookup.render import Edns, render
from appliance.store.layout import (
    ANSWER,
    ANSWER_KIND_PLACE,
    GRANULE,
    NODE_CNAME,
    NODE_FILLER,
    NODE_FLAGS_AT,
    NODE_FLAGS_PLACE,
    NODE_WILDCARD_PLACE,
)
from appliance.store.store import Store
from appliance.store.verdict_names import KIND
from appliance.zone import names, types

MAX_LINKS: Final = 16
"""Most aliases (CNAME, DNAME) that are followed for one answer."""

_OF_ITS_OWN: Final = (KIND["positive"], KIND["wildcard"])
"""Kinds of answer that the owner of a CNAME gives for its own types, RRSIG and NSEC (RFC 4035 §2.5)."""

_YXDOMAIN: Final = 6
_LONGEST: Final = 65535


def reply(store: Store, ident: int, flags: int, question: bytes, limit: int, edns: Edns | None) -> tuple[int, bytes]:
    """Return the answer's kind and the whole message for a question of class IN, with all aliases followed.

    flags is the query's second header word, question the name, type and class as they came.
    """
    qname = question[:-4].lower()
    qtype = int.from_bytes(question[-4:-2], "big")
    dnssec_ok = edns is not None and edns.dnssec_ok
    outcome = find(store, qname, qtype, dnssec_ok)
    if outcome.lacks in ("", "denial"):
        return render(store, outcome, ident, flags, question, limit, edns)
    records = follow(store, question[:-4], qtype, dnssec_ok)
    kind = KIND["dname" if outcome.lacks == "dname" else "cname"]
    message = put_together(records, ident, flags, question, limit, edns)
    return KIND["truncated"] if message[2] & 2 else kind, message


def records_for(store: Store, outcome: Outcome, name: bytes, qtype: int) -> Records:
    """Return what an outcome says about a name, as records."""
    question = name + qtype.to_bytes(2, "big") + b"\0\1"
    return take_apart(render(store, outcome, 0, 0, question, _LONGEST, None)[1])


def follow(store: Store, qname: bytes, qtype: int, dnssec_ok: bool) -> Records:
    """Return the whole answer for a name as it was asked, link by link; a loop ends where it closes."""
    found = Records()
    name = qname
    seen = {qname.lower()}
    for links in range(MAX_LINKS + 1):
        folded = name.lower()
        outcome = find(store, folded, qtype, dnssec_ok)
        if outcome.lacks == "dname":
            if links == MAX_LINKS:
                break
            target = _substitute(store, outcome, name, dnssec_ok, found)
            if qtype in (types.CNAME, types.ANY):
                break  # the synthesised CNAME is of the asked type
        elif _is_link(store, outcome, qtype):
            if links == MAX_LINKS:
                break
            target = _cname(store, name, dnssec_ok, found)
        else:
            _end(store, outcome, name, qtype, found, first=not links)
            break
        if not target or target.lower() in seen:
            break
        seen.add(target.lower())
        name = target
    return found


def _is_link(store: Store, outcome: Outcome, qtype: int) -> bool:
    """Return whether the data that the outcome stands on are a CNAME to be followed."""
    if qtype in (types.CNAME, types.ANY) or not outcome.node or outcome.lacks == "dname":
        return False
    node = store.node(outcome.node)
    if outcome.at and node[NODE_WILDCARD_PLACE]:
        node = store.node(node[NODE_WILDCARD_PLACE])
    elif outcome.at:
        return False
    kind = ANSWER.unpack_from(store.octets, outcome.answer * GRANULE)[ANSWER_KIND_PLACE]
    return bool(node[NODE_FLAGS_PLACE] & NODE_CNAME) and kind not in _OF_ITS_OWN


def _cname(store: Store, name: bytes, dnssec_ok: bool, found: Records) -> bytes:
    """Add the CNAME of a name, with the proof that a wildcard's needs, and return its target."""
    link = records_for(store, find(store, name.lower(), types.CNAME, dnssec_ok), name, types.CNAME)
    found.add(link)
    return next((rdata for _, rtype, _, rdata in link.answer if rtype == types.CNAME), b"")


def dname_owner(store: Store, outcome: Outcome) -> bytes:
    """Return the folded owner of the DNAME that an outcome lacks."""
    node = outcome.node
    while store.octets[node * GRANULE + NODE_FLAGS_AT] & NODE_FILLER:
        node, _ = deepest(store, names.parent(owner_at(store, node)))
    return owner_at(store, node)


def _substitute(store: Store, outcome: Outcome, name: bytes, dnssec_ok: bool, found: Records) -> bytes:
    """Add the DNAME and the CNAME synthesised from it, and return the new name; nothing if it is too long."""
    owner = dname_owner(store, outcome)
    dname = records_for(store, find(store, owner, types.DNAME, dnssec_ok), owner, types.DNAME)
    found.add(Records(answer=dname.answer))
    _, _, ttl, rdata = next(rr for rr in dname.answer if rr[1] == types.DNAME)
    target = name[: len(name) - len(owner)] + rdata
    if len(target) > names.MAX_NAME:
        found.rcode = _YXDOMAIN
        return b""
    found.add(Records(answer=[(name, types.CNAME, ttl, target)]))
    return target


def _end(store: Store, outcome: Outcome, name: bytes, qtype: int, found: Records, first: bool) -> None:
    """Add what the last name of a chain has; a name of no zone, or of one that is not served, adds nothing."""
    if not first and outcome.answer in (store.get("refused"), store.get("servfail")):
        return
    last = records_for(store, outcome, name, qtype)
    found.add(last)
    found.rcode = last.rcode
    if first:
        found.authoritative = last.authoritative
