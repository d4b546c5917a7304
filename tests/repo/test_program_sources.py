# SPDX-License-Identifier: GPL-3.0-or-later
"""The XDP program reads like its table of contents: order of the headers, what each may use, and who writes what."""

import re

import pytest

from tests.repo.sources import ROOT

pytestmark = pytest.mark.unit

FOLDER = ROOT / "ebpf"
MAIN = (FOLDER / "xdp_dns.c").read_text()
INCLUDED = re.findall(r'^#include "(\w+\.h)"$', MAIN, re.MULTILINE)
STEPS = INCLUDED[INCLUDED.index("verdict.h") :]
"""The headers of the table of contents; what lies under them comes before the maps."""
TEXTS = {name: re.sub(r"/\*.*?\*/|//[^\n]*", "", (FOLDER / name).read_text(), flags=re.DOTALL) for name in INCLUDED}

# The variant that fits takes the place of the answer that was chosen.
ALSO_WRITTEN = {("shape.h", "select")}
# Handed over at a tail call, by whoever calls.
OF_NO_HEADER = {"verdict"}
# What Python's side of the store needs, and what is known of a packet for limits to come.
FOR_OTHERS = {"layout.h", "verdicts.h", "constants.h"}

_FUNCTION = re.compile(r"^static inline [\w *]*?\*?(\w+)\([^;{}]*\)\n\{", re.MULTILINE)
_MACRO = re.compile(r"^#define (\w+)", re.MULTILINE)
_CALLED = re.compile(r"\b([a-z]\w*)\(")
_NAME_OF_MACRO = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
_PART = re.compile(r"^  struct (?:\w+ )?\{.*?^  \} (\w+);", re.MULTILINE | re.DOTALL)
_WRITTEN = re.compile(r"q->(\w+)(?:\.\w+)?(?:\[[^\]]*\])?(?: (?:[-+|&^]|<<|>>)?= |\+\+|--)")
_STORED = re.compile(r"STORE8\(&?q->(\w+)\.")


def macros(text: str) -> set[str]:
    """Return the macros that a header defines for others."""
    return {name for name in _MACRO.findall(text) if not name.startswith("APPLIANCE_") and name != "X"}


def defined(text: str) -> set[str]:
    """Return what a header defines for others: functions and macros."""
    return macros(text) | set(_FUNCTION.findall(text))


def parts() -> list[str]:
    """Return the parts of struct query that have fields of their own, in order."""
    return _PART.findall(TEXTS["query.h"])


def test_the_table_of_contents_is_the_order_of_the_headers() -> None:
    assert re.findall(r"^ \*   (\w+\.h) ", MAIN, re.MULTILINE) == STEPS


def test_every_header_is_a_part_of_the_program() -> None:
    assert sorted(INCLUDED) == sorted(path.name for path in FOLDER.glob("*.h"))
    assert not [name for name, text in TEXTS.items() if '#include "' in text]


def test_the_page_about_the_program_names_every_header() -> None:
    page = (ROOT / "docs" / "xdp-program.md").read_text()
    assert [name for name in INCLUDED if f"`ebpf/{name}`" not in page] == []


def test_a_header_uses_only_those_before_it() -> None:
    """Of functions a compiler says so; a macro it takes from wherever it is defined by the time of its use."""
    wrong = []
    later: dict[str, str] = {}
    for name in reversed(INCLUDED):
        used = set(_CALLED.findall(TEXTS[name])) | set(_NAME_OF_MACRO.findall(TEXTS[name]))
        wrong += [f"{name} uses {word} of {where}" for word, where in later.items() if word in used]
        later |= dict.fromkeys(defined(TEXTS[name]), name)
    assert not wrong


def test_nothing_is_defined_twice_or_for_nobody() -> None:
    owners: dict[str, str] = {}
    everything = [*TEXTS.items(), ("xdp_dns.c", MAIN)]
    unused = []
    for name, text in TEXTS.items():
        for word in defined(text):
            assert owners.setdefault(word, name) == name, f"{word}: {name} and {owners[word]}"
            uses = sum(len(re.findall(rf"\b{word}\b", other)) for _, other in everything)
            if uses < 2 and name not in FOR_OTHERS:
                unused.append(f"{name}: {word}")
    assert len(owners) > 150
    assert not unused


def test_each_part_of_the_query_belongs_to_a_header() -> None:
    assert len(parts()) > 10
    assert {f"{part}.h" for part in parts()} <= set(STEPS)
    fields = re.sub(r"^  struct .*?^  \} \w+;\n", "", TEXTS["query.h"], flags=re.MULTILINE | re.DOTALL)
    body = re.search(r"struct query \{(.*?)\n\};", fields, re.DOTALL)
    assert body
    assert set(re.findall(r"(\w+);", body[1])) == OF_NO_HEADER


def test_a_part_of_the_query_is_written_in_its_header_alone() -> None:
    wrong, seen = [], set()
    for name, text in [*TEXTS.items(), ("xdp_dns.c", MAIN)]:
        for part in (*_WRITTEN.findall(text), *_STORED.findall(text)):
            seen.add(part)
            if part not in OF_NO_HEADER and name != f"{part}.h" and (name, part) not in ALSO_WRITTEN:
                wrong.append(f"{name} writes q->{part}")
    assert not wrong
    assert seen >= set(parts()) - {"shape"}  # by way of a pointer


def test_what_counts_as_written() -> None:
    text = (
        "q->a.x = 1; q->b.y += 2; q->c.z++; q->d.w[i] = 3; q->i = q->j.r = 0; if (q->e.v == 4 || q->f.u <= 5) f(q->h)"
    )
    assert _WRITTEN.findall(text) == ["a", "b", "c", "d", "i", "j"]
    assert _STORED.findall("STORE8(q->k.l, 0, v); STORE8(&q->m.n[o], 0, v);") == ["k", "m"]


def test_every_program_but_the_entry_begins_as_a_stage() -> None:
    listed = re.findall(r"X\((\w+)\)", TEXTS["stage.h"].partition("#define STAGES(X)")[2].partition("\n")[0])
    assert len(listed) == 8
    assert sorted(re.findall(r"^STAGE\((\w+)\)$", MAIN, re.MULTILINE)) == sorted(listed)
    assert re.findall(r"^int (\w+)\(struct xdp_md", MAIN, re.MULTILINE) == ["dns"]
