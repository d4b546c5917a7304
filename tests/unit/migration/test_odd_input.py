# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong, hostile and endless input: each error names file, line and what mends it, and nothing is written."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from appliance.migration.formats import READERS, guess
from appliance.migration.run import carry
from tests.unit.migration.carrying import SECRET, carried

pytestmark = pytest.mark.unit

WRONG = [
    ("nsd", "server:\n port: 0\n", 2, "is no port"),
    ("nsd", "server:\n identity: a b\n", 2, "quote it"),
    ("nsd", "identity: a\n", 1, "stands before any clause"),
    ("nsd", "# x\nfoo\n", 2, "without a key before it"),
    ("nsd", 'server:\n identity: "a\n', 2, "close it on the same line"),
    ("nsd", "server:\n identity:\n version: x\n", 2, "has no value"),
    ("nsd", "zone:\n zonefile: f\n", 1, "has no name"),
    ("nsd", "zone:\n name: a\nzone:\n name: A.\n", 3, "is there twice"),
    ("nsd", "pattern:\n name: a\npattern:\n name: a\n", 3, "is there twice"),
    ("nsd", "zone:\n name: a\n include-pattern: b\n", 3, "there is no pattern b"),
    ("nsd", "pattern:\n name: a\n include-pattern: b\npattern:\n name: b\n include-pattern: a\n", 3, "in a circle"),
    ("nsd", "zone:\n name: a\n provide-xfr: 192.0.2.1\n", 3, "needs an address and a key"),
    ("nsd", "zone:\n name: a\n provide-xfr: 192.0.2.300 NOKEY\n", 3, "is no address"),
    ("nsd", "zone:\n name: a\n provide-xfr: 192.0.2.1-::1 NOKEY\n", 3, "is no address"),
    ("nsd", "zone:\n name: a\n notify: nowhere NOKEY\n", 3, "is no address"),
    ("nsd", "\ninclude:\n", 2, "names no file"),
    ("nsd", 'server:\n include: "missing"\n', 2, "No such file"),
    ("named", "options {\n", 1, "a `};` is missing"),
    ("named", "options { };\n};\n", 2, "no `{` belongs to"),
    ("named", "options { version x }\n", 1, "a `;` is missing"),
    ("named", "options { version x; }", 1, "a `;` is missing"),
    ("named", 'zone "a" {\n type primary;\n file "f;\n};\n', 3, "has no end"),
    ("named", "/* open\n", 1, "a comment that begins here has no end"),
    ("named", 'zone "a" { file "f"; };\n', 1, "has no type"),
    ("named", 'zone { };\n', 1, "has no name"),
    ("named", 'zone "a" { type primary; };\nzone "A." { type primary; };\n', 2, "is there twice"),
    ("named", "options { port 99999; };\n", 1, "write a number from 1"),
    ("named", "options { version a b; };\n", 1, "needs one value"),
    ("named", 'acl a { a; };\nzone "z" { type primary; file "f"; allow-query { a; }; };', 1, "contains itself"),
    ("named", 'zone "z" { type primary; file "f"; allow-query { nobody; }; };', 1, "no acl of that name"),
    ("named", 'zone "z" { type slave; file "f"; masters { nobody; }; };', 1, "no list of that name"),
    ("named", 'masters m { m; };\nzone "z" { type slave; masters { m; }; };', 1, "contains itself"),
    ("named", 'view v { zone "z" { in-view w; }; };', 1, "which has no such zone"),
    ("named", '\ninclude "missing";\n', 2, "No such file"),
    ("knot", "server:\n    listen: [ 192.0.2.1\n", 2, "a list without its end"),
    ("knot", "server:\n    identity: a b: c]\n", 2, "stands behind the value"),
    ("knot", 'server:\n    identity: "a\n', 2, "cannot be read"),
    ("knot", "    listen: 192.0.2.1\n", 1, "stands in no section"),
    ("knot", "server: x\n", 1, "is a section"),
    ("knot", "server:\n  - 192.0.2.1\n", 2, "neither a section nor"),
    ("knot", "zone:\n  - domain: a\n     file: f\n", 3, "is indented by 5"),
    ("knot", "zone:\n  - file: a\n", 2, "does not begin with"),
    ("knot", "zone:\n  - domain: a\n    template: t\n", 3, "there is no template t"),
    ("knot", "zone:\n  - domain: a\n    master: t\n", 3, "there is no remote t"),
    ("knot", "zone:\n  - domain: a\n    acl: t\n", 3, "there is no acl t"),
    ("knot", "acl:\n  - id: t\n    action: notify\n    address: x\nzone:\n  - domain: a\n    acl: t\n", 2, "address"),
    ("knot", "zone:\n  - domain: a\n  - domain: A.\n", 3, "is there twice"),
    ("knot", "template:\n  - id: a\n  - id: a\n", 3, "is there twice"),
    ("knot", "\ninclude: missing\n", 2, "No such file"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "text", "line", "said"), WRONG)
def test_each_error_names_file_line_and_mend(program: str, text: str, line: int, said: str, tmp_path: Path) -> None:
    file = tmp_path / "old.conf"
    file.write_text(text)
    with pytest.raises(ApplianceError) as caught:
        carry(file, program, tmp_path / "made.toml")
    assert str(caught.value).startswith(f"{file}:{line}: error: ")
    assert said in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["old.conf"]


HOSTILE = {
    "NUL": (b"server:\n a: \0b\n", "old.conf:2: error: a NUL octet"),
    "not UTF-8": (b"server:\n a: \xff\n", "old.conf:2: error: not UTF-8"),
    "10 MB line": (b"server:\n" + b"a" * 10_000_000, "old.conf:2: error: a line of 10000000 octets"),
    "binary": (bytes(range(256)) * 50, "a NUL octet"),
}


@pytest.mark.parametrize("program", READERS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files(program: str, kind: str, tmp_path: Path) -> None:
    octets, said = HOSTILE[kind]
    file = tmp_path / "old.conf"
    file.write_bytes(octets)
    with pytest.raises(ApplianceError, match=said):
        carry(file, program)


@pytest.mark.parametrize("program", READERS)
@pytest.mark.parametrize("filler", [" ", "a", "\\", "-", "[", ",", "!", "{", '"'])
def test_long_lines_take_time_in_proportion(program: str, filler: str, tmp_path: Path) -> None:
    """Reading that went back again and again would take hours for a line that is just not too long."""
    file = tmp_path / "old.conf"
    for text in (f"b{filler * 1_000_000}c d: #", f"[ b{f',{filler}b' * 300_000} ]"):
        file.write_text(f"server:\n a: {text}\n")
        with suppress(ApplianceError):
            READERS[program](file)


@pytest.mark.parametrize("program", READERS)
def test_what_is_no_regular_file(program: str, tmp_path: Path) -> None:
    """A pipe without a writer would be waited for, a device might have no end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path / "missing"):
        with pytest.raises(ApplianceError, match=r"not a regular file|No such file"):
            carry(path, program)
    with pytest.raises(ApplianceError, match=r"it is a folder|conf-export|knotc"):
        carry(tmp_path, program)


@pytest.mark.parametrize(
    ("program", "form"),
    [("nsd", 'include: "{file}"\n'), ("named", 'include "{file}";\n'), ("knot", 'include: "{file}"\n')],
)
def test_includes_in_a_circle_and_too_deep(program: str, form: str, tmp_path: Path) -> None:
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text(form.format(file=second))
    second.write_text(form.format(file=first))
    with pytest.raises(
        ApplianceError, match=r"b\.conf:1: error: files include each other in a circle: .*a\.conf → .*b"
    ):
        carry(first, program)
    for number in range(12):
        (tmp_path / f"{number}.conf").write_text(form.format(file=tmp_path / f"{number + 1}.conf"))
    with pytest.raises(ApplianceError, match="more than 10 files include each other"):
        carry(tmp_path / "0.conf", program)
    (tmp_path / "many").mkdir()
    for number in range(1001):
        (tmp_path / "many" / f"{number}").write_text("")
    first.write_text(form.format(file=tmp_path / "many" / "*"))
    with pytest.raises(ApplianceError, match="more than 1000 files"):
        carry(first, program)


@pytest.mark.parametrize("depth", [40, 100_000])
def test_blocks_nested_too_deeply(depth: int, tmp_path: Path) -> None:
    file = tmp_path / "named.conf"
    file.write_text("a {\n" * depth)
    with pytest.raises(ApplianceError, match=r"named\.conf:33: error: blocks are nested more than 32 deep"):
        carry(file)


DOUBLING = {
    "nsd": "pattern:\n name: p0\n zonefile: f\n provide-xfr: 192.0.2.1 NOKEY\n"
    + "".join(f"pattern:\n name: p{n}\n{f' include-pattern: p{n - 1}' * 3}\n" for n in range(1, 30))
    + "zone:\n name: a.example\n include-pattern: p29\n",
    "named": "acl p0 { 192.0.2.1; };\nmasters m0 { 192.0.2.1; };\n"
    + "".join(f"acl p{n} {{ {f'p{n - 1}; ' * 3} }};\nmasters m{n} {{ {f'm{n - 1}; ' * 3} }};\n" for n in range(1, 30))
    + 'zone "a.example" { type primary; file "f"; allow-transfer { p29; }; also-notify { m29; }; };\n',
}


@pytest.mark.parametrize("program", DOUBLING)
def test_lists_that_name_each_other_many_times(program: str, tmp_path: Path) -> None:
    """What is named three times at each of 29 steps would be gone through 3**29 times."""
    made = carried(tmp_path, program, DOUBLING[program])
    assert [made.acls[name] for name in made.zone("a.example").allow_transfer] == [(("192.0.2.1",), ())]


def test_many_refusals_end(tmp_path: Path) -> None:
    some = [f"10.{n // 250}.{n % 250}.0/24;" for n in range(2000)]
    text = f"acl a {{ {' '.join('!' + one for one in some)} {' '.join(some)} }};\n"
    made = carried(tmp_path, "named", f'{text}zone "a" {{ type primary; file "f"; allow-transfer {{ a; }}; }};\n')
    assert made.config.acl == ()


SECRETS = {
    "nsd": 'key:\n name: k\n algorithm: hmac-sha256\n secret: "{secret}" {bad}\n',
    "named": 'key k {{ algorithm hmac-sha256; secret "{secret}" {bad}; }};\n',
    "knot": 'key:\n  - id: k\n    secret: "{secret}" {bad}\n',
}


@pytest.mark.parametrize("program", SECRETS)
@pytest.mark.parametrize("bad", ["", "x"])
@pytest.mark.parametrize("secret", [SECRET, "not/base64/Marker=x", "Marker\\\\"])
def test_no_secret_is_ever_shown(program: str, bad: str, secret: str, tmp_path: Path) -> None:
    file = tmp_path / "old.conf"
    file.write_text(SECRETS[program].format(secret=secret, bad=bad))
    command = [sys.executable, "-m", "appliance", "import", str(file), "--from", program]
    for more in ([], ["--json"], ["--output", str(tmp_path / "made.toml")]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == (1 if bad else 0)
        said = done.stdout + done.stderr
        assert not any(part in said for part in (SECRET, "base64/Marker", "Marker")), said
        assert "Traceback" not in said
    made = tmp_path / "made.toml"
    assert not made.exists() or "Marker" not in made.read_text()


GUESSES = {
    "nsd.conf": ("", "nsd"),
    "knot.conf": ("", "knot"),
    "named.conf.local": ("", "named"),
    "pdns.conf": ("", "pdns"),
    "a": ("# x\nserver:\n  port: 53\nzone:\n name: x\n", "nsd"),
    "b": ("server:\n    listen: ::1\nzone:\n  - domain: x\n", "knot"),
    "c": ("// x\noptions { };\n", "named"),
    "d": ('zone "x" IN {\n', "named"),
    "e": ("# x\nlaunch=bind\n", "pdns"),
    "f": ('include "/etc/x";\n', "named"),
    "g": ('include: "/etc/x"\n', "nsd"),
}


@pytest.mark.parametrize("name", GUESSES)
def test_whose_configuration_it_is(name: str, tmp_path: Path) -> None:
    text, program = GUESSES[name]
    (tmp_path / name).write_text(text)
    known, why = guess(tmp_path / name)
    assert known == program
    assert why


def test_what_is_not_known_asks_for_from(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("[server]\n")
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "import", str(file), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "say --from nsd, knot, named, pdns" in json.loads(done.stdout)["error"]
