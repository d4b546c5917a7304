# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake in a configuration is found, placed at its line and told with what mends it."""

from pathlib import Path

import pytest

from appliance.config.load import examine, load_config
from appliance.config.places import key_lines
from appliance.control.config_findings import examine_machine
from appliance.errors import ConfigError
from appliance.zone.checks.levels import CLASSES, DEFAULTS

pytestmark = pytest.mark.unit


def findings(tmp_path: Path, text: str) -> list[str]:
    """Return what is wrong with a configuration text, without the folder of the file."""
    file = tmp_path / "a.toml"
    file.write_text(text)
    config, found = examine(file)
    assert (config is None) == bool(found)
    return [str(finding).removeprefix(f"{tmp_path}/") for finding in found]


def test_an_empty_file_is_a_whole_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("")
    config = load_config(tmp_path / "a.toml")
    assert config.listen.addresses == ("0.0.0.0", "::")
    assert config.listen.port == 53
    assert config.limits.edns_size == 1232
    assert str(config.control_socket) == "/run/appliance/control.sock"


def test_checks_become_levels(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[checks]\nnsec-chain = "warning"\nrrsig-missing = "error"\n')
    levels = load_config(tmp_path / "a.toml").checks.levels
    assert levels == {**DEFAULTS, "nsec-chain": "warning", "rrsig-missing": "error"}
    assert set(levels) == set(CLASSES)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        '[server]\nrun_dir = "run"\nstate_dir = "/abs"\n[[zone]]\nname = "a."\nfile = "z/a.zone"\n'
    )
    config = load_config(tmp_path / "a.toml")
    assert config.zone[0].file == str(tmp_path / "z/a.zone")
    assert config.server.run_dir == str(tmp_path / "run")
    assert config.server.state_dir == "/abs"
    assert config.server.include_below == ()
    assert config.control_socket == tmp_path / "run" / "control.sock"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nidenity = 'x'", "a.toml:2: error: unknown key 'idenity' in [server]; did you mean 'identity'?"),
        ("[[zones]]\nname = 'a'", "a.toml:1: error: unknown key 'zones'; did you mean 'zone'?"),
        (
            "colour = 1",
            "a.toml:1: error: unknown key 'colour'; known are acl, checks, control, control_client, health, include, "
            "interface, journal, key, limits, listen, pattern, remote, server, store, zone",
        ),
        ("[listen]\nport = 70000", "a.toml:2: error: port = 70000: expected `int` <= 65535"),
        ("[listen]\nport = '53'", "a.toml:2: error: port = '53': expected `int`, got `str`"),
        ("[listen]\n\ntcp_idle_timeout_s = 0", "a.toml:3: error: tcp_idle_timeout_s = 0: expected `float` > 0.0"),
        ("[listen]\naddresses = []", "a.toml:2: error: addresses = []: expected `array` of length >= 1"),
        (
            "[checks]\nnsec_chain = 'off'",
            "a.toml:2: error: unknown key 'nsec_chain' in [checks]; did you mean 'nsec-chain'?",
        ),
        (
            "[checks]\nrrsig-missing = 'fatal'",
            "a.toml:2: error: rrsig-missing = 'fatal': is none of 'error', 'warning', 'off'",
        ),
        ("[limits]\nedns_size = 511", "a.toml:2: error: edns_size = 511: expected `int` >= 512"),
        (
            "[[interface]]\nname = 'eth0'\nmode = 'natve'",
            "a.toml:3: error: mode = 'natve': is none of 'auto', 'native', 'generic', 'off'; did you mean 'native'?",
        ),
        ("[[zone]]\nname = 'a'", "a.toml:1: error: [[zone]] lacks file"),
        ("[zone]\nname = 'a'\nfile = 'b'", "a.toml:1: error: [zone] must be an array of tables: write [[zone]]"),
        ("[[server]]\nidentity = 'a'", "a.toml:1: error: [[server]] must be one table: write [server]"),
        ("zone = [1]", "a.toml:1: error: zone must be a table"),
        ("[listen]\naddresses = ['1.2.3']", "a.toml:2: error: '1.2.3' is not an IPv4 or IPv6 address"),
        ("[listen]\naddresses = ['::1', '0::1']", "a.toml:2: error: address 0::1 is there twice"),
        ("[listen]\naddresses = ['224.0.0.1']", "a.toml:2: error: address 224.0.0.1 is not a unicast address"),
        (
            "[[interface]]\nname = 'e'\naddresses = ['0.0.0.0']",
            "a.toml:3: error: 0.0.0.0 is no address to answer for; leave addresses out to take them all",
        ),
        (
            "[listen]\naddresses = ['0.0.0.0']\n[[interface]]\nname = 'e'\naddresses = ['192.0.2.1', '2001:db8::1']",
            "a.toml:5: error: 2001:db8::1 is in no address of [listen]: TCP, and what the XDP program passes up, would "
            "find no socket; add it there",
        ),
        (
            "[server]\nlease_s = 0.5",
            "a.toml:2: error: lease_s 0.5 is too short to be renewed in time; at least 1, or 0 for a lease without end",
        ),
        ("[[interface]]\nname = 'e'\n[[interface]]\nname = 'e'", "a.toml:4: error: interface e is there twice"),
        (
            "[listen]\nport = 5300\n[[interface]]\nname = 'e'",
            "a.toml:2: error: [listen] port 5300 must be the interfaces' port 53: what the XDP program passes up would "
            "find no socket",
        ),
        (
            "[[zone]]\nname = 'A.b'\nfile = 'x'\n[[zone]]\nname = 'a.B.'\nfile = 'y'",
            "a.toml:5: error: zone a.b. is there twice",
        ),
        ("[[zone]]\nname = 'a..b'\nfile = 'x'", "a.toml:2: error: zone name 'a..b': empty label"),
        ("[server\nidentity = 1", "a.toml:1: error: Expected ']' at the end of a table declaration in column 8"),
        ("[listen]\nport = 1\nport = 2", "a.toml:3: error: Cannot overwrite a value"),
    ],
)
def test_one_mistake_is_told_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert findings(tmp_path, text) == [expected]


def test_no_mistake_hides_another(tmp_path: Path) -> None:
    found = findings(
        tmp_path, "[server]\nidentity = 5\nx = 1\n[listen]\nport = -1\n[[zone]]\nname = 'a'\n[[zone]]\nfile = 'b'\n"
    )
    assert [line.split(": ")[0] for line in found] == ["a.toml:2", "a.toml:3", "a.toml:5", "a.toml:6", "a.toml:8"]


def test_a_mistake_of_one_kind_hides_none_of_another(tmp_path: Path) -> None:
    """What the values of a table mean is looked at where the table itself is right."""
    text = "[listen]\nport = '53'\n[server]\nlease_s = 0.5\n[[zone]]\nname = 'a..b'\nfile = 'x'\n[[interfaces]]\n"
    assert [line.split(": ")[0] for line in findings(tmp_path, text)] == [
        "a.toml:2",
        "a.toml:8",
        "a.toml:6",
        "a.toml:4",
    ]


def warnings(tmp_path: Path, text: str) -> list[str]:
    """Return what is doubtful about a configuration on this machine."""
    file = tmp_path / "a.toml"
    file.write_text(text)
    found = examine_machine(load_config(file), file)
    assert all(one.severity == "warning" for one in found)
    return [f"{one.line}: {one.reason.replace(f'{tmp_path}/', '')}" for one in found]


MACHINE = '[listen]\naddresses = ["127.0.0.1"]\n[server]\nrun_dir = "run"\nstate_dir = "state"\n'
ZONE = '[[zone]]\nname = "a."\nfile = "a"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MACHINE + ZONE, []),
        (MACHINE + ZONE + '[[interface]]\nname = "nonesuch0"\nmode = "off"\n', []),
        (MACHINE, ["0: no zone is configured, so every query is refused: add a [[zone]] or a [[pattern]]"]),
        (
            MACHINE.replace("127.0.0.1", "192.0.2.77") + ZONE,
            ["2: 192.0.2.77 is no address of this machine: the server does not start"],
        ),
        (
            MACHINE.replace('"state"', '"a.toml"') + ZONE,
            ["5: state_dir a.toml: a.toml is a file, not a folder; nothing is kept for the next start"],
        ),
        (
            MACHINE.replace('"run"', '"a.toml/run"') + ZONE,
            ["4: run_dir a.toml/run: a.toml/run: Not a directory; the server does not start"],
        ),
        (
            MACHINE.replace('"state"', '"/proc/self/state"') + ZONE,
            ["5: state_dir /proc/self/state: is missing, and /proc/self may not be written by this user; nothing"],
        ),
    ],
)
def test_what_the_machine_lacks(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = warnings(tmp_path, text)
    assert len(found) == len(expected)
    assert all(one.startswith(words) for one, words in zip(found, expected, strict=True)), found


def test_interfaces_share_one_port(tmp_path: Path) -> None:
    text = "[[interface]]\nname = 'a'\n[[interface]]\nname = 'b'\nport = 54\n"
    assert "all interfaces must have the same port, not 53, 54" in findings(tmp_path, text)[0]


def test_a_long_socket_path_is_refused_before_the_kernel_does(tmp_path: Path) -> None:
    assert "longer than the 107 octets" in findings(tmp_path, f"[server]\nrun_dir = '/{'d' * 110}'\n")[0]


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_octets_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"[server]\nidentity = '\xff'")
    with pytest.raises(ConfigError, match="is not UTF-8: octet 21"):
        load_config(tmp_path / "a.toml")


def test_lines_of_keys_in_repeated_tables() -> None:
    lines = key_lines("# c\n[[zone]]\nname = 'a'\n\n[[zone]] # second\n  name = 'b'\n[listen]\nport=1\n")
    assert lines[("zone", 0, "name")] == 3
    assert lines[("zone", 1)] == 5
    assert lines[("zone", 1, "name")] == 6
    assert lines[("listen", "port")] == 8


def test_folders_of_included_files(tmp_path: Path) -> None:
    path = tmp_path / "appliance.toml"
    path.write_text('[server]\ninclude_below = ["zones", "/srv/common"]\n')
    assert load_config(path).server.include_below == (f"{tmp_path}/zones", "/srv/common")


@pytest.mark.parametrize("value", ['"zones"', '[""]', '["a\\u0000b"]', "[1]", f'["{"x" * 4096}"]', str(["a"] * 65)])
def test_folders_that_are_none_are_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "appliance.toml"
    path.write_text(f"[server]\ninclude_below = {value}\n")
    config, [finding] = examine(path)
    assert config is None
    assert finding.line == 2
    assert "include_below" in finding.reason


def test_a_path_has_no_nul(tmp_path: Path) -> None:
    path = tmp_path / "appliance.toml"
    path.write_text('[[zone]]\nname = "a."\nfile = "a\\u0000b"\n[[pattern]]\nfile = "{zone}\\u0000"\n')
    config, findings = examine(path)
    assert config is None
    assert [finding.line for finding in findings] == [3, 5]


def test_an_interface_that_is_not_here_is_told_with_those_that_are(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, MACHINE + ZONE + '[[interface]]\nname = "nonesuch0"\n')
    assert found.startswith("10: no interface nonesuch0; it is served when it appears; there are ")
