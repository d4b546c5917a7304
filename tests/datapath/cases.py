# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the zones of this folder, each with the verdict it must get."""

from dataclasses import dataclass, field
from typing import Any

from tests.datapath import served
from tests.datapath.packets import AD, CD, DO, RD, Opt, message, option

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DNAME, DS, DNSKEY, ANY = 1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 43, 48, 255
RRSIG, NSEC = 46, 47
_LONG = "x" * 63


@dataclass(frozen=True)
class Case:
    """A query and the verdict it must end with."""

    qname: str | bytes
    qtype: int
    verdict: str
    options: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def query(self) -> bytes:
        """The DNS message."""
        return message(self.qname, self.qtype, **self.options)

    def __str__(self) -> str:
        name = self.qname if isinstance(self.qname, str) else self.qname.hex()
        return f"{name[:40]}-{self.qtype}-{self.verdict}{'-' if self.note else ''}{self.note}"


def _case(qname: str | bytes, qtype: int, verdict: str, note: str = "", **options: Any) -> Case:
    return Case(qname, qtype, f"answer_{verdict}", options, note)


PLAIN = [
    _case("table.test", SOA, "positive"),
    _case("table.test", NS, "positive"),
    _case("table.test", MX, "positive"),
    _case("table.test", A, "nodata"),
    _case("child.table.test", SOA, "positive", "apex-of-a-child"),
    _case("child.table.test", NS, "positive", "not-a-referral"),
    _case("host.child.table.test", A, "positive"),
    _case("child.table.test", DS, "positive", "from-the-parent"),
    _case("mail.table.test", A, "positive"),
    _case("dnskey.table.test", DNSKEY, "dnskey"),
    _case("many.table.test", ANY, "any"),
    _case("table.test", ANY, "any"),
    _case("www.table.test", ANY, "any"),
    _case("www.table.test", A, "cname"),
    _case("www.table.test", AAAA, "cname"),
    _case("www.table.test", TXT, "cname", "ends-in-nodata"),
    _case("chain1.table.test", A, "cname", "three-links"),
    _case("loop1.table.test", A, "cname", "loop"),
    _case("to-nothing.table.test", A, "cname", "ends-in-nxdomain"),
    _case("to-nodata.table.test", A, "cname", "ends-in-nodata"),
    _case("to-outside.table.test", A, "cname", "leaves-the-zones"),
    _case("to-child.table.test", A, "cname", "into-another-zone"),
    _case("to-cut.table.test", A, "cname", "below-a-cut"),
    _case("to-wild.table.test", A, "cname", "to-a-wildcard"),
    _case("up.child.table.test", A, "cname", "up-to-the-parent"),
    _case("any.wild.table.test", A, "wildcard"),
    _case("x.y.z.wild.table.test", AAAA, "wildcard", "three-labels"),
    _case("any.wild.table.test", MX, "wildcard"),
    _case("any.wildcname.table.test", A, "cname", "from-a-wildcard"),
    _case("host.wild.child.table.test", A, "wildcard", "in-the-child"),
    _case("*.wild.table.test", A, "wildcard", "the-wildcard-itself"),
    _case("any.wild.table.test", TXT, "nodata", "wildcard"),
    _case("wild.table.test", A, "nodata", "ent-above-a-wildcard"),
    _case("blocked.wild.table.test", A, "nodata", "blocks-the-wildcard"),
    _case("below.blocked.wild.table.test", A, "nxdomain", "below-a-name-that-blocks"),
    _case("other.ent.wild.table.test", A, "nxdomain", "below-an-ent-that-blocks"),
    _case("cut.table.test", A, "referral", "exact"),
    _case("cut.table.test", NS, "referral", "exact"),
    _case("www.cut.table.test", A, "referral", "below"),
    _case("a.b.c.d.e.f.www.cut.table.test", A, "referral", "far-below"),
    _case("ns1.cut.table.test", A, "referral", "glue-name"),
    _case("hidden.cut.table.test", A, "referral", "occluded"),
    _case("cut-out.table.test", A, "referral", "no-glue"),
    _case("www.cut-out.table.test", A, "referral", "no-glue-below"),
    _case("cut-self.table.test", A, "referral", "glue-at-the-cut"),
    _case("x.cut-self.table.test", A, "referral", "glue-at-the-cut"),
    _case("x.cut-sibling.table.test", A, "referral", "sibling-glue"),
    _case("x.deep.ent-cut.table.test", A, "referral", "cut-below-an-ent"),
    _case("cut.table.test", DS, "nodata", "ds"),
    _case("cut-ds.table.test", DS, "positive", "ds"),
    _case("x.cut-ds.table.test", DS, "referral", "ds-below-the-cut"),
    _case("no-such-name.table.test", A, "nxdomain"),
    _case("a.b.c.no-such-name.table.test", A, "nxdomain", "far-below"),
    _case("no-such-name.child.table.test", A, "nxdomain", "in-the-child"),
    _case("a.table.test", AAAA, "nodata"),
    _case("ent.table.test", A, "nodata", "ent"),
    _case("y.ent.table.test", A, "nodata", "ent"),
    _case("z.ent.table.test", A, "nxdomain", "below-an-ent"),
    _case("one.two.three.four.five.six.seven.eight.deep.table.test", TXT, "positive", "deep"),
    _case("five.six.seven.eight.deep.table.test", TXT, "nodata", "deep-ent"),
    _case("x.two.three.four.five.six.seven.eight.deep.table.test", TXT, "nxdomain", "deep"),
    _case("old.table.test", DNAME, "dname", "dname-itself"),
    _case("old.table.test", TXT, "positive", "beside-a-dname"),
    _case("nowhere.example", A, "refused"),
    _case("test", A, "refused", "above-a-zone"),
    _case("", NS, "refused", "root"),
    _case("expired.test", SOA, "servfail"),
    _case("no.such.expired.test", A, "servfail"),
    _case("x.cut.expired.test", A, "servfail"),
    _case("signed.test", SOA, "positive", "without-do"),
    _case("www.signed.test", A, "positive", "without-do"),
    _case("no-such.signed.test", A, "nxdomain", "without-do"),
    _case("signed.test", DNSKEY, "dnskey", "without-do"),
    _case("within.wide.test", 65127, "positive", "last-of-128-types"),
    _case("within.wide.test", A, "nodata", "none-of-128-types"),
    _case(b"\x04\0nul\x05table\x04test\0", TXT, "positive", "zero-octet"),
    _case(b"\x07dot.dot\x05table\x04test\0", TXT, "positive", "dot-in-a-label"),
    _case(b"\x05\xffhigh\x05table\x04test\0", TXT, "positive", "octet-above-127"),
    _case(b"\x05\xdfhigh\x05table\x04test\0", TXT, "nxdomain", "only-ascii-folds"),
    _case("@mixed.case.table.test", A, "nxdomain", "octet-before-A"),
    _case(f"{_LONG}.{_LONG}.{_LONG}.table.test", A, "nxdomain", "long-labels"),
    _case("1." * 121 + "table.test", A, "nxdomain", "123-labels"),
    _case("1." * 119 + "cut.table.test", A, "referral", "123-labels"),
    _case("1." * 119 + "wild.table.test", A, "wildcard", "123-labels"),
    _case(f"{_LONG}.{_LONG}.{_LONG}.{'y' * 46}.cut.table.test", A, "referral", "255-octets"),
]

_DO = Opt(flags=DO)

ASKED_WITH = [
    _case("mail.table.test", A, "positive", "edns", opt=Opt()),
    _case("mail.table.test", A, "positive", "size-0", opt=Opt(size=0)),
    _case("mail.table.test", A, "positive", "size-65535", opt=Opt(size=65535)),
    _case("mail.table.test", A, "positive", "do", opt=_DO),
    _case("mail.table.test", A, "positive", "z-flags", opt=Opt(flags=0x7FFF)),
    _case("mail.table.test", A, "positive", "extended-rcode", opt=Opt(extended=255)),
    _case("mail.table.test", A, "positive", "unknown-option", opt=Opt(options=option(65001, b"abc"))),
    _case("mail.table.test", A, "positive", "empty-option", opt=Opt(options=option(65001))),
    _case("mail.table.test", A, "positive", "16-options", opt=Opt(options=b"".join(option(i) for i in range(16)))),
    _case("mail.table.test", A, "positive", "odd-options", opt=Opt(options=option(12, bytes(7)) + option(3))),
    _case("mail.table.test", A, "badvers", "version-1", opt=Opt(version=1)),
    _case("mail.table.test", A, "badvers", "version-255-do", opt=Opt(version=255, flags=DO)),
    _case("nowhere.example", A, "refused", "edns", opt=Opt()),
    _case("no.such.expired.test", A, "servfail", "edns-do", opt=_DO),
    _case("x.cut.table.test", A, "referral", "edns", opt=Opt()),
    _case("no-such-name.table.test", A, "nxdomain", "do-unsigned-zone", opt=_DO),
    _case("any.wild.table.test", A, "wildcard", "edns", opt=Opt()),
    _case("mail.table.test", A, "positive", "rd", flags=RD),
    _case("mail.table.test", A, "positive", "cd", flags=CD),
    _case("mail.table.test", A, "positive", "ad", flags=AD),
    _case("mail.table.test", A, "positive", "all-flags", flags=0x07FF),
    _case("no-such-name.table.test", A, "nxdomain", "rd-cd", flags=RD | CD, opt=Opt()),
    _case("MAIL.tAbLe.TEST", A, "positive", "mixed-case"),
    _case("ANY.wILd.tAbLe.TEST", A, "wildcard", "mixed-case"),
    _case("No-Such.CUT.tAbLe.TEST", A, "referral", "mixed-case"),
    _case("mixed.case.table.test", A, "positive", "owner-in-mixed-case"),
]


UNPROVED = {message("no.deep.optout.test", A, opt=_DO)}
"""Questions whose closest encloser has no NSEC3: the proof of RFC 5155 §7.2.2 starts further up."""


def _signed(origin: str) -> list[Case]:
    """Return questions with DO to a signed zone: data, and proofs of every kind of absence."""
    asked = [
        ("", SOA, "positive"),
        ("", NS, "positive"),
        ("", DNSKEY, "dnskey"),
        ("", MX, "nodata"),
        ("www.", A, "positive"),
        ("www.", TXT, "positive"),
        ("www.", ANY, "any"),
        ("WWW.", AAAA, "nodata"),
        ("alias.", A, "cname"),
        ("alias.", TXT, "cname"),
        ("alias.", MX, "cname"),
        ("no-such-name.", A, "nxdomain"),
        ("No-Such-Name.", A, "nxdomain"),
        ("zzzz.", A, "nxdomain"),
        ("0.", A, "nxdomain"),
        ("a.b.c.no-such-name.", TXT, "nxdomain"),
        ("below.www.", A, "nxdomain"),
        ("z.ent.", A, "nxdomain"),
        ("ent.", A, "nodata"),
        ("any.wild.", A, "wildcard"),
        ("x.y.any.wild.", A, "wildcard"),
        ("below.blocked.wild.", A, "nxdomain"),
        ("blocked.wild.", A, "nodata"),
        ("any.wild.", TXT, "nodata"),
        ("cut.", A, "referral"),
        ("x.cut.", A, "referral"),
        ("ns1.cut.", A, "referral"),
        ("cut.", DS, "nodata"),
        ("x.insecure.deep.", A, "referral"),
        ("deep.", A, "nodata"),
        ("no.deep.", A, "nxdomain"),
        ("secure.", A, "referral"),
        ("x.secure.", A, "referral"),
        ("secure.", DS, "positive"),
    ]
    return [_case(f"{prefix}{origin}", qtype, verdict, "do", opt=_DO) for prefix, qtype, verdict in asked]


SIGNED = [case for origin in served.SIGNED for case in _signed(origin.rstrip(".")) if case.query not in UNPROVED]
SIGNED.append(_case("www.signed.test", NSEC, "positive", "do", opt=_DO))

CASES = PLAIN + ASKED_WITH + SIGNED
