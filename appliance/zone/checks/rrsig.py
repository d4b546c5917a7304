# SPDX-License-Identifier: GPL-3.0-or-later
"""RRSIGs: one for each authoritative RRset, of a key at the apex, in force now; nothing is computed here."""

import datetime
from functools import partial

from appliance.zone import names, types
from appliance.zone.checks.levels import CheckClass, Judge
from appliance.zone.checks.screen import Screen
from appliance.zone.checks.signed_data import Surface
from appliance.zone.dnssec import HEAD, Keys, Rrsig, distance, read
from appliance.zone.model import RRset
from appliance.zone.packed.names import Packed
from appliance.zone.packed.zone import PackedZone
from appliance.zone.threads import divided, side_by_side

_NOTHING: dict[int, RRset] = {}
_NEVER = 1 << 62
_KINDS: tuple[CheckClass, ...] = ("rrsig-missing", "rrsig-mismatch", "dnskey-match", "rrsig-expired")
"""In the order of the numbers that a screen knows them by."""


class Signatures:
    """Goes through all RRsets once and counts."""

    def __init__(self, surface: Surface, keys: Keys, now: int, judge: Judge) -> None:
        self._zone = surface.zone
        self._surface = surface
        self._keys = keys
        self._now = now
        self._judge = judge
        self.count = 0
        self.missing = 0
        self.expired = 0
        self.not_yet_valid = 0
        self.earliest_expiration: int | None = None

    def check(self) -> None:
        """Note RRsets without RRSIG, RRSIGs without RRset, and RRSIGs that nobody will accept."""
        if isinstance(self._zone, PackedZone):
            self._check_packed(self._zone.packed)
            return
        for owner in self._surface.signed:
            self._check_own(owner)
        for owner in self._zone.nsec3:
            self._check_nsec3(owner)
        for owner in self._zone.signatures:
            self._check_superfluous(owner)

    def _check_packed(self, packed: Packed) -> None:
        """Do the same, and look only at the names that screens do not clear."""
        parts = divided(packed.count)
        screens = [Screen(packed, sorted(self._keys.known), self._now) for _ in parts]
        highs = [high for _, high in parts]
        silent: set[CheckClass] = set()
        for what, check in enumerate((self._check_own, self._check_nsec3, self._check_superfluous)):  # as screens count
            stops = _seek(screens, what, [low for low, _ in parts], highs)
            for part, high in enumerate(highs):
                while stops[part] < high:
                    check(packed.name(stops[part]))
                    stops[part] += 1
                    if self._silence(screens, silent):
                        # What was cleared in a later part stays so, its stop may not.
                        stops[part:] = _seek(screens[part:], what, stops[part:], highs[part:])
                    else:
                        stops[part] = screens[part].seek(what, stops[part], high)
        for place, kind in enumerate(_KINDS):
            if kind != "rrsig-missing" or self._zone.signatures:
                self._judge.add(kind, sum(screen.counted(place) for screen in screens))
        self.count += sum(screen.count for screen in screens)
        self.missing += sum(screen.missing for screen in screens)
        self.expired += sum(screen.expired for screen in screens)
        self.not_yet_valid += sum(screen.not_yet_valid for screen in screens)
        earliest = min(screen.earliest for screen in screens)
        if earliest < _NEVER:
            self.earliest_expiration = min(earliest, self.earliest_expiration or earliest)

    def _silence(self, screens: list[Screen], silent: set[CheckClass]) -> bool:
        """Have only counted what would not be told any more; tell whether that is more than the silent classes."""
        before = len(silent)
        for place, kind in enumerate(_KINDS):
            if self._judge.is_silent(kind) or (kind == "rrsig-missing" and not self._zone.signatures):
                silent.add(kind)
                for screen in screens:
                    screen.silence(place)
        return len(silent) > before

    def _check_own(self, owner: bytes) -> None:
        signed = self._zone.signatures.get(owner, _NOTHING)
        rrsets = self._zone.nodes[owner]
        for rtype in self._surface.signed[owner]:
            self._check_rrset(owner, rtype, rrsets[rtype].ttl, signed.get(rtype))

    def _check_nsec3(self, owner: bytes) -> None:
        signed = self._zone.signatures.get(owner, _NOTHING)
        self._check_rrset(owner, types.NSEC3, self._zone.nsec3[owner].ttl, signed.get(types.NSEC3))

    def _check_rrset(self, owner: bytes, rtype: int, ttl: int, signatures: RRset | None) -> None:
        if signatures is None:
            self.missing += 1
            if self._zone.signatures:
                self._note("rrsig-missing", owner, rtype, "not signed", at=rtype)
            return
        labels = names.label_count(owner) - names.is_wildcard(owner)
        doubts = [self._doubt(rdata, labels) for rdata in signatures.rdatas]
        if all(doubts):
            self._note("dnskey-match" if rtype == types.DNSKEY else "rrsig-mismatch", owner, rtype, doubts[0])
        fields = [read(rdata) for rdata, doubt in zip(signatures.rdatas, doubts, strict=True) if not doubt]
        self._check_times(owner, rtype, fields or [read(rdata) for rdata in signatures.rdatas])
        if signatures.ttl != ttl:
            self._note("rrsig-mismatch", owner, rtype, f"its RRSIG has TTL {signatures.ttl}, not {ttl} (RFC 4034 §3)")

    def _doubt(self, rdata: bytes, labels: int) -> str:
        """Return why no validator will use a signature, "" if it may."""
        fields = read(rdata)
        origin = self._zone.origin
        if rdata[HEAD.size : HEAD.size + len(origin)].lower() != origin:
            signer = names.to_text(names.read(rdata, HEAD.size)[0])
            return f"its RRSIG names {signer} as signer, not {names.to_text(origin)}"
        if fields.labels != labels:
            return f"its RRSIG counts {fields.labels} labels, not {labels} (RFC 4034 §3.1.3)"
        if self._keys.known and (fields.key_tag, fields.algorithm) not in self._keys.known:
            return f"its RRSIG is of key {fields.key_tag}, algorithm {fields.algorithm}, which is no DNSKEY of the apex"
        return ""

    def _check_times(self, owner: bytes, rtype: int, fields: list[Rrsig]) -> None:
        ends = [distance(one.expiration, self._now) for one in fields]
        end = self._now + max(ends)
        if self.earliest_expiration is None or end < self.earliest_expiration:
            self.earliest_expiration = end
        started = [distance(one.inception, self._now) <= 0 for one in fields]
        if any(begun and after >= 0 for begun, after in zip(started, ends, strict=True)):
            return
        if any(started):
            self.expired += 1
            self._note("rrsig-expired", owner, rtype, f"its RRSIG expired on {_date(end)}")
        else:
            self.not_yet_valid += 1
            start = self._now + min(distance(one.inception, self._now) for one in fields)
            self._note("rrsig-expired", owner, rtype, f"its RRSIG is not valid before {_date(start)}")

    def _check_superfluous(self, owner: bytes) -> None:
        at_cut = owner in self._zone.delegations
        for covered, rrset in self._zone.signatures[owner].items():
            self.count += len(rrset.rdatas)
            present = owner in self._zone.nsec3 if covered == types.NSEC3 else self._zone.rrset(owner, covered)
            if not present:
                reason = f"{names.to_text(owner)}: RRSIG of {types.type_text(covered)}, of which there is none"
                self._judge.note("rrsig-mismatch", owner, types.RRSIG, reason)
            elif at_cut and covered not in (types.DS, types.NSEC):
                reason = f"{names.to_text(owner)}: RRSIG of {types.type_text(covered)} at a cut (RFC 4035 §2.2)"
                self._judge.note("rrsig-mismatch", owner, types.RRSIG, reason)

    def _note(self, kind: CheckClass, owner: bytes, rtype: int, reason: str, at: int = types.RRSIG) -> None:
        self._judge.note(kind, owner, at, f"{names.to_text(owner)} {types.type_text(rtype)}: {reason}")


def _date(moment: int) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _seek(screens: list[Screen], what: int, starts: list[int], highs: list[int]) -> list[int]:
    """Return where screens stop next, each in its part."""
    return side_by_side(
        [partial(screen.seek, what, *part) for screen, *part in zip(screens, starts, highs, strict=True)]
    )
