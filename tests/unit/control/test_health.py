# SPDX-License-Identifier: GPL-3.0-or-later
"""`appliance health` asks as clients do: what they would miss makes it fail, what one zone's owner did does not."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.control.health import Answer, _judged
from tests.harness.served import Served, configuration, decoded, serving, zone_text
from tests.unit.publish.test_heartbeat import workers_of

pytestmark = pytest.mark.unit

PATIENCE = ("--timeout", "30")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.bind(("127.0.0.1", 0))
        return int(tcp.getsockname()[1])


def write(folder: Path, more: str = "", good: tuple[str, ...] = ("one.", "two.")) -> None:
    text = configuration("broken.", *good, more=f"worker_silence_s = 0\n{more}")
    (folder / "appliance.toml").write_text(text.replace("port = 0", f"port = {free_port()}"))
    for name in ("one", "two"):
        (folder / f"{name}.zone").write_text(zone_text(7))
    (folder / "broken.zone").write_text("this is no zone\n")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    write(tmp_path)
    with serving(tmp_path) as served:
        yield served


def test_a_customers_broken_zone_takes_no_site_off_the_air(server: Served) -> None:
    assert server.command("status").returncode == 2
    done = server.command("health", "--json", *PATIENCE)
    told = decoded(done)
    assert done.returncode == 0, done.stdout
    assert (told["healthy"], told["problems"]) == (True, [])
    assert [(one["zone"], one["way"], one["rcode"], one["serial"]) for one in told["answers"]] == [
        (zone, f"{way} 127.0.0.1", "SERVFAIL" if serial is None else "NOERROR", serial)
        for zone, serial in (("broken.", None), ("one.", 7), ("two.", 7))
        for way in ("UDP", "TCP")
    ]
    shown = server.command("health", *PATIENCE)
    assert shown.returncode == 0
    assert shown.stdout.endswith("healthy\n")
    assert "NOERROR, serial 7" in shown.stdout


@pytest.mark.parametrize("zone", ["broken.", "elsewhere.test.", "www.one."])
def test_a_zone_that_is_named_must_be_answered(server: Served, zone: str) -> None:
    assert server.command("health", "--zone", "one.", *PATIENCE).returncode == 0
    done = server.command("health", "--zone", "one.", "--zone", zone, *PATIENCE)
    assert done.returncode == 1
    assert f"! zone {zone}: UDP 127.0.0.1: " in done.stdout
    assert f"! zone {zone}: TCP 127.0.0.1: " in done.stdout
    assert "zone one.:" not in done.stdout


def test_names_of_the_configuration(tmp_path: Path) -> None:
    write(tmp_path, '[health]\nnames = ["two", "broken"]\n')
    with serving(tmp_path) as server:
        told = decoded(server.command("health", "--json", *PATIENCE))
        assert {one["zone"] for one in told["answers"]} == {"two.", "broken."}
        assert not told["healthy"]


def test_where_no_zone_is_answered_it_is_not_healthy(tmp_path: Path) -> None:
    write(tmp_path, good=())
    with serving(tmp_path) as server:
        done = server.command("health", *PATIENCE)
        assert done.returncode == 1
        assert "none of the zones broken. is answered with its SOA" in done.stdout


def test_a_server_without_zones_is_healthy_if_it_answers(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration().replace("port = 0", f"port = {free_port()}"))
    with serving(tmp_path) as server:
        assert server.command("health", *PATIENCE).returncode == 0
        server.end()
        assert server.command("health", *PATIENCE).returncode == 1


def test_status_is_never_looked_at(server: Served) -> None:
    """A control process that is stopped, and has no socket, does not matter to clients."""
    server.socket.unlink()
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert server.command("health", *PATIENCE).returncode == 0
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_workers_that_do_not_answer_make_it_unhealthy_in_time(server: Served) -> None:
    for pid in workers_of(server.process.pid):
        os.kill(pid, signal.SIGSTOP)
    try:
        done = server.command("health", "--timeout", "0.5")
    finally:
        for pid in workers_of(server.process.pid):
            os.kill(pid, signal.SIGCONT)
    assert done.returncode == 1
    assert "no answer in time" in done.stdout


def test_a_server_that_ended_is_not_healthy(server: Served) -> None:
    server.end()
    done = server.command("health", "--json", *PATIENCE)
    assert done.returncode == 1
    assert not decoded(done)["healthy"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("wrong", [("--zone", "a..b"), ("--timeout", "0"), ("--timeout", "x")])
def test_wrong_arguments(server: Served, wrong: tuple[str, ...]) -> None:
    done = server.command("health", *wrong)
    assert done.returncode == 1
    assert "rror" in done.stderr or "empty label" in done.stderr


def test_a_port_must_be_known(tmp_path: Path) -> None:
    (tmp_path / "appliance.toml").write_text(configuration("one."))
    (tmp_path / "one.zone").write_text(zone_text())
    with serving(tmp_path) as server:
        done = server.command("health")
        assert (done.returncode, done.stderr) == (
            1,
            "appliance: [listen] port = 0 takes any free port: set one, so that it can be asked\n",
        )


def answer(way: str, rcode: str = "NOERROR", serial: int | None = 1, remark: str = "") -> Answer:
    return Answer("a.", way, rcode, serial, remark)


def test_ways_that_differ_are_told() -> None:
    """As when an old program goes on answering old data over UDP while TCP answers new data."""
    good = [answer("UDP"), answer("TCP")]
    assert _judged(good, ["a."], False) == []
    old = [*good, answer("NIC path eth0", serial=0)]
    assert _judged(old, ["a."], False) == ["zone a.: UDP says serial 1, NIC path eth0 says serial 0"]
    refused = [*good, answer("NIC path eth0", "REFUSED", None)]
    assert _judged(refused, ["a."], False) == ["zone a.: UDP says serial 1, NIC path eth0 says REFUSED"]
    lost = [*good, answer("NIC path eth0", "", None, "the program dropped the query")]
    assert _judged(lost, ["a."], False) == ["zone a.: NIC path eth0: the program dropped the query"]
    assert _judged([answer("UDP", remark="not authoritative")], ["a."], True)
    assert _judged([], ["a."], False)
