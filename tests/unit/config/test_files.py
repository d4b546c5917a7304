# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration in several files: their order, their places, and what does not go together."""

import os
from pathlib import Path

import pytest

from appliance.config.files import FILES
from appliance.config.load import examine, load_config
from appliance.control.config_file import ConfigFile
from appliance.control.config_findings import examine_machine

pytestmark = pytest.mark.unit

ZONE = '[[zone]]\nname = "{name}"\nfile = "{name}.zone"\n'


def write(folder: Path, **texts: str) -> Path:
    """Write files, those but `main` into a folder beside it; return the main one."""
    (folder / "conf.d").mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.toml" if name == "main" else folder / "conf.d" / f"{name}.toml").write_text(text)
    return folder / "main.toml"


def told(folder: Path, file: Path) -> list[str]:
    """Return what is wrong, without the folder of the file."""
    config, found = examine(file)
    assert (config is None) == bool(found)
    return [str(one).replace(f"{folder}/", "") for one in found]


def test_tables_follow_each_other_by_the_names_of_the_files(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main='include = ["conf.d/*.toml"]\n' + ZONE.format(name="m"),
        b="[listen]\nport = 5300\n" + ZONE.format(name="b"),
        a='[server]\nidentity = "x"\n' + ZONE.format(name="a"),
    )
    config = load_config(main)
    assert [one.name for one in config.zone] == ["m", "a", "b"]
    assert (config.listen.port, config.server.identity) == (5300, "x")
    assert config.zone[1].file == str(tmp_path / "conf.d" / "a.zone")
    assert config.include == tuple(str(tmp_path / "conf.d" / f"{name}.toml") for name in "ab")


def test_a_mistake_is_told_with_its_own_file_and_line(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main='include = ["conf.d/*.toml"]\n[listen]\nport = 53\n' + ZONE.format(name="m"),
        a="[listen]\nport = 53\n",
        b='[server]\nidenity = "x"\n',
        c=ZONE.format(name="c") + "\n" + ZONE.format(name="M."),
        d="[server\n",
        e='include = ["x"]\n',
    )
    assert told(tmp_path, main) == [
        "conf.d/a.toml:2: error: port of [listen] stands in main.toml:3 too; leave one of them out",
        "conf.d/b.toml:2: error: unknown key 'idenity' in [server]; did you mean 'identity'?",
        "conf.d/d.toml:1: error: Expected ']' at the end of a table declaration in column 8",
        f"conf.d/e.toml:1: error: a file that is included may not include others; name them in {main.name}",
    ]
    (tmp_path / "conf.d" / "d.toml").unlink()
    assert "conf.d/c.toml:6: error: zone m. is there twice" in told(tmp_path, main)


@pytest.mark.parametrize(
    ("include", "reason"),
    [
        ('"conf.d/*.toml"', "main.toml:1: error: include must be a list of paths"),
        ("[1]", "main.toml:1: error: include must be a list of paths"),
        ('["a\\u0000*/b"]', "main.toml:1: error: include 'a\\x00*/b' has a NUL octet, which no path can have"),
        ('["none.toml"]', "main.toml:1: error: include 'none.toml': there is no such file"),
    ],
)
def test_a_bad_include(tmp_path: Path, include: str, reason: str) -> None:
    (found,) = told(tmp_path, write(tmp_path, main=f"include = {include}\n"))
    assert found.startswith(reason)


def test_a_folder_may_be_empty(tmp_path: Path) -> None:
    assert told(tmp_path, write(tmp_path, main='include = ["conf.d/*.toml"]\n')) == []


def test_a_file_that_is_none(tmp_path: Path) -> None:
    main = write(tmp_path, main='include = ["conf.d/*"]\n')
    (tmp_path / "conf.d" / "folder").mkdir()
    (tmp_path / "conf.d" / "loop").symlink_to("loop")
    (tmp_path / "conf.d" / "latin").write_bytes(b"# \xff\n")
    found = told(tmp_path, main)
    assert [one.partition(":")[0] for one in found] == ["conf.d/folder", "conf.d/latin", "conf.d/loop"]


def test_no_file_is_read_twice(tmp_path: Path) -> None:
    """Not one that two patterns name, not the file that includes, not by another name."""
    main = write(tmp_path, main='include = ["conf.d/*.toml", "conf.d/a.toml", "*.toml"]\n', a=ZONE.format(name="a"))
    (tmp_path / "conf.d" / "b.toml").symlink_to("a.toml")
    assert [one.name for one in load_config(main).zone] == ["a"]


def test_nothing_waits_for_a_pipe(tmp_path: Path) -> None:
    main = write(tmp_path, main='include = ["conf.d/*"]\n')
    os.mkfifo(tmp_path / "conf.d" / "pipe")
    assert told(tmp_path, main) == ["conf.d/pipe: error: cannot be read: not a regular file"]


def test_too_many_files(tmp_path: Path) -> None:
    main = write(tmp_path, main='include = ["conf.d/*"]\n')
    for number in range(FILES + 1):
        (tmp_path / "conf.d" / str(number)).touch()
    (found,) = told(tmp_path, main)
    assert found == f"main.toml:1: error: include names {FILES + 1} files; more than {FILES} are not read"


def test_a_star_is_only_for_zones(tmp_path: Path) -> None:
    main = write(tmp_path, main='[[zone]]\nname = "a"\nfile = "*"\n')
    assert load_config(main).zone[0].file == str(tmp_path / "*")


def test_what_changes_in_any_of_the_files_is_seen(tmp_path: Path) -> None:
    main = write(tmp_path, main='include = ["conf.d/*.toml"]\n', a=ZONE.format(name="a"))
    file = ConfigFile(main)
    assert file.change() == ""
    write(tmp_path, b=ZONE.format(name="b"))
    assert "zone b. new;" in file.change()
    write(tmp_path, a=ZONE.format(name="a") + 'allow_transfer = ["x"]\n[[acl]]\nname = "x"\nkeys = []\n')
    assert f"the next start would fail: {tmp_path}/conf.d/a.toml:5: acl x has neither" in file.change()
    assert file.is_broken
    write(tmp_path, a=ZONE.format(name="a") + 'allow_transfer = ["x"]\n[[acl]]\nname = "x"\naddresses = ["::1"]\n')
    assert "zone b. new, zone a. with other settings, [[acl]];" in file.change()
    (tmp_path / "conf.d" / "b.toml").unlink()
    write(tmp_path, a=ZONE.format(name="a"))
    assert file.change() == ""
    assert not file.is_broken


def test_what_a_secret_has_is_never_told(tmp_path: Path) -> None:
    key = '[[key]]\nname = "k."\nsecret_file = "k.key"\n'
    main = write(tmp_path, main='include = ["conf.d/k.toml"]\n' + ZONE.format(name="a"), k=key)
    secret = tmp_path / "conf.d" / "k.key"

    def warnings() -> list[str]:
        found = examine_machine(load_config(main), main)
        return [str(one) for one in found if "secret_file" in one.reason]

    (missing,) = warnings()
    assert missing.startswith(f"{tmp_path}/conf.d/k.toml:3: warning: secret_file {secret}: No such file")
    for text in ("hunter2", "", "c2VjcmV0 c2VjcmV0", "gehe\u00efm"):
        secret.write_text(text)
        secret.chmod(0o640)
        (odd,) = warnings()
        assert odd.endswith("does not hold a secret in base64, and nothing else")
        assert not text or text not in odd
    secret.write_text("c2VjcmV0\n")
    assert warnings() == []
    os.chmod(secret, 0o644)  # noqa: PTH101 - what an operator types
    (wide,) = warnings()
    assert wide.endswith(f"can be read or written by others: `chmod 0640 {secret}`")
