# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that more than one place states, because it may not or cannot import the other: they are the same."""

import re
import struct
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import fields

from appliance.config.schema import Limits
from appliance.datapath import verdicts
from appliance.datapath.door import Load
from appliance.datapath.generation import Generation
from appliance.datapath.program import Plan
from appliance.lookup.render import Edns
from appliance.server.respond import Settings
from appliance.store import layout, verdict_names
from appliance.store.capacity import Capacity
from appliance.store.message_sizes import EDNS_SIZE
from appliance.store.store import Store
from appliance.zone.diff import layout as listings
from appliance.zone.master.records import DROPPED, HEADER
from appliance.zone.packed import fields as rdata_fields
from appliance.zone.packed import header
from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit


def places(form: struct.Struct, count: int) -> list[int]:
    """Return where the fields of a struct lie."""
    return [form.pack(*(255 * (other == place) for other in range(count))).index(255) for place in range(count)]


def test_the_header_of_a_packed_record() -> None:
    parts = ("", "TTL", "TYPE", "CLASS", "RDLENGTH", "OWNER_LENGTH", "FLAGS")
    assert HEADER.size == header.SIZE
    for name, place in zip(parts, places(HEADER, len(parts)), strict=True):
        assert not name or getattr(header, f"{name}_AT") == place, name
    assert header.SIZE - header.LENGTH_BEFORE == header.OWNER_LENGTH_AT
    assert header.DROPPED == DROPPED


def test_the_fields_of_listings() -> None:
    assert places(listings.NAME, 3) == [0, listings.NAME_RECORDS_AT, listings.NAME_OWNER_LENGTH_AT]
    assert places(listings.RECORD, 3) == [0, listings.RECORD_TTL_AT, listings.RECORD_RDLENGTH_AT]
    marked = [listings.RR.pack(*(other == place for other in range(4))).index(1) for place in range(4)]
    ends = [listings.RR_CLASS_AT, listings.RR_TTL_AT, listings.RR_RDLENGTH_AT, listings.RR_SIZE]
    assert [place + 1 for place in marked] == ends
    sizes = (listings.NAME_SIZE, listings.RECORD_SIZE, listings.RR_SIZE)
    assert sizes == (listings.NAME.size, listings.RECORD.size, listings.RR.size)


def test_the_fields_of_rdata() -> None:
    """RRSIG (RFC 4034 §3.1), and what stands before the salt of an NSEC3 (RFC 5155 §3.2)."""
    one = rdata_fields
    algorithm, labels, _, expiration, inception, tag, signer = places(struct.Struct("<HBBIIIHB"), 8)[1:]
    assert (algorithm, labels) == (one.RRSIG_ALGORITHM_AT, one.RRSIG_LABELS_AT)
    assert (expiration, inception) == (one.RRSIG_EXPIRATION_AT, one.RRSIG_INCEPTION_AT)
    assert (tag, signer) == (one.RRSIG_KEY_TAG_AT, one.RRSIG_SIGNER_AT)
    assert places(struct.Struct("<BBHBB"), 5)[1:] == [
        one.NSEC3_FLAGS_AT,
        2,
        one.NSEC3_SALT_LENGTH_AT,
        one.NSEC3_SALT_AT,
    ]
    assert places(struct.Struct("<BBB"), 3)[1:] == [one.BITMAP_LENGTH_AT, one.BITMAP_BITS_AT]


@pytest.mark.parametrize("module", [header, rdata_fields, listings], ids=lambda module: str(module.__name__))
def test_their_numbers_in_c(module: ModuleType) -> None:
    assert module.__file__
    text = Path(module.__file__).with_suffix(".pxd").read_text()
    found = {name: int(number) for name, number in re.findall(r"^    (\w+) = (\d+)$", text, re.MULTILINE)}
    assert found == {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, int)}


def test_what_fits_through_every_path() -> None:
    structs = [field.default for one in (Limits, Load, Plan) for field in fields(one) if field.name == "edns_size"]
    assert len(structs) == 3
    loaded = (Generation.load.__kwdefaults__ or {})["edns_size"]
    assert {*structs, loaded, Settings().edns_size, Edns().size} == {EDNS_SIZE}


def test_the_multiplier_of_hashes() -> None:
    text = (ROOT / "appliance" / "zone" / "packed" / "sums.py").read_text()
    assert f"_MULTIPLIER = 0x{layout.HASH_MULTIPLIER:X}" in text


def test_depths_of_names() -> None:
    text = (ROOT / "ebpf" / "query.h").read_text()
    most = int(re.findall(r"#define LABELS_MAX (\d+)", text)[0])
    assert len(Store.sized(Capacity(8, 1, 1), 1).depths) == most
    compiled = (ROOT / "appliance" / "compiler" / "bulk" / "heap.py").read_text()
    assert f'self.depths = array("I", bytes(4 * {most}))' in compiled


def test_the_numbers_of_verdicts() -> None:
    """Each list of ebpf/verdicts.h begins where C lets it begin, and ends before the next one."""
    text = (ROOT / "ebpf" / "verdict.h").read_text()
    bases = [0, *(int(number) for number in re.findall(r"#define \w+_BASE (\d+)", text))]
    assert bases == [base for _, _, _, base in verdicts._BASES]
    ends = [base + len(verdict_names.listed(macro)) for macro, _, _, base in verdicts._BASES]
    room = zip(verdicts._BASES, ends, [*bases[1:], layout.COUNTER_SLOTS], strict=True)
    assert [macro for (macro, *_), end, after in room if end > after] == []
