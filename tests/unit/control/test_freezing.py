# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones are frozen, rolled back, written and thawed; a restart changes nothing of it."""

import base64
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from appliance.state.database import Database
from appliance.zone import names
from appliance.zone.load import load_zone
from tests.harness.served import Served, configuration, decoded, serving, until, zone_text
from tests.interop import signing
from tests.stores.signing import signed

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.toml").write_text(configuration("example.", "other."))
    for name in ("example", "other"):
        (tmp_path / f"{name}.zone").write_text(zone_text())
    return tmp_path


def change(folder: Path, server: Served, serial: int, host: int, more: str = "") -> None:
    """Serve another version of the first zone."""
    (folder / "example.zone").write_text(zone_text(serial, host) + more)
    assert server.command("reload", "example.").returncode == 0


def until_kept(server: Served) -> None:
    """Wait until the zones of the start are kept, so that what follows is a step of the journal."""
    folder = server.folder / "state"

    def count() -> int:
        with Database(folder).transaction() as db:
            return int(db.execute("SELECT count(*) FROM zones").fetchone()[0])

    until(lambda: count() == 2)


def serial(server: Served, zone: str = "example.") -> int:
    return int(next(one["serial"] for one in server.ask("status")["zones"] if one["name"] == zone))


def signed_text(folder: Path, number: int, expires: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a signed zone whose signatures are valid until then."""
    monkeypatch.setattr(signing, "EXPIRATION", expires)
    plain = folder / "plain"
    key = signing.Key.of("example.")
    dnskey = f"@ DNSKEY 257 3 15 {base64.b64encode(key.public).decode()}\n"
    plain.write_text(zone_text(number) + dnskey)
    zone = load_zone(plain, names.from_text("example."))
    return "".join(signing.lines(signed(zone, signer=key.signature)))


def test_a_frozen_zone_is_not_read(folder: Path) -> None:
    with serving(folder) as server:
        assert server.command("freeze", "example.").stdout == "example.: frozen at serial 1\n"
        assert server.command("zone", "freeze", "example.").stdout.startswith("example.: is frozen since ")
        (folder / "example.zone").write_text(zone_text(2, 9))
        for arguments in (("reload",), ("reload", "example.")):
            said = server.command(*arguments).stdout
            assert "frozen since" in said
            assert "(`appliance thaw example.` ends that): its file is not read" in said
        assert server.address() == "192.0.2.2"
        assert "1 zone frozen (example.)" in server.ask("status")["warnings"][0]
        server.end(signal.SIGKILL)
    with serving(folder) as server:
        assert server.address() == "192.0.2.2"
        assert [one["frozen"] for one in server.ask("status")["zones"]] == [True, False]
        assert server.command("thaw", "example.").stdout.startswith("example.: serial 1 replaced by 2: ")
        assert server.address() == "192.0.2.9"
        assert server.command("thaw", "example.").stdout == "example.: was not frozen\n"
    with serving(folder) as server:
        assert server.address() == "192.0.2.9"
        assert server.ask("status")["warnings"] == []


def test_all_zones(folder: Path) -> None:
    with serving(folder) as server:
        assert server.command("freeze").stdout.count("frozen at serial 1") == 2
        for name in ("example", "other"):
            (folder / f"{name}.zone").write_text(zone_text(2, 9))
        assert server.command("reload").stdout.count("its file is not read") == 2
        assert {server.address(f"www.{zone}.") for zone in ("example", "other")} == {"192.0.2.2"}
        assert server.command("thaw").stdout.count("replaced by 2") == 2
        assert {server.address(f"www.{zone}.") for zone in ("example", "other")} == {"192.0.2.9"}


def test_a_frozen_zone_that_goes_is_frozen_no_more(folder: Path) -> None:
    config = folder / "appliance.toml"
    with serving(folder) as server:
        server.ask("freeze", zone="other.")
    config.write_text(configuration("example."))
    with serving(folder) as server:
        assert server.ask("status")["warnings"] == []
    config.write_text(configuration("example.", "other."))
    (folder / "other.zone").write_text(zone_text(5))
    with serving(folder) as server:
        assert serial(server, "other.") == 5


def test_versions_and_rollback(folder: Path) -> None:
    """The version before comes back with a serial above; hosts that came go, and those that went come."""
    with serving(folder) as server:
        until_kept(server)
        change(folder, server, 2, 3, "x A 192.0.2.77\n*.y.z TXT a\n")
        change(folder, server, 3, 4, "x A 192.0.2.78\n0 A 192.0.2.1\n")
        found = decoded(server.command("zone", "versions", "example.", "--json"))
        assert [one["serial"] for one in found["versions"]] == [3, 2, 1]
        done = server.command("zone", "rollback", "example.", "2")
        assert "serial 3 replaced by 4" in done.stdout
        assert "rolled back to serial 2, and frozen until `appliance thaw example.`" in done.stdout
        assert (done.returncode, serial(server)) == (0, 4)
        hosts = [server.address(f"{name}.example.") for name in ("www", "x", "0")]
        assert hosts == ["192.0.2.3", "192.0.2.77", "NXDOMAIN"]
        assert server.query("q.y.z.example.", "TXT").answer
        server.end(signal.SIGKILL)
    with serving(folder) as server:
        assert (server.address("x.example."), serial(server)) == ("192.0.2.77", 4)
        assert "rollback to 2" in server.command("zone", "versions", "example.").stdout
        assert "rolled back to serial 2" in server.command("reload", "example.").stdout
        assert server.command("zone", "rollback", "example.", "1").returncode == 0
        assert (server.address(), server.address("x.example."), serial(server)) == ("192.0.2.2", "NXDOMAIN", 5)
        said = server.command("thaw", "example.").stdout
        assert "serial 5 replaced by 3" in said
        assert "secondaries will not fetch it" in said
        assert server.address("x.example.") == "192.0.2.78"


def test_what_cannot_be_rolled_back(folder: Path) -> None:
    with serving(folder) as server:
        until_kept(server)
        change(folder, server, 2, 3)
        for wanted, reason in (
            ("7", "the journal does not lead back to serial 7"),
            ("2", "serial 2 is what is served"),
            ("x", "is no serial"),
            ("-1", "is no serial"),
            ("4294967296", "is no serial"),
        ):
            with pytest.raises(ApplianceError, match=reason):
                server.ask("rollback", zone="example.", serial=wanted)
        with pytest.raises(ApplianceError, match="is not in the configuration"):
            server.ask("rollback", zone="nowhere.", serial="1")
        assert serial(server) == 2
        assert server.ask("status")["warnings"] == []


def test_signed_zones_keep_their_serial(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only with --force, and only while the signatures are valid."""
    with serving(folder) as server:
        until_kept(server)
        for number, expires in ((2, "20260201000000"), (3, "20360101000000"), (4, "20360101000000")):
            (folder / "example.zone").write_text(signed_text(folder, number, expires, monkeypatch))
            assert server.command("reload", "example.").returncode == 0
        with pytest.raises(ApplianceError, match="the signatures of serial 2 are not valid now"):
            server.ask("rollback", zone="example.", serial="2", force=True)
        with pytest.raises(ApplianceError, match="--force does it"):
            server.ask("rollback", zone="example.", serial="3")
        done = server.command("zone", "rollback", "example.", "3", "--force")
        assert "secondaries will not follow" in done.stdout
        assert serial(server) == 3
        server.end(signal.SIGKILL)
    with serving(folder) as server:
        assert serial(server) == 3
        reply = server.query("www.example.", want_dnssec=True)
        assert len(reply.answer) == 2


@pytest.mark.parametrize("checker", ["", "named-checkzone", "kzonecheck"])
def test_write_puts_a_rolled_back_zone_into_its_file(folder: Path, checker: str) -> None:
    file = folder / "example.zone"
    with serving(folder) as server:
        until_kept(server)
        assert "nothing to write: it is served from its file" in server.command("write", "example.").stdout
        assert server.command("write").stdout == "no zone needed it\n"
        change(folder, server, 2, 3, 'x A 192.0.2.77\nx MX 10 ns\nt TXT "a;b\\"c" \\195\n')
        change(folder, server, 3, 4)
        server.ask("rollback", zone="example.", serial="2")
        file.chmod(0o604)
        file.write_text(file.read_text() + "; somebody is at work\n")
        refused = server.command("write", "example.")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"{file} is another file than was read: it is left as it is" in refused.stderr
        assert "; somebody is at work" in file.read_text()
        assert "serial 4 replaced by 3" in server.command("thaw", "example.").stdout
        for number in (4, 5):
            change(folder, server, number, number)
        server.ask("rollback", zone="example.", serial="4")
        assert server.command("write", "example.").stdout == f"example.: serial 6 written to {file}\n"
        assert file.stat().st_mode & 0o777 == 0o604
        assert server.command("write").stdout == f"example.: {file} has serial 6 already\n"
        assert list(folder.glob(".*")) == []
        if checker and shutil.which(checker):
            order = [checker, *(["-o"] if checker == "kzonecheck" else []), "example", str(file)]
            done = subprocess.run(order, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        assert "the same records" in server.command("thaw", "example.").stdout
        assert (server.address(), serial(server)) == ("192.0.2.4", 6)


def test_zones_are_written_at_intervals(folder: Path) -> None:
    config = folder / "appliance.toml"
    config.write_text(config.read_text() + "[journal]\nzonefiles_write_s = 0.05\n")
    file = folder / "example.zone"
    with serving(folder) as server:
        until_kept(server)
        change(folder, server, 2, 3)
        assert file.read_text() == zone_text(2, 3)
        server.ask("rollback", zone="example.", serial="1")
        until(lambda: "written by" in file.read_text())
        assert (folder / "other.zone").read_text() == zone_text()
        assert "the same records" in server.command("thaw", "example.").stdout
        assert (server.address(), serial(server)) == ("192.0.2.2", 3)


def test_nothing_is_kept(folder: Path) -> None:
    """Without kept versions a zone is frozen until the next start, which is said; there is nothing to go back to."""
    config = folder / "appliance.toml"
    config.write_text(config.read_text() + "[journal]\nkeep = false\n")
    with serving(folder) as server:
        assert "so that a start reads the file" in server.command("freeze", "example.").stdout
        (folder / "example.zone").write_text(zone_text(2, 3))
        assert server.command("reload").returncode == 0
        assert server.address() == "192.0.2.2"
        assert server.command("zone", "rollback", "example.", "1").returncode == 1
        assert server.command("zone", "versions", "example.").returncode == 1
    with serving(folder) as server:
        assert server.address() == "192.0.2.3"
        assert "the frozen version of the zone in" in server.log()
        assert server.command("thaw", "example.").returncode == 0
