# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that more than one place states, because it may not or cannot import the other: they are the same."""

import re

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
from appliance.zone.master.records import HEADER
from appliance.zone.packed import header
from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit


def test_the_header_of_a_packed_record() -> None:
    parts = ("", "TTL", "TYPE", "CLASS", "RDLENGTH", "OWNER_LENGTH", "FLAGS")
    assert HEADER.size == header.SIZE
    for place, name in enumerate(parts):
        marked = HEADER.pack(*(255 * (other == place) for other in range(len(parts))))
        if name:
            assert getattr(header, f"{name}_AT") == marked.index(255), name
    assert header.SIZE - header.LENGTH_BEFORE == header.OWNER_LENGTH_AT


def test_its_numbers_in_c() -> None:
    text = (ROOT / "appliance" / "zone" / "packed" / "header.pxd").read_text()
    found = {name: int(number) for name, number in re.findall(r"^    (\w+) = (\d+)$", text, re.MULTILINE)}
    assert found == {name: value for name, value in vars(header).items() if name.isupper()}


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
