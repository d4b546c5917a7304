# SPDX-License-Identifier: GPL-3.0-or-later
"""The running server becomes what its configuration file says: what differs is told, and only that changes."""

import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import pytest

from appliance.control.tls_setup import Setup
from appliance.errors import ApplianceError
from tests.harness.served import ROOT, Served, configuration, decoded, serving, until, zone_text
from tests.unit.control.test_health import free_port

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield a server with one zone; each test writes the configuration that it wants."""
    folder = tmp_path_factory.mktemp("apply")
    for name in ("example.", "other."):
        (folder / f"{name}zone").write_text(zone_text())
    (folder / "appliance.toml").write_text(configuration("example."))
    with serving(folder) as served:
        yield served


def write(server: Served, *zones: str, more: str = "", **replaced: str) -> None:
    """Put another configuration in place; `replaced` are values of keys that stand in it anyway."""
    text = configuration(*zones, more=more)
    for key, value in replaced.items():
        lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    server.config.write_text(text)


def words(told: dict[str, Any]) -> list[str]:
    """Return what a change of the configuration is told to change."""
    return [one["words"] for one in told["changes"]]


def applied(server: Served) -> dict[str, Any]:
    """Apply what is in the file; nothing is left to do then."""
    told: dict[str, Any] = server.ask("apply")
    assert told["ok"], told
    again = server.ask("apply", dry_run=True)
    assert not again["would_change"], again
    return told


def identity(server: Served) -> str:
    """Return what the server calls itself."""
    reply = server.query("id.server.", "TXT", rdclass="CH")
    return str(reply.answer[0][0].to_text()).strip('"')


def test_nothing_to_change(server: Served) -> None:
    write(server, "example.")
    applied(server)
    done = server.command("apply", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "nothing to change\n"), done.stderr
    assert server.command("reconfig").stdout == "nothing to change\n"


def test_zones_come_and_go(server: Served) -> None:
    write(server, "example.")
    applied(server)
    write(server, "example.", "other.")
    shown = server.command("apply", "--dry-run")
    assert shown.returncode == 2, shown.stderr
    assert shown.stdout == "1 zone new: other.\nnothing was changed (--dry-run)\n"
    assert server.address("www.other.") == "REFUSED"
    assert applied(server)["zones"] == {"new": ["other."], "gone": [], "elsewhere": [], "settings": []}
    assert server.address("www.other.") == "192.0.2.2"
    write(server, "other.")
    assert server.command("repattern", "--json").returncode == 0
    assert server.address("www.example.") == "REFUSED"
    write(server, "example.")
    assert applied(server)["zones"]["gone"] == ["other."]


def test_a_zone_gets_another_file(server: Served) -> None:
    write(server, "example.")
    applied(server)
    (server.folder / "second.zone").write_text(zone_text(7, 77))
    server.config.write_text(server.config.read_text().replace("example.zone", "second.zone"))
    assert applied(server)["zones"]["elsewhere"] == ["example."]
    assert server.address() == "192.0.2.77"
    write(server, "example.")
    applied(server)
    assert server.address() == "192.0.2.2"


def test_a_zone_that_cannot_be_read_stops_nothing(server: Served) -> None:
    write(server, "example.", "lost.", more="[limits]\nedns_size = 1220")
    told = server.ask("apply")
    assert not told["ok"]
    assert [one["zone"] for one in told["outcomes"] if not one["ok"]] == ["lost."]
    assert not server.ask("apply", dry_run=True)["would_change"]
    assert server.address("www.lost.") == "SERVFAIL"
    write(server, "example.")
    applied(server)


def test_workers_grow_and_shrink(server: Served) -> None:
    for count in (4, 1, 2):
        write(server, "example.", more=f"tcp_workers = {count}")
        applied(server)
        until(lambda count=count: server.ask("status")["workers"]["alive"] == count)  # type: ignore[misc]
        assert server.address() == server.address(tcp=True) == "192.0.2.2"


def test_what_workers_are_told(server: Served) -> None:
    write(server, "example.", identity='"another"', more="[limits]\nedns_size = 600")
    told = applied(server)
    assert '[server]: identity "test" becomes "another"' in words(told)
    assert "[limits]: edns_size 1232 becomes 600" in words(told)
    until(lambda: identity(server) == "another")  # those that were there before answer what they have in hand
    reply = server.query("big.example.", "TXT", use_edns=0, payload=4096)
    assert reply.flags & dns.flags.TC
    assert reply.payload == 600
    write(server, "example.")
    applied(server)


def test_addresses_come_and_go(server: Served) -> None:
    write(server, "example.", addresses='["127.0.0.1", "127.0.0.2"]')
    told = applied(server)
    assert words(told) == ['[listen]: addresses ["127.0.0.1"] becomes ["127.0.0.1", "127.0.0.2"]']
    query = dns.message.make_query("www.example.", "A")
    for ask in (dns.query.udp, dns.query.tcp):
        assert ask(query, "127.0.0.2", port=server.port, timeout=10).answer
    assert [one["address"] for one in server.ask("status")["listening"]] == ["127.0.0.1", "127.0.0.2"]
    write(server, "example.", addresses='["0.0.0.0"]')
    applied(server)
    assert dns.query.udp(query, "127.0.0.3", port=server.port, timeout=10).answer
    write(server, "example.")
    applied(server)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        assert client.connect_ex(("127.0.0.3", server.port)) != 0


def test_a_step_that_fails_leaves_all_as_it_was(server: Served) -> None:
    """Sockets are opened first, and the workers have them when the second step fails."""
    write(server, "example.")
    applied(server)
    before = server.ask("status")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.2", server.port))
        write(server, "other.", addresses='["127.0.0.1", "127.0.0.2"]', identity='"new"', more="tcp_workers = 3")
        done = server.command("apply")
    assert done.returncode == 1
    assert "opening the sockets failed: cannot listen on 127.0.0.2" in done.stderr
    assert "the server is as it was before" in done.stderr
    write(server, "other.", addresses='["127.0.0.1", "127.0.0.2"]', more="tcp_workers = 3\n[store]\nmemory_mib = 1")
    with pytest.raises(ApplianceError, match="serving the interfaces failed: the answer store needs"):
        server.ask("apply")
    after = server.ask("status")
    assert {key: after[key] for key in ("listening", "workers", "zones")} == {
        key: before[key] for key in ("listening", "workers", "zones")
    }
    assert identity(server) == "test"
    assert server.address() == "192.0.2.2"
    write(server, "example.")
    applied(server)


def test_a_broken_configuration_changes_nothing(server: Served) -> None:
    write(server, "example.")
    applied(server)
    server.config.write_text(
        server.config.read_text() + '[limits]\nedns_sise = 3\npass_rate = "x"\n[[zone]]\nname = "new."\n'
    )
    with pytest.raises(ApplianceError) as told:
        server.ask("apply")
    lines = str(told.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{server.config}:") for line in lines)
    assert "did you mean 'edns_size'?" in str(told.value)
    assert server.command("apply", "--dry-run").returncode == 1
    assert server.address() == "192.0.2.2"
    for words, status in BESIDE_A_BROKEN_FILE:
        done = server.command(*words)
        assert done.returncode == status, (words, done.stdout, done.stderr)
    assert "the next start would fail" in server.command("status").stdout
    write(server, "example.")
    applied(server)


BESIDE_A_BROKEN_FILE = [
    (("status",), 2),
    (("zone", "status"), 0),
    (("stats",), 0),
    (("reload",), 1),
    (("drain",), 0),
    (("undrain",), 0),
    (("freeze",), 0),
    (("thaw",), 0),
    (("zone", "status", "example."), 0),
]
"""What an operator asks for just after a slip in the file."""


HOSTILE = {
    "empty key": b"= 1\n",
    "no UTF-8": b"\xff\xfe\n",
    "NUL": b'[server]\nidentity = "a\x00b"\n',
    "nested": b"a = " + b"[" * 5000 + b"]" * 5000,
    "cut off": b"[listen]\naddresses = [",
    "a long line": b"# " + b"x" * (10 << 20) + b"\n[listen]\nport = -1\n",
    "everything wrong": b"[listen]\nport = true\ntcp_workers = 0\n[limits]\nedns_size = 9999\n[zone]\nname = 1\n",
}


@pytest.mark.parametrize("kind", [*HOSTILE, "missing", "a folder"])
def test_a_hostile_configuration_changes_nothing(server: Served, kind: str) -> None:
    write(server, "example.")
    applied(server)
    before = server.ask("status")
    server.config.unlink()
    if kind == "a folder":
        server.config.mkdir()
    elif kind in HOSTILE:
        server.config.write_bytes(HOSTILE[kind])
    try:
        for dry_run in (True, False):
            with pytest.raises(ApplianceError) as told:
                server.ask("apply", dry_run=dry_run)
            assert all(line.startswith(str(server.config)) for line in str(told.value).splitlines())
            assert len(str(told.value)) < 5000
        after = server.ask("status")
        assert [after[key] for key in ("zones", "workers", "listening")] == [
            before[key] for key in ("zones", "workers", "listening")
        ]
        assert server.address() == "192.0.2.2"
    finally:
        if kind == "a folder":
            server.config.rmdir()
        write(server, "example.")
    applied(server)
    assert server.ask("status")["healthy"]


def test_what_is_kept_can_be_switched(server: Served) -> None:
    for keep in ("false", "true"):
        write(server, "example.", more=f"[journal]\nkeep = {keep}\n[store]\nimage = {keep}")
        applied(server)
    until(lambda: server.command("zone", "journal", "example.").returncode == 0)
    write(server, "example.")
    applied(server)


def test_what_waits_for_a_restart(server: Served) -> None:
    write(server, "example.", more="tcp_workers = 3\n")
    server.config.write_text(server.config.read_text().replace("[listen]", 'operate_group = "staff"\n[listen]'))
    told = applied(server)
    assert [one["key"] for one in told["restart"]] == ["server.operate_group"]
    shown = server.command("apply", "--dry-run")
    assert shown.returncode == 0
    assert "needs a restart: server.operate_group" in shown.stdout
    status = server.ask("status")
    assert status["workers"]["wanted"] == 3
    assert any("server.operate_group" in one for one in status["warnings"])
    assert server.command("reload").returncode == 0
    write(server, "example.")
    applied(server)
    assert server.ask("status")["warnings"] == []


def test_many_removals_are_refused_as_a_whole(server: Served) -> None:
    folder = server.folder
    (folder / "same.zone").write_text(zone_text())
    (folder / "list").write_text("".join(f"a{number}.test\n" for number in range(40)))
    pattern = '[[pattern]]\nfile = "same.zone"\nzones = "list"\n'
    write(server, "example.", more=pattern)
    assert len(applied(server)["zones"]["new"]) == 40
    write(server, "example.", more="tcp_workers = 1")
    with pytest.raises(ApplianceError, match="nothing is changed: 40 of 41 zones would be removed") as told:
        server.ask("apply")
    assert server.ask("status")["workers"]["wanted"] == 2
    number = str(told.value).rpartition("`appliance apply --allow-removal ")[2].rstrip("`")
    assert server.ask("apply", allow_removal=number)["ok"]
    assert server.ask("status")["workers"]["wanted"] == 1
    write(server, "example.")
    applied(server)


def test_other_checks_judge_what_is_served(server: Served) -> None:
    folder = server.folder
    (folder / "zonemd.zone").write_text(zone_text() + f"@ ZONEMD 1 1 1 {'00' * 48}\n")
    write(server, "example.", "zonemd.", more='[checks]\nzonemd-mismatch = "off"')
    applied(server)
    write(server, "example.", "zonemd.", more='[checks]\nzonemd-mismatch = "error"')
    told = server.ask("apply")
    assert [one["zone"] for one in told["outcomes"] if not one["ok"]] == ["zonemd."]
    assert not server.ask("apply", dry_run=True)["would_change"]
    assert server.address("www.zonemd.") == "192.0.2.2"
    write(server, "example.")
    applied(server)


def test_hangup_applies_and_reloads(server: Served) -> None:
    write(server, "example.", "other.")
    (server.folder / "example.zone").write_text(zone_text(2, 22))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.address("www.other.") == "192.0.2.2" and server.address() == "192.0.2.22")
    server.config.write_text("[limits]\nedns_sise = 3\n")
    (server.folder / "example.zone").write_text(zone_text(3, 33))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.address() == "192.0.2.33")
    problems = server.ask("status")["problems"]
    assert len(problems) == 1
    assert "the next start would fail: line 2: unknown key 'edns_sise'" in problems[0]
    write(server, "example.")
    applied(server)


def test_verbs_over_tls_are_taken_when_apply_has_ended(server: Served) -> None:
    """They were seconds later, and the first command from elsewhere said that there is no server."""
    fingerprint = Setup(server.folder / "control").run("operator")["fingerprint"]
    port = free_port()
    client = f'[[control_client]]\nname = "me"\nfingerprint = "{fingerprint}"\n'
    for address in ("127.0.0.1", "127.0.0.2"):
        write(server, "example.", more=f'[control]\naddress = "{address}"\nport = {port}\nfolder = "control"\n{client}')
        server.ask("apply")
        socket.create_connection((address, port), 60).close()
    remote = ("--server", f"127.0.0.2:{port}", "zone", "status", "example.")
    assert re.search(r"^example\. +serving", server.command(*remote).stdout, re.MULTILINE)
    assert json.loads(server.command(*remote, "--json").stdout)["name"] == "example."
    write(server, "example.")
    applied(server)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), 60)


def test_json_says_what_was_done(server: Served) -> None:
    write(server, "example.", "other.", more="[limits]\npass_rate = 7")
    told = decoded(server.command("apply", "--json"))
    assert told["changes"] == [
        {
            "table": "limits",
            "name": "",
            "key": "pass_rate",
            "before": 20000,
            "after": 7,
            "words": "[limits]: pass_rate 20000 becomes 7",
        }
    ]
    assert told["zones"]["new"] == ["other."]
    assert [one["ok"] for one in told["outcomes"]] == [True]
    write(server, "example.")
    applied(server)


def test_the_example_of_the_page(tmp_path: Path) -> None:
    """The commands of docs/apply.md print what it shows."""
    page = (ROOT / "docs" / "apply.md").read_text().partition("## An example")[2]
    (first, second), (commands,), (shown,) = (
        re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("toml", "sh", "text")
    )
    (tmp_path / "same.zone").write_text(zone_text())
    (tmp_path / "zones").write_text("example.com\n")
    (tmp_path / "appliance.toml").write_text(first)
    with serving(tmp_path) as server:
        (tmp_path / "zones").write_text("example.com\nexample.net\n")
        server.config.write_text(second)
        printed = [server.command(*line.split()[1:]).stdout for line in commands.splitlines()]
        assert "".join(printed) == shown
        assert server.address("www.example.net.") == "192.0.2.2"


def test_it_outlives_a_restart(tmp_path: Path) -> None:
    """What was applied is what the next start finds; a zone that has gone does not come back."""
    for name in ("example.", "other."):
        (tmp_path / f"{name}zone").write_text(zone_text())
    (tmp_path / "appliance.toml").write_text(configuration("example."))
    with serving(tmp_path) as server:
        write(server, "other.")
        applied(server)
    with serving(tmp_path) as server:
        assert [one["name"] for one in server.ask("status")["zones"]] == ["other."]
        assert not server.ask("apply", dry_run=True)["would_change"]
