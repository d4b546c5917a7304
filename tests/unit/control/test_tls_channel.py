# SPDX-License-Identifier: GPL-3.0-or-later
"""The control channel over TLS: who is listed is served by role, all others are refused, nobody holds others up."""

import asyncio
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.cli import tls_client
from appliance.cli.client import NobodyListensError
from appliance.config.schema import Config, Control, ControlClient
from appliance.control import channel as channels
from appliance.control import tls_channel
from appliance.control.bulk import Bulk, Streaming
from appliance.control.channel import CLIENTS, LINE_OCTETS
from appliance.control.tls_channel import HANDSHAKES, TlsChannel
from appliance.control.tls_files import client_context
from appliance.control.tls_setup import Setup
from appliance.control.verb_table import Row
from appliance.errors import ApplianceError
from tests.harness.served import configuration, decoded, serving, until, zone_text
from tests.unit.control.test_health import free_port

pytestmark = pytest.mark.unit


async def look(request: dict[str, Any]) -> Any:
    return request


async def change(request: dict[str, Any]) -> Any:
    return "changed"


async def take(request: dict[str, Any], bulk: Bulk) -> Any:
    return bulk.report()


class Lab:
    """An open channel in a thread of its own, whose configuration can be changed under it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.fingerprints: dict[str, str] = {}
        for name in ("reader", "operator", "stranger"):
            self.fingerprints[name] = Setup(folder).run(name)["fingerprint"]
        self.config = Config(
            control=Control(address="127.0.0.1", port=self.port, folder=str(folder)),
            control_client=(
                ControlClient(name="reader", fingerprint=self.fingerprints["reader"]),
                ControlClient(name="operator", fingerprint=self.fingerprints["operator"].upper(), role="operate"),
            ),
        )
        verbs: dict[str, Any] = {
            "read": {"look": look},
            "operate": {"look": look, "change": change, "take": Streaming(take)},
        }
        self.channel = TlsChannel(lambda: self.config, verbs, lambda: "", frozenset({"change", "take"}))

    def certificate(self, name: str) -> Path:
        return self.folder / "clients" / f"{name}.pem"

    def ask(self, verb: str, client: str = "reader", **given: Any) -> Any:
        row = Row(verb, "", "read", "")
        return tls_client.ask(f"127.0.0.1:{self.port}", self.certificate(client), row, limit_s=60, **given)

    @contextmanager
    def connection(self, client: str = "reader") -> Iterator[ssl.SSLSocket]:
        with (
            socket.create_connection(("127.0.0.1", self.port), 60) as line,
            client_context(self.certificate(client)).wrap_socket(line) as secured,
        ):
            yield secured

    def silent(self, count: int, stack: ExitStack) -> None:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 60))

    def run(self, client: Callable[[], Any]) -> Any:
        async def both() -> Any:
            await self.channel.open()
            keeping = asyncio.create_task(self.channel.keep_listening())
            try:
                return await asyncio.to_thread(client)
            finally:
                keeping.cancel()
                await asyncio.wait((keeping,))
                await self.channel.close()

        return asyncio.run(both())


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(tls_channel, "LOOK_S", 0.05)
    return Lab(tmp_path / "control")


def test_who_is_listed_is_served_by_role(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    def client() -> None:
        assert lab.ask("look", zone="a.") == {"zone": "a."}
        assert lab.ask("change", "operator") == "changed"
        with pytest.raises(ApplianceError, match='verb change changes the server, and this client has the role "read"'):
            lab.ask("change", "reader")
        with pytest.raises(ApplianceError, match="verb take takes lines of data: take `ssh HOST appliance take <"):
            lab.ask("take", "operator")
        with pytest.raises(ApplianceError, match="unknown verb; known are look"):
            lab.ask("none", "reader")

    lab.run(client)
    assert "change: asked for by client operator at 127.0.0.1 port " in caplog.text


def test_who_is_not_listed_is_refused_with_the_mend(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    mend = rf'add \[\[control_client\]\] with fingerprint = "{lab.fingerprints["stranger"]}"'

    def client() -> None:
        with pytest.raises(ApplianceError, match=f"this certificate is not listed: {mend} to the configuration"):
            lab.ask("look", "stranger")

    lab.run(client)
    assert f"its certificate, {lab.fingerprints['stranger']}, is not listed" in caplog.text


def test_who_is_taken_off_the_list_is_refused_where_he_is(lab: Lab) -> None:
    def client() -> list[dict[str, Any]]:
        answers = []
        with lab.connection("operator") as line, line.makefile("rb") as stream:
            line.sendall(b'{"verb":"change"}\n')
            answers.append(json.loads(stream.readline()))
            lab.config = msgspec.structs.replace(lab.config, control_client=lab.config.control_client[:1])
            line.sendall(b'{"verb":"change"}\n')
            answers.append(json.loads(stream.readline()))
        return answers

    first, second = lab.run(client)
    assert first["result"] == "changed"
    assert second["error"] == "this certificate is not listed any more"


def test_another_authority_and_nobody_at_all(lab: Lab, tmp_path: Path) -> None:
    Setup(tmp_path / "other").run("reader")
    shutil.copy(lab.folder / "ca.pem", tmp_path / "other" / "ca.pem")

    def client() -> None:
        foreign = tmp_path / "other/clients/reader.pem"
        with pytest.raises(ApplianceError, match="refuses this certificate"):
            tls_client.ask(f"127.0.0.1:{lab.port}", foreign, Row("look", "", "read", ""), limit_s=60)
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        nobody.check_hostname = False
        nobody.load_verify_locations(lab.folder / "ca.pem")
        for context in (nobody, client_context(lab.certificate("reader"))):
            if context is not nobody:
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
            with socket.create_connection(("127.0.0.1", lab.port), 60) as line:
                assert refused(context, line)
        assert lab.ask("look") == {}

    lab.run(client)


def refused(context: ssl.SSLContext, line: socket.socket) -> bool:
    """Return whether there is no answer; with TLS 1.3 that shows only behind the handshake."""
    try:
        with context.wrap_socket(line) as secured:
            secured.sendall(b'{"verb":"look"}\n')
            return not secured.recv(1)
    except OSError:
        return True


def test_a_server_of_another_authority_is_refused_by_the_client(lab: Lab, tmp_path: Path) -> None:
    Setup(tmp_path / "other").run("reader")

    def client() -> None:
        with pytest.raises(ApplianceError, match=r"no TLS with 127\.0\.0\.1:\d+: .*certificate"):
            tls_client.ask(
                f"127.0.0.1:{lab.port}", tmp_path / "other/clients/reader.pem", Row("look", "", "read", ""), limit_s=60
            )

    lab.run(client)


def test_a_clients_certificate_serves_nobody(lab: Lab) -> None:
    """Whoever holds one could stand in for the server otherwise."""
    shutil.copy(lab.certificate("operator"), lab.folder / "server.pem")
    shutil.copy(lab.certificate("operator").with_suffix(".key"), lab.folder / "server.key")

    def client() -> None:
        with pytest.raises(ApplianceError, match="no TLS with"):
            lab.ask("look")

    lab.run(client)


def test_certificates_are_read_again(lab: Lab) -> None:
    def served() -> bytes:
        with lab.connection() as line:
            return line.getpeercert(True) or b""

    def client() -> None:
        before = served()
        (lab.folder / "server.pem").write_text("broken")
        until(lambda: "goes on with those that it had" in lab.channel.problem)
        assert served() == before
        (lab.folder / "server.pem").unlink()
        Setup(lab.folder).run("reader")
        until(lambda: not lab.channel.problem)
        assert served() != before
        assert lab.ask("look") == {}

    lab.run(client)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda folder: (folder / "server.key").unlink(),
            r"key .*server\.key: No such file.*`appliance control-",
        ),
        (lambda folder: (folder / "ca.pem").unlink(), r"certificate .*ca\.pem: No such file"),
        (lambda folder: (folder / "server.key").chmod(0o644), r"can be read or written by others: `chmod 0600 "),
        (lambda folder: (folder / "server.key").write_text("MARKER"), r"server\.key: .*move it away"),
        (lambda folder: (folder / "ca.pem").write_bytes(b"\0\xff"), r"certificate .*ca\.pem: .*move it away"),
    ],
)
def test_without_its_files_it_is_not_served_and_that_is_told(
    lab: Lab, spoil: Callable[[Path], Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(lab.folder)

    def client() -> None:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", lab.port), 60)
        shutil.rmtree(lab.folder)
        Setup(lab.folder).run("reader")
        until(lambda: not lab.channel.problem)

    lab.run(client)
    assert "MARKER" not in caplog.text
    assert re.search(said, caplog.messages[0])
    assert caplog.messages[0].endswith("; it is not served")
    assert caplog.messages.count(caplog.messages[0]) == 1


def test_a_port_that_is_taken_is_waited_for(lab: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", lab.port))
        taken.listen()

        def client() -> None:
            assert f"[control] address 127.0.0.1 port {lab.port} cannot be listened on: Address" in lab.channel.problem
            taken.close()
            until(lambda: not lab.channel.problem)
            assert lab.ask("look") == {}

        lab.run(client)


def test_it_follows_the_configuration(lab: Lab) -> None:
    def client() -> None:
        assert lab.ask("look") == {}
        lab.config = msgspec.structs.replace(lab.config, control=Control(folder=str(lab.folder)))
        until(lambda: lab.channel.port == 0)
        with pytest.raises(NobodyListensError, match=r"no server listens on 127\.0\.0\.1"):
            lab.ask("look")

    lab.run(client)


def test_silent_clients_keep_nobody_out(lab: Lab) -> None:
    """Neither in their handshake nor behind it."""

    def client() -> Any:
        with ExitStack() as stack:
            lab.silent(3 * HANDSHAKES, stack)
            for _ in range(5):
                stack.enter_context(lab.connection())
            return [lab.ask("look", n=n) for n in range(3)]

    assert lab.run(client) == [{"n": n} for n in range(3)]


def test_places_that_are_all_taken_are_given_away(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "CLIENTS", 8)
    assert CLIENTS > 8

    def client() -> Any:
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(lab.connection())
            return lab.ask("look", n=1)

    assert lab.run(client) == {"n": 1}


def test_a_handshake_has_its_time(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_channel, "HANDSHAKE_S", 0.3)

    def client() -> bytes:
        with socket.create_connection(("127.0.0.1", lab.port), 60) as line:
            line.sendall(b"\x16\x03\x01")
            with suppress(ConnectionResetError):
                return line.recv(100)
            return b""

    assert lab.run(client) == b""


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100_000, b'{"verb":"look"}\n', b"\x16\x03\x01\xff\xff" + b"x" * 70_000],
)
def test_what_is_no_tls_is_borne(lab: Lab, octets: bytes) -> None:
    def client() -> Any:
        with socket.create_connection(("127.0.0.1", lab.port), 60) as line, suppress(OSError):
            line.sendall(octets)
            while line.recv(1000):
                pass
        return lab.ask("look")

    assert lab.run(client) == {}


def test_garbage_in_a_conversation(lab: Lab) -> None:
    def client() -> list[dict[str, Any]]:
        answers = []
        for octets in (b"\0\n", b"[" * 60_000 + b"\n", b"x" * 10_000_000):
            with lab.connection() as line, line.makefile("rb") as stream:
                sending = threading.Thread(target=send_all, args=(line, octets))
                sending.start()
                with suppress(OSError):
                    answers += [json.loads(said) for said in [stream.readline()] if said]
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
                sending.join()
        assert lab.ask("look") == {}
        return answers

    answers = lab.run(client)
    assert [one["ok"] for one in answers] == [False] * len(answers)
    # Who sends on has the line reset by TCP, and with it what lay there for him.
    assert [one["error"] for one in answers[2:]] in ([], [f"a line has at most {LINE_OCTETS} octets"])


def send_all(line: ssl.SSLSocket, octets: bytes) -> None:
    with suppress(OSError):
        line.sendall(octets)


@pytest.mark.parametrize("text", ["", ":1", "a:b", "a:0", "a:65536", "a:99999999999", "[::1", "a\0b:1", "a:-1", "a:²"])
def test_servers_that_are_none(text: str) -> None:
    with pytest.raises(ApplianceError, match="is no server: write HOST, HOST:PORT or"):
        tls_client.endpoint(text)


def test_servers() -> None:
    assert [tls_client.endpoint(text) for text in ("a", "a:1", "::1", "[::1]", "[::1]:2", "127.0.0.1:3")] == [
        ("a", 8953), ("a", 1), ("::1", 8953), ("::1", 8953), ("::1", 2), ("127.0.0.1", 3)
    ]  # fmt: skip


def test_the_command_asks_a_real_server(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "example.zone").write_text(zone_text())
    text = configuration("example.", more=f'[control]\naddress = "127.0.0.1"\nport = {port}\nfolder = "control"\n')
    (tmp_path / "appliance.toml").write_text(text)
    with serving(tmp_path) as server:
        assert "[control] over TLS: key" in " ".join(server.ask("status")["warnings"])
        made = decoded(server.command("control-setup", "--json"))
        assert made["kept"] == []
        until(lambda: not server.ask("status")["warnings"])
        server.end()
    more = f'[[control_client]]\nname = "me"\nfingerprint = "{made["fingerprint"]}"\nrole = "operate"\n'
    (tmp_path / "appliance.toml").write_text(text + more)

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return server.command("--server", f"127.0.0.1:{port}", *words)

    with serving(tmp_path) as server:
        assert decoded(command("status", "--json"))["pid"] == server.process.pid
        done = command("drain", "--reason", "from afar")
        assert done.returncode == 0, done.stderr
        assert 'drain reason="from afar": asked for by client me at 127.0.0.1 port ' in server.log()
        done = command("check-config")
        assert (done.returncode, done.stdout) == (1, "")
        assert "check-config is about this machine: leave --server out" in done.stderr
        assert command("stop").returncode == 0
        assert server.process.wait(60) == 0
        assert command("status").returncode == 3
