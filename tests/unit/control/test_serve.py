# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a server: start, answer, reload, lose a worker, be refused a second time, stop."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.rcode
import pytest

from tests.harness.served import Served, configuration, decoded, serving, start, until, zone_text

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration("example.", "other."))
    (tmp_path / "example.zone").write_text(zone_text())
    (tmp_path / "other.zone").write_text(zone_text())
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Served]:
    with serving(folder) as served:
        yield served


def rewrite(file: Path, text: str) -> None:
    """Replace a file as editors and transfers do."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def test_answers_over_udp_and_tcp(server: Served) -> None:
    for tcp in (False, True):
        assert server.address("www.example.", tcp) == "192.0.2.2"
        assert server.address("WWW.eXample.", tcp) == "192.0.2.2"
        assert server.address("none.example.", tcp) == "NXDOMAIN"
        assert server.address("elsewhere.test.", tcp) == "REFUSED"
        assert server.query("any.wild.example.", "TXT", tcp).answer[0][0].to_text() == '"any"'


def test_long_answers_are_truncated_over_udp_and_whole_over_tcp(server: Served) -> None:
    reply = server.query("big.example.", "TXT", use_edns=0, payload=4096)
    assert reply.flags & dns.flags.TC
    assert not reply.answer
    reply = server.query("big.example.", "TXT", tcp=True)
    assert len(reply.to_wire()) > 60_000
    assert sum(map(len, reply.answer[0][0].strings)) == 250 * 243


def test_names_below_a_dname(server: Served) -> None:
    reply = server.query("host.old.example.")
    assert [rrset.to_text() for rrset in reply.answer] == [
        "old.example. 300 IN DNAME new.example.",
        "host.old.example. 300 IN CNAME host.new.example.",
        "host.new.example. 300 IN A 192.0.2.9",
    ]
    assert server.query("none.old.example.").rcode() == dns.rcode.NXDOMAIN


def test_identity(server: Served) -> None:
    reply = server.query("id.server.", "TXT", rdclass="CH")
    assert reply.answer[0][0].to_text() == '"test"'
    assert server.query("version.bind.", "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED


def test_status_and_stats(server: Served) -> None:
    server.address()
    done = server.command("status", "--json", "--zones")
    assert done.returncode == 0
    status = decoded(done)
    assert status["healthy"] is True
    assert status["workers"] == {"alive": 2, "wanted": 2, "restarts": 0}
    assert [(zone["name"], zone["state"], zone["serial"]) for zone in status["zones"]] == [
        ("example.", "serving", 1),
        ("other.", "serving", 1),
    ]
    assert "example." in server.command("status", "--zones").stdout
    assert "example." not in server.command("status").stdout
    stats = decoded(server.command("stats", "--json"))
    assert stats["userspace"]["answer_positive"] == 1
    assert stats["userspace"]["udp_queries"] == 1
    assert stats["verdicts"] == {}
    assert "answer_positive" in server.command("stats").stdout


def test_reload_takes_what_changed(server: Served) -> None:
    assert server.command("reload").stdout == "no zone file has changed\n"
    rewrite(server.folder / "example.zone", zone_text(2, 3))
    done = server.command("reload")
    assert (done.returncode, done.stdout) == (0, "example.: serial 1 replaced by 2: 2 records removed, 2 added\n")
    assert server.address() == "192.0.2.3"
    assert server.address("www.other.") == "192.0.2.2"
    done = server.command("zone", "reload", "OTHER")
    assert (done.returncode, done.stdout) == (0, "other.: serial 1 replaced by 1, the same records\n")
    done = server.command("reload", "nowhere.")
    assert (done.returncode, done.stderr) == (1, "appliance: zone nowhere. is not in the configuration\n")


def test_many_reloads_with_queries_meanwhile(server: Served) -> None:
    """Each answer is of one version, and room is found for the next one."""
    for serial in range(2, 40):
        rewrite(server.folder / "example.zone", zone_text(serial, serial))
        assert all(one["ok"] for one in server.ask("reload")["zones"])
        assert server.address() == f"192.0.2.{serial}"
        assert server.query("example.", "SOA").answer[0][0].serial == serial


def test_sighup_reloads(server: Served) -> None:
    rewrite(server.folder / "example.zone", zone_text(2, 3))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.ask("status")["zones"][0]["serial"] == 2)
    assert server.address() == "192.0.2.3"


def test_a_broken_file_keeps_the_old_version(server: Served) -> None:
    rewrite(server.folder / "example.zone", zone_text(2) + "broken A 192.0.2.999\n")
    done = server.command("reload")
    assert done.returncode == 1
    assert "example.zone:10: error: " in done.stderr
    assert done.stderr.endswith("; serial 1 is still served\n")
    assert server.address() == "192.0.2.2"
    done = server.command("status")
    assert done.returncode == 2
    assert "example.zone:10" in done.stdout.replace("\n", "")
    rewrite(server.folder / "example.zone", zone_text(3, 4))
    assert server.command("reload").returncode == 0
    assert server.command("status").returncode == 0
    assert server.address() == "192.0.2.4"


def test_a_zone_broken_from_the_start_answers_servfail_until_it_is_mended(folder: Path) -> None:
    (folder / "example.zone").write_text("www A\n")
    with serving(folder) as server:
        assert server.address("www.other.") == "192.0.2.2"
        for name in ("example.", "www.example.", "a.b.example."):
            assert server.query(name, "SOA").rcode() == dns.rcode.SERVFAIL
        status = server.ask("status")
        assert status["healthy"] is False
        assert [(zone["state"], zone["serial"]) for zone in status["zones"]] == [("not loaded", None), ("serving", 1)]
        assert "example.zone:1: error: " in server.log()
        rewrite(folder / "example.zone", zone_text())
        assert server.ask("reload")["zones"][0]["outcome"] == "serial 1"
        assert server.address() == "192.0.2.2"
        assert server.ask("status")["healthy"] is True


def test_a_missing_zone_file_is_told(folder: Path) -> None:
    (folder / "example.zone").unlink()
    with serving(folder) as server:
        assert "example.zone" in server.ask("status")["zones"][0]["error"]
        assert server.address() == "SERVFAIL"


def test_no_zones_at_all(folder: Path) -> None:
    (folder / "appliance.toml").write_text(configuration())
    with serving(folder) as server:
        assert server.address() == "REFUSED"
        assert server.ask("status")["healthy"] is True


def test_a_large_zone_is_reloaded_by_difference(folder: Path) -> None:
    hosts = "".join(f"h{number} A 192.0.2.7\n" for number in range(3000))
    with serving(folder) as server:
        for serial in range(2, 9):
            more = f"new{serial} A 192.0.2.{serial}\nh{serial} TXT changed\n"
            rewrite(folder / "example.zone", zone_text(serial, serial) + hosts + more)
            assert f"by {serial}" in server.ask("reload")["zones"][0]["outcome"]
            assert server.query("example.", "SOA").answer[0][0].serial == serial
            assert server.address() == f"192.0.2.{serial}"
            assert server.address(f"new{serial}.example.") == f"192.0.2.{serial}"
            assert server.address(f"new{serial - 1}.example.") == "NXDOMAIN"
            assert server.address("h2999.example.", tcp=True) == "192.0.2.7"
        changed = server.ask("stats")["store"]["changed_octets"]
        assert 0 < changed < 100_000


def test_a_store_that_gets_too_small_is_replaced_by_a_larger_one(folder: Path) -> None:
    with serving(folder) as server:
        names = "".join(f"host{number} A 192.0.2.7\nhost{number} TXT {'x' * 200}\n" for number in range(8000))
        rewrite(folder / "example.zone", zone_text(2, 3) + names)
        assert server.ask("reload")["zones"][0]["ok"]
        assert "moving to a larger one" in server.log()
        assert server.address("host7999.example.") == "192.0.2.7"
        assert server.address("www.other.", tcp=True) == "192.0.2.2"
        until(lambda: server.ask("status")["healthy"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(folder: Path, number: signal.Signals) -> None:
    with serving(folder) as server:
        assert server.end(number) == 0
        assert not server.socket.exists()
        assert "Traceback" not in server.log()


def test_stop_answers_the_query_under_way_over_tcp(folder: Path) -> None:
    with serving(folder) as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(b"\x00")
        done = server.command("stop")
        assert done.returncode == 0
        assert server.process.poll() == 0  # the command waited for it
        assert line.recv(1) == b""
        assert server.command("status").returncode == 3


def test_a_worker_that_dies_is_started_again(server: Served) -> None:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(int(children[0]), signal.SIGKILL)
    until(lambda: server.ask("status")["workers"]["restarts"] == 1)
    assert "ended with status -9" in server.log()
    for _ in range(20):
        assert server.address() == "192.0.2.2"
        assert server.address(tcp=True) == "192.0.2.2"


def test_a_signal_to_the_whole_group_is_the_control_process_to_act_on(folder: Path) -> None:
    """As from a terminal or a service manager: no worker dies of it, and none is started again while all end."""
    with serving(folder) as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        for pid in children:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(int(pid), number)
        assert server.address(tcp=True) == "192.0.2.2"
        assert server.ask("status")["workers"] == {"alive": 2, "wanted": 2, "restarts": 0}
        assert server.end() == 0
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
        assert "error" not in server.log()


def test_workers_end_with_a_killed_server_and_the_next_one_starts(folder: Path) -> None:
    with serving(folder) as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        server.end(signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
        assert server.socket.exists()
    with serving(folder) as again:
        assert again.address() == "192.0.2.2"


def test_a_second_server_is_refused(server: Served) -> None:
    second = start(server.folder)
    assert second.process.wait(30) == 1
    assert f"a server (process {server.process.pid}) already uses {server.folder}/run; stop it" in server.log()
    assert server.address() == "192.0.2.2"


def test_a_port_in_use_is_refused_in_one_line(server: Served) -> None:
    other = server.folder / "other"
    other.mkdir()
    (other / "appliance.toml").write_text(configuration().replace("port = 0", f"port = {server.port}"))
    second = start(other)
    assert second.process.wait(30) == 1
    said = [line for line in second.log().splitlines() if "no zone is configured" not in line]
    assert said == [
        f"appliance: cannot listen on 127.0.0.1 port {server.port} (UDP): the port is in use; "
        f"`ss -lnup sport = :{server.port}` shows by whom"
    ]
    assert not (other / "run" / "control.sock").exists()


def test_the_service_manager_is_told(folder: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        with serving(folder, NOTIFY_SOCKET=str(tmp_path / "notify")) as server:
            assert manager.recv(100) == b"READY=1"
            assert server.end() == 0
            assert manager.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("command", [("stop",), ("reload",), ("zone", "reload", "example.")])
def test_a_command_that_gave_up_is_not_carried_out_later(server: Served, command: tuple[str, ...]) -> None:
    """As from a server that was too busy to hear it, or stopped with kill -STOP."""
    rewrite(server.folder / "example.zone", zone_text(2, 3))
    server.process.send_signal(signal.SIGSTOP)
    done = server.command(*command, "--timeout", "0.5")
    assert done.returncode == 1
    verb = command[-2] if len(command) > 1 else command[0]
    assert f"; `{verb}` had not begun, and will not be done; it was stopped (SIGSTOP)" in done.stderr
    server.process.send_signal(signal.SIGCONT)
    for _ in range(3):  # whatever came before has been heard by then
        assert server.ask("status")["state"] == "serving"
    assert server.address() == "192.0.2.2"
    assert server.process.poll() is None


def test_sockets_that_were_removed_are_made_again(server: Served) -> None:
    """Whoever cleans the folder, as a second unit that ends does, takes no server out of its operator's hands."""
    for name in ("control.sock", "read.sock"):
        (server.folder / "run" / name).unlink()
    until(lambda: all((server.folder / "run" / name).is_socket() for name in ("control.sock", "read.sock")))
    until(lambda: server.command("status").returncode == 0)
    assert server.command("reload").returncode == 0
    assert "control.sock was removed by somebody, and made again" in server.log()


def test_signals_that_mean_something_to_other_servers_end_nothing(server: Served) -> None:
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        server.process.send_signal(number)
    assert server.command("status").returncode == 0
    assert server.process.poll() is None
