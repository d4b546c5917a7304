# SPDX-License-Identifier: GPL-3.0-or-later
"""A broken configuration still says where its server is, if that table is whole, and never guesses."""

from pathlib import Path

import pytest

from appliance.config.salvage import salvage

pytestmark = pytest.mark.unit

GOOD = '[server]\nrun_dir = "run"\n[listen]\nport = 5300\n'


def written(folder: Path, text: str) -> Path:
    (folder / "a.toml").write_text(text)
    return folder / "a.toml"


@pytest.mark.parametrize(
    "more",
    [
        "[limits]\nedns_sise = 3\n",
        "[limits]\nedns_size = 3\n",
        "[[zone\n",
        '[[zone]]\nname = "a.\n',
        '[[zone]]\nname = "a."\n[[zone]]\nname = 1\n',
        "[limits]\nedns_size = [1\n",
        "[limit]\n",
        "nonsense\n[limits]\n[[zone]]\n",
    ],
)
def test_a_slip_elsewhere_hides_no_server(tmp_path: Path, more: str) -> None:
    found = salvage(written(tmp_path, GOOD + "[store]\n" + more), ("server", "listen"))
    assert found is not None
    assert (found.server.run_dir, found.listen.port) == (str(tmp_path / "run"), 5300)


@pytest.mark.parametrize(
    "text",
    [
        '[server]\nrun_dri = "run"\n[limits]\n',
        '[server]\nidentity = "a\nrun_dir = "run"\n',
        '[limits]\nedns_size = \n[server]\nrun_dir = "run"\n',
        '[server]\n[limits]\nedns_size = \n["server"]\n',
        '[limits]\n[limits]\n[ server ]\nrun_dir = "run"\n',
        'identity = "a\n',
        "",
        '[limits]\ns = """\n[server]\nrun_dir = "run"\n',
        "\xff",
    ],
)
def test_what_is_not_sure_is_not_told(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "")
    path.write_bytes(text.encode("latin-1"))
    found = salvage(path, ("server",))
    assert found is None or text == ""


def test_files_that_are_included_count(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(GOOD)
    path = written(tmp_path, 'include = ["b.toml"]\n[limits]\nedns_size = 1\n[[zone\n')
    found = salvage(path, ("server",))
    assert found is not None
    assert found.server.run_dir == str(tmp_path / "run")
    (tmp_path / "b.toml").write_text(GOOD + "[[zone\n")
    assert salvage(path, ("server",)) is None
    assert salvage(tmp_path / "missing.toml", ("server",)) is None
