# SPDX-License-Identifier: GPL-3.0-or-later
"""Suite `dnssec`: program time of proofs, what signing costs those who do not ask for it, share, NSD and Knot."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from appliance.datapath.generation import Generation
from appliance.datapath.syscall import test_run
from appliance.errors import DatapathError, ZoneError
from appliance.zone.model import Zone
from bench.figures import Figure, at_most, plain
from bench.machine.lab import CACHE, Veth
from bench.machine.link import TEST_RUN
from bench.peers import ours
from bench.suites import against_peers, program_time, share
from bench.suites.program_time import NOERROR, NXDOMAIN, Case
from bench.traffic import proofs, questions
from bench.traffic.generator import Generator
from bench.traffic.packets import wire
from bench.traffic.replies import decode
from bench.zones import nasty, signing, usual

PARTS = frozenset({"program", "share", "peers"})
NSEC3_NAMES = usual.MILLION
CHANGE = 1.05
_TX = 3
_SAMPLES = 512


def measure(
    root_zone: Path | None, work: Path, note: Callable[[str], None], duration_s: float, parts: frozenset[str]
) -> Iterator[Figure]:
    """Run the parts in the order program, share, peers."""
    path, which = usual.root_zone(root_zone, work)
    note(f"the root is the {which}, stripped and signed anew: dnssec-signzone, NSEC, ECDSA P-256")
    note("the NSEC3 chains of the large zone and the opt-out zone are real, their signatures are 64 random octets")
    pair = signing.root(path, CACHE, work)
    if "program" in parts:
        yield from _program(pair, duration_s)
    if parts & {"share", "peers"}:
        tld = ours.read_zone(usual.opt_out_zone(CACHE), usual.OPT_OUT_ORIGIN)
        if "share" in parts:
            yield from _share(ours.read_zone(pair.signed, "."), tld, work)
        if "peers" in parts:
            yield from _peers(tld, work, duration_s)


def _program(pair: signing.Pair, duration_s: float) -> Iterator[Figure]:
    unsigned, signed = (ours.read_zone(path, ".") for path in (pair.unsigned, pair.signed))
    large = ours.read_zone(usual.nsec3_zone(CACHE, NSEC3_NAMES), usual.MILLION_ORIGIN)
    yield plain("nsec3_zone_names", NSEC3_NAMES, "names", chain=len(large.nsec3))
    delegations = ours.delegations(signed)
    with_ds = secure(signed)
    with ExitStack() as stack:
        small, again, great, chained = (
            stack.enter_context(ours.loaded([zone])) for zone in (unsigned, unsigned, signed, large)
        )
        del unsigned, signed, large
        proofs_of = proving(great, chained, delegations, with_ds)
        served = {"unsigned": small, "unsigned again": again, "signed": great}
        plain_sets = [_plain(which, generation, delegations) for which, generation in served.items()]
        triples = list(zip(*plain_sets, strict=True))
        every = [*proofs_of, *(case for triple in triples for case in triple)]
        timed = program_time.run(every, duration_s)
    yield from program_time.figures(every, timed)
    for before, control, after in triples:
        yield _change(timed, before.name, control.name, after.name)


def _change(timed: program_time.Timed, before: str, control: str, after: str) -> Figure:
    """Judge signed ÷ unsigned; beside it a second copy of the unsigned zone ÷ the first, which shows the noise."""
    change, noise = (
        statistics.median(now / then for now, then in zip(timed.times[name], timed.times[before], strict=True))
        for name in (after, control)
    )
    beside: dict[str, float | str] = {
        "control": noise,
        "signed_u": timed.results[after].ratio,
        "unsigned_u": timed.results[before].ratio,
    }
    return at_most(f"do0_{before.split()[-1]}_change", change, "of_unsigned", CHANGE, **beside)


def secure(zone: Zone) -> list[str]:
    """List the delegations that have DS records."""
    found = [name for name in ours.delegations(zone) if _has_ds(zone, name)]
    if not found:
        raise ZoneError("the root zone has no DS record; give one that has with --root-zone")
    return found


def _has_ds(zone: Zone, name: str) -> bool:
    return proofs.DS in zone.nodes[wire(name)]


def proving(root: Generation, chained: Generation, delegations: list[str], secure: list[str]) -> list[Case]:
    """List the sets with DO set: NSEC and NSEC3 proofs of non-existence, and referrals with DS."""
    missing = questions.missing(usual.MILLION_ORIGIN)
    return [
        Case(
            "nsec_nxdomain",
            1.8,
            root,
            questions.nonexistent(delegations),
            "answer_nxdomain",
            NXDOMAIN,
            True,
            proofs.NSEC,
        ),
        Case("nsec3_nxdomain", 5.5, chained, missing, "answer_nxdomain", NXDOMAIN, True, proofs.NSEC3),
        Case("signed_referral", 1.2, root, questions.below(secure, 1), "answer_referral", NOERROR, True, proofs.DS),
    ]


def _plain(which: str, root: Generation, delegations: list[str]) -> list[Case]:
    """List the root's sets of suite `nic`, without limits: they are compared with each other."""
    sets = [
        ("exact_owner", questions.exact(delegations), "answer_referral", NOERROR),
        ("below_1", questions.below(delegations, 1), "answer_referral", NOERROR),
        ("below_2", questions.below(delegations, 2), "answer_referral", NOERROR),
        ("nxdomain", questions.nonexistent(delegations), "answer_nxdomain", NXDOMAIN),
    ]
    return [Case(f"{which} {name}", None, root, names, kind, rcode) for name, names, kind, rcode in sets]


def _share(root: Zone, tld: Zone, work: Path) -> Iterator[Figure]:
    """Tell the share of each zone, then judge that of all together."""
    signed = signing.sign(nasty.text(), nasty.ORIGIN, CACHE, work, nsec3=True)
    served = [root, tld, ours.read_zone(signed, nasty.ORIGIN)]
    about = ours.delegations(root), ours.delegations(tld), usual.OPT_OUT_ORIGIN
    generator = Generator(1)
    veth = Veth()
    try:
        with ours.loaded(served) as generation:
            for which, frames in nasty.mix(*about, TEST_RUN, share.QUESTIONS).items():
                _check_samples(generation, frames, proofs.NSEC if which == "root" else proofs.NSEC3)
        veth.attach(generator.fd("check"), veth.client_index)
        total: Counter[str] = Counter()
        with ours.loaded(served, veth) as generation:
            fd = generation.program_fd()
            try:
                for which, frames in nasty.mix(*about, veth.link, share.QUESTIONS).items():
                    moved = share.count(generator, veth, 0, generation, fd, frames)
                    yield share.judge(f"signed_nic_path_share_{which}", moved, len(frames), limit=None)
                    total += moved
                yield share.judge("signed_nic_path_share", total, share.QUESTIONS)
            finally:
                os.close(fd)
    finally:
        veth.close()


def _check_samples(generation: Generation, frames: list[bytes], proof: int) -> None:
    """Look at some of the replies: well-formed, right checksums, and a signed proof with each NXDOMAIN."""
    fd = generation.program_fd()
    try:
        for frame in frames[:: len(frames) // _SAMPLES]:
            done = test_run(fd, frame)
            if done.action != _TX:
                continue
            asked, reply = decode(frame), decode(done.packet)
            if not reply.sums_right or reply.message.question != asked.message.question:
                raise DatapathError(f"not a reply to {asked.message.question}: {reply}")
            if reply.message.rcode() == NXDOMAIN:
                proofs.require("signed mix", reply.message, proof)
    finally:
        os.close(fd)


def _peers(tld: Zone, work: Path, duration_s: float) -> Iterator[Figure]:
    with ours.loaded([tld]) as generation:
        against_peers.check(generation)
    yield from against_peers.measure(tld, usual.opt_out_zone(CACHE), work, duration_s)
