# SPDX-License-Identifier: GPL-3.0-or-later
"""The server and its NIC path: both ways give the same octets, and no event in the server's life loses a query."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import pytest

from demo.network import Pair
from tests.netns.serving import START_S, Server, ask, program_on, serving, start, wait_ready

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("own_bpffs")]

ZONE = """$TTL 300
@ SOA ns root {serial} 3600 900 1209600 300
@ NS ns
ns A 192.0.2.1
ns AAAA 2001:db8::1
www A 192.0.2.{serial}
alias CNAME www
out CNAME www.elsewhere.test.
*.wild TXT "any"
child NS ns.child
ns.child A 192.0.2.3
old DNAME new
host.new A 192.0.2.9
a.b.ent A 192.0.2.4
mx MX 10 www
"""
NAMES = (
    "@",
    "ns",
    "www",
    "WwW",
    "alias",
    "out",
    "x.wild",
    "child",
    "a.child",
    "old",
    "host.old",
    "ent",
    "none",
    "a.none",
    "mx",
)
TYPES = ("A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DS", "ANY", "TYPE65280", "DNAME")


def write(folder: Path, serial: int = 2, mode: str = "auto", more: str = "") -> None:
    (folder / "example.zone").write_text(ZONE.format(serial=serial))
    (folder / "broken.zone").write_text("@ A\n")
    (folder / "appliance.toml").write_text(
        f'[server]\nrun_dir = "run"\nstate_dir = "state"\n{more}\n[[interface]]\nname = "eth0"\nmode = "{mode}"\n'
        '[[zone]]\nname = "example."\nfile = "example.zone"\n[[zone]]\nname = "broken."\nfile = "broken.zone"\n'
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


@pytest.fixture
def server(veth_pair: Pair, folder: Path) -> Iterator[Server]:
    with serving(veth_pair, folder) as made:
        yield made


def query(name: str, rtype: str = "A", **options: object) -> bytes:
    made = dns.message.make_query(name, rtype, **options)  # type: ignore[arg-type]
    made.id = 0x1234
    return made.to_wire()


def queries() -> list[bytes]:
    """Return well-formed questions of every kind, with and without EDNS, and messages that are none."""
    made = []
    for name in NAMES:
        owner = "example." if name == "@" else f"{name}.example."
        for rtype in TYPES:
            made.append(query(owner, rtype))
            made.append(query(owner, rtype, use_edns=0, payload=1232, want_dnssec=True))
    for name in ("elsewhere.test.", ".", "broken.", "x.broken."):
        made += [query(name), query(name, use_edns=0, payload=512, flags=dns.flags.CD)]
    plain = query("www.example.", use_edns=0)
    made.append(query("www.example.", use_edns=1))
    made.append(query("www.example.", use_edns=0, options=[dns.edns.GenericOption("NSID", b"x")]))
    made += [plain + b"\x00", plain[:-1], plain[:20], plain[:12], plain[:4] + b"\x00\x00" + plain[6:]]
    made += [plain[:2] + bytes((plain[2] & 0x87 | opcode << 3,)) + plain[3:] for opcode in (1, 2, 3, 4, 5, 6, 15)]
    made.append(plain[:3] + b"\x7f" + plain[4:])
    made.append(plain[:6] + b"\x00\x01" + plain[8:])
    return made


def test_both_ways_give_the_same_octets(veth_pair: Pair, folder: Path) -> None:
    asked = queries()
    with serving(veth_pair, folder) as server:
        by_nic = {family: server.ask(*asked, address=family) for family in _addresses(veth_pair)}
        stats = server.told("stats")
    with serving(veth_pair, folder, "--no-xdp") as server:
        by_userspace = {family: server.ask(*asked, address=family) for family in _addresses(veth_pair)}
        assert server.told("stats")["verdicts"] == {}
    for family in _addresses(veth_pair):
        for wire, one, other in zip(asked, by_nic[family], by_userspace[family], strict=True):
            assert one == other, wire.hex()
            assert one is not None, wire.hex()
    nic = sum(value for name, value in stats["verdicts"].items() if name.startswith("answer_"))
    assert nic > 0.8 * 2 * len(asked), stats["verdicts"]


def _addresses(pair: Pair) -> tuple[str, str]:
    return pair.server.address4, pair.server.address6


def test_status_tells_the_mode_and_stats_who_answered(server: Server) -> None:
    (told,) = server.told("status")["interfaces"]
    assert (told["name"], told["mode"], told["verify_checksum"]) == ("eth0", "native", False)
    assert server.ask(query("www.example."))[0] is not None
    assert server.ask(query("www.example."), kind="tcp")[0] is not None
    stats = server.told("stats")
    assert stats["verdicts"]["answer_positive"] == 1
    assert stats["userspace"]["tcp_queries"] == 1
    assert stats["nic_path_share"] == 1.0
    assert server.command("status").returncode == 2  # broken. is not loaded


def test_generic_mode(veth_pair: Pair, folder: Path) -> None:
    write(folder, mode="generic")
    with serving(veth_pair, folder) as server:
        assert server.told("status")["interfaces"][0]["mode"] == "generic"
        assert server.ask(query("www.example."))[0] is not None
        assert server.told("stats")["verdicts"]["answer_positive"] == 1
    assert not program_on(veth_pair)


def test_reload_reaches_the_nic_path(server: Server) -> None:
    write(server.folder, serial=7)
    assert "serial 2 replaced by 7" in server.command("reload", "example.").stdout
    (reply,) = server.ask(query("www.example."))
    assert reply is not None
    assert dns.message.from_wire(reply).answer[0][0].to_text() == "192.0.2.7"
    assert server.told("stats")["verdicts"]["answer_positive"] == 1


@pytest.mark.parametrize(
    ("image", "state"),
    [("true", "aside"), ("false", "aside"), ("true", "log/aside")],
    ids=("aside", "direct", "failed"),
)
def test_a_store_that_is_in_memory_once(veth_pair: Pair, folder: Path, image: str, state: str) -> None:
    """Set aside in its image while the arrays are made, it says the same, and is saved; changes go on from there.

    Without an image, or where it cannot be saved, the store is moved from where it was compiled.
    """
    asked = queries()
    with serving(veth_pair, folder) as server:
        expected = server.ask(*asked)
    text = (folder / "appliance.toml").read_text().replace('state_dir = "state"', f'state_dir = "{state}"')
    more = f"[store]\nset_aside_mib = 0\nimage = {image}\nimage_delay_s = 86400.0\n"
    (folder / "appliance.toml").write_text(text + more)
    with serving(veth_pair, folder) as server:
        assert server.ask(*asked) == expected
        assert server.told("stats")["verdicts"]["answer_positive"] > 0
        saved = folder / "aside" / "store.image"
        assert saved.exists() is (image == "true" and state == "aside")
        assert ("cannot be saved" in server.log()) is (state != "aside")
        write(folder, serial=7)
        assert "serial 2 replaced by 7" in server.command("reload", "example.").stdout
        (reply,) = server.ask(query("www.example."))
        assert reply is not None
        assert dns.message.from_wire(reply).answer[0][0].to_text() == "192.0.2.7"
        server.process.kill()
        server.process.wait(30)
    write(folder)
    (folder / "appliance.toml").write_text(text + more)
    with serving(veth_pair, folder) as server:
        assert server.ask(*asked) == expected


def test_stop_takes_the_program_off(veth_pair: Pair, folder: Path) -> None:
    with serving(veth_pair, folder) as server:
        assert program_on(veth_pair)
        assert server.command("stop").returncode == 0
        assert server.process.wait(30) == 0
    assert not program_on(veth_pair)


def test_the_program_may_stay_when_the_server_stops(veth_pair: Pair, folder: Path) -> None:
    write(folder, more="detach_on_stop = false")
    with serving(veth_pair, folder):
        pass
    assert program_on(veth_pair)
    assert ask(veth_pair, query("www.example."))[0] is not None
    write(folder)
    with serving(veth_pair, folder):
        assert ask(veth_pair, query("www.example."))[0] is not None
    assert not program_on(veth_pair)


def test_killed_and_started_again_without_losing_a_query(veth_pair: Pair, folder: Path) -> None:
    """The NIC path answers while there is no server, and while the next one takes over."""
    first = start(veth_pair, folder)
    wait_ready(first)
    replies: list[bytes | None] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            replies.extend(ask(veth_pair, *[query("www.example.")] * 200, patience_s=1.0))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        first.process.kill()
        first.process.wait(30)
        write(folder, serial=8)
        with serving(veth_pair, folder) as second:
            (reply,) = second.ask(query("www.example."))
            assert reply is not None
            assert dns.message.from_wire(reply).answer[0][0].to_text() == "192.0.2.8"
            stop.set()
            asking.join()
    finally:
        stop.set()
        asking.join()
    assert len(replies) > 400
    assert None not in replies
    seen = {dns.message.from_wire(reply).answer[0][0].to_text() for reply in replies if reply}
    assert seen == {"192.0.2.2", "192.0.2.8"}


def test_a_mode_that_cannot_be_had_is_an_error(veth_pair: Pair, folder: Path) -> None:
    """The driver has no native mode with a large MTU, and nothing else was allowed."""
    veth_pair.client.run("ip", "link", "set", "dev", "eth0", "xdp", "off")
    for end in (veth_pair.client, veth_pair.server):
        end.run("ip", "link", "set", "dev", "eth0", "mtu", "9000")
    write(folder, mode="native")
    server = start(veth_pair, folder)
    assert server.process.wait(START_S) == 1
    last = server.log().splitlines()[-1]
    assert "in native mode" in last
    assert last.endswith('mode = "auto" or --no-xdp would serve from userspace')
    assert not (folder / "run" / "control.sock").exists()


def test_a_foreign_program_is_left_alone(veth_pair: Pair, folder: Path) -> None:
    from demo import xdp_pass

    xdp_pass.attach(veth_pair.server.name, "eth0")
    with serving(veth_pair, folder) as server:
        status = server.told("status")
        assert any("runs another XDP program" in problem for problem in status["problems"])
        assert server.ask(query("www.example."))[0] is not None
    assert program_on(veth_pair)


def test_ctrl_c_while_it_starts_leaves_nothing(veth_pair: Pair, folder: Path) -> None:
    for delay_s in (0.3, 1.0, 2.0):
        server = start(veth_pair, folder)
        try:
            server.process.wait(delay_s)
        except subprocess.TimeoutExpired:
            server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) in (0, -signal.SIGINT, 130)
        assert not program_on(veth_pair)
        assert not (folder / "run" / "control.sock").exists()
