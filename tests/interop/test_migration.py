# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of NSD, Knot, BIND and PowerDNS are imported, served, and compared with their own server."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest
from pyroute2 import netns

from appliance.config.load import load_config
from appliance.migration import nsd
from demo.network import Namespace
from tests.harness.served import ROOT, START_S, Served
from tests.interop.migrating import CASES, PORT, SECRET, Case

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

OURS = "127.0.0.2"
SAMPLES = {
    "nsd": Path("/etc/nsd/nsd.conf"),
    "nsd-sample": Path("/usr/share/doc/nsd/examples/nsd.conf.sample"),
    "knot": Path("/etc/knot/knot.conf"),
    "named": Path("/etc/bind/named.conf"),
    "pdns": Path("/etc/powerdns/pdns.conf"),
}
NAMED_SAMPLE = (
    "mount -t tmpfs tmpfs /run && mkdir /run/named && mount -t tmpfs tmpfs /var/cache/bind "
    "&& exec named -f -n 1 -c /etc/bind/named.conf"
)


def appliance(*arguments: str, within: Namespace | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance", *arguments]
    command = within.command(command) if within else command
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=ROOT)


def imported(file: Path, output: Path, *options: str) -> dict[str, Any]:
    done = appliance("import", str(file), "--output", str(output), "--json", *options)
    result: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (2 if result.get("left_out") else 0), done.stdout + done.stderr
    return result


@contextmanager
def network(name: str) -> Iterator[Namespace]:
    home = Namespace(name, "127.0.0.1", "::1", device="lo")
    subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, capture_output=True)
        yield home
    finally:
        home.remove()


def await_answer(home: Namespace, process: subprocess.Popen[Any], zone: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    netns.pushns(home.name)
    try:
        while True:
            try:
                reply = dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", 0.2, port)
                if reply.answer:
                    return
            except (OSError, dns.exception.Timeout):
                pass
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.05)
    finally:
        netns.popns()


@contextmanager
def both(home: Namespace, folder: Path, command: Sequence[str], zone: str, port: int, config: Path) -> Iterator[Served]:
    """Yield our server on an imported configuration, with an address of its own, beside the old one."""
    own = folder / "ours"
    own.mkdir()
    text = config.read_text()
    text = text.replace('"127.0.0.1"', f'"{OURS}"').replace('"0.0.0.0", "::"', f'"{OURS}"')
    assert f'addresses = ["{OURS}"]' in text
    config.write_text(text)
    (own / "appliance.toml").write_text(f'include = ["{config}"]\n[server]\nrun_dir = "run"\nstate_dir = "state"\n')
    with (folder / "old.log").open("wb") as log, (own / "log").open("w") as said:
        old = home.start(*command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        serve = [sys.executable, "-m", "appliance", "serve", "--no-xdp", "--config", str(own / "appliance.toml")]
        ours = home.start(*serve, stdin=subprocess.DEVNULL, stdout=said, stderr=said, text=True, cwd=ROOT)
        served = Served(own, ours)
        served.wait_ready()
        await_answer(home, old, zone, port, folder / "old.log")
        yield served


def compared(home: Namespace, served: Served, port: int, *options: str) -> tuple[int, dict[str, Any]]:
    arguments = ["--compare", f"127.0.0.1@{port}", "--with", str(served.config), "--rate", "2000", "--json", *options]
    done = appliance("import", *arguments, within=home)
    assert done.returncode in (0, 2), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("program", CASES)
def test_fifty_zones(program: str, tmp_path: Path, unique_name: Callable[[], str]) -> None:
    case: Case = CASES[program](tmp_path)
    config = tmp_path / "made" / "appliance.toml"
    config.parent.mkdir()
    result = imported(case.file, config)
    assert result["zones"] == case.zones
    assert {one["zone"] for one in result["left_out"]} == case.left_out
    assert SECRET not in json.dumps(result) + config.read_text()
    checked = appliance("check-config", str(config), "--json")
    assert json.loads(checked.stdout)["ok"], checked.stdout
    assert not [one for one in json.loads(checked.stdout)["findings"] if "secret_file" in one["reason"]]
    with network(unique_name()) as home, both(home, tmp_path, case.command, "z01.example", PORT, config) as served:
        status, result = compared(home, served, PORT, "--samples", "6")
        assert status == 0, json.dumps(result, indent=1)
        assert result["zones"] == case.zones
        assert result["questions"] > 15 * case.zones
        for name in ("z00.example", "z07.example", "secret.example"):
            seen = {"z00.example"} if program == "named" else set()  # another view shows it to everybody
            expected = "REFUSED" if name in case.left_out - seen else "NOERROR"
            if name in case.left_out or name != "secret.example":
                assert rcode(home, name) == expected


def rcode(home: Namespace, zone: str) -> str:
    netns.pushns(home.name)
    try:
        reply = dns.query.udp(dns.message.make_query(zone, "SOA"), OURS, 10, PORT)
    finally:
        netns.popns()
    return dns.rcode.to_text(reply.rcode())


def test_what_differs_is_told(tmp_path: Path, unique_name: Callable[[], str]) -> None:
    """One address, one TTL and one name are changed behind our server's back."""
    case = CASES["nsd"](tmp_path)
    config = tmp_path / "made" / "appliance.toml"
    config.parent.mkdir()
    imported(case.file, config)
    home_name = unique_name()
    copy = tmp_path / "copy"
    copy.mkdir()
    text = config.read_text()
    for number, change in (
        (1, ("192.0.2.3", "192.0.2.99")),
        (2, ("www 60", "www 61")),
        (3, ("a.b.c TXT", "a.b.d TXT")),
    ):
        name = f"z0{number}.example.zone"
        (copy / name).write_text((tmp_path / "zones" / name).read_text().replace(*change))
        own = f'name = "z0{number}.example"\npattern = "common"\n'
        assert own in text
        text = text.replace(own, f'{own}file = "{copy / name}"\n')
    config.write_text(text)
    with network(home_name) as home, both(home, tmp_path, case.command, "z01.example", PORT, config) as served:
        status, result = compared(home, served, PORT, "--samples", "14")
        assert status == 2
        kinds = {group["kind"] for group in result["differences"] if not group["optional"]}
        assert kinds == {"answer section", "TTL in answer", "rcode"}, json.dumps(result, indent=1)
        few = ["--samples", "1", "--seed", "9"]
        assert compared(home, served, PORT, *few) == compared(home, served, PORT, *few)  # the seed chooses the names
        options = ["--with", str(served.config), "--rate", "2000", "--samples", "14"]
        told = appliance("import", "--compare", f"127.0.0.1@{PORT}", *options, within=home)
        assert told.returncode == 2
        assert "answer section: " in told.stdout
        assert "192.0.2.99" in told.stdout
        assert "the answers differ" in told.stdout
        ended = appliance("import", "--compare", "127.0.0.9@9", "--with", str(served.config), within=home)
        assert ended.returncode == 1
        assert "the old server 127.0.0.9@9 does not answer" in ended.stderr


FORMS = ["%s.zone", "%1/%s.zone", "%z/%y/%x/%s.zone", "%1%2%3.%s.x"]
ODD_ZONES = ["example.com", "a.b.c.d.example.", "x", "."]


@pytest.mark.parametrize("form", FORMS)
def test_the_files_that_nsd_would_read(form: str, tmp_path: Path, unique_name: Callable[[], str]) -> None:
    """Each is missing, and NSD says so with its name."""
    zones = "".join(f'zone:\n name: "{zone}"\n include-pattern: p\n' for zone in ODD_ZONES)
    config = tmp_path / "nsd.conf"
    config.write_text(
        f'server:\n ip-address: 127.0.0.1@{PORT}\n username: ""\n database: ""\n zonesdir: "{tmp_path}"\n'
        f' xfrdir: "{tmp_path}"\n'
        f' pidfile: ""\n zonelistfile: "{tmp_path}/list"\n xfrdfile: ""\n'
        f'remote-control:\n control-enable: no\npattern:\n name: p\n zonefile: "{form}"\n{zones}'
    )
    log = tmp_path / "log"
    with network(unique_name()) as home, log.open("wb") as output:
        process = home.start("nsd", "-d", "-c", str(config), stdout=output, stderr=output)
        deadline = time.monotonic() + START_S
        while len(found := re.findall(r"zonefile (\S+) does not exist", log.read_text())) < len(ODD_ZONES):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
    assert {zone.file for zone in nsd.read(config).zones} == {os.path.normpath(tmp_path / file) for file in found}


def test_a_configuration_database_of_knot(tmp_path: Path) -> None:
    case = CASES["knot"](tmp_path)
    database = tmp_path / "confdb"
    subprocess.run(["knotc", "-C", str(database), "conf-import", str(case.file)], check=True, capture_output=True)
    from_text, from_database = (tmp_path / name for name in ("text.toml", "database.toml"))
    first, second = imported(case.file, from_text), imported(database, from_database)
    assert second["zones"] == first["zones"] == case.zones
    zones = [load_config(path).zone for path in (from_text, from_database)]
    assert {(zone.name.lower(), zone.file, zone.notify) for zone in zones[0]} == {
        (zone.name.lower(), zone.file, zone.notify) for zone in zones[1]
    }


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_of_debian(sample: str, tmp_path: Path) -> None:
    assert SAMPLES[sample].exists(), "the package is not installed: make bootstrap"
    config = tmp_path / "appliance.toml"
    result = imported(SAMPLES[sample], config)
    assert result["program"] == sample.partition("-")[0]
    assert result["zones"] == (4 if sample == "named" else 0)
    assert all(one["reason"] and one["line"] for one in result["not_carried"] if one["what"] != "addresses")
    checked = appliance("check-config", str(config), "--json")
    assert json.loads(checked.stdout)["ok"], checked.stdout


def test_the_zones_of_debians_named(tmp_path: Path, unique_name: Callable[[], str]) -> None:
    config = tmp_path / "appliance.toml"
    imported(SAMPLES["named"], config)
    command = ["unshare", "--mount", "sh", "-ec", NAMED_SAMPLE]
    with network(unique_name()) as home, both(home, tmp_path, command, "localhost", 53, config) as served:
        status, result = compared(home, served, 53)
        assert status == 0, json.dumps(result, indent=1)
        assert result["zones"] == 4


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    """Each import of a configuration that Debian installs; the database is made for it."""
    database = tmp_path / "confdb"
    subprocess.run(
        ["knotc", "-C", str(database), "conf-import", "/etc/knot/knot.conf"], check=True, capture_output=True
    )
    lines = (ROOT / "docs" / "migrate.md").read_text().splitlines()
    commands = [line.split()[1:] for line in lines if line.startswith("appliance import /")]
    assert len(commands) >= 6
    for words in commands:
        place = words.index("--output") + 1
        words = [*words[:place], str(tmp_path / "made.toml"), *words[place + 1 :], "--force"]
        words = [
            word.replace("/var/lib/knot/confdb", str(database)).replace("example.com", "localhost") for word in words
        ]
        done = appliance(*words)
        assert done.returncode == 0, done.stderr
        assert load_config(tmp_path / "made.toml").listen.port == 53
