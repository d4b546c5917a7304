# SPDX-License-Identifier: GPL-3.0-or-later
"""appliance config: what counts, what a key means, the schema."""

import json
import tomllib
from pathlib import Path

import pytest

from appliance.config.describe import as_toml, effective, explain, schema
from appliance.config.load import load_config
from appliance.errors import ConfigError
from tests.unit.cli.test_commands import run as run_command

pytestmark = pytest.mark.unit

TEXT = '[server]\nidentity = "n\\u00e9 \\"1\\""\n[[zone]]\nname = "a."\nfile = "a.zone"\n'


def test_what_is_shown_is_a_configuration_that_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TEXT)
    done = run_command("config", "show", "--config", str(tmp_path / "a.toml"))
    assert done.returncode == 0
    assert "port = 53  # default\n" in done.stdout
    assert f'file = "{tmp_path}/a.zone"\n' in done.stdout
    (tmp_path / "b.toml").write_text(done.stdout)
    assert load_config(tmp_path / "b.toml") == load_config(tmp_path / "a.toml")
    done = run_command("config", "show", "--json", "--config", str(tmp_path / "a.toml"))
    assert json.loads(done.stdout)["server"]["identity"] == 'n\u00e9 "1"'


def test_toml_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TEXT)
    config = load_config(tmp_path / "a.toml")
    assert tomllib.loads(as_toml(effective(config)))["server"]["identity"] == 'n\u00e9 "1"'


def test_patterns_and_included_files_come_back_too(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text('[[acl]]\nname = "a\\u007f"\naddresses = ["::1"]\n')
    (tmp_path / "a.toml").write_text(
        'include = ["more.toml"]\n[[pattern]]\nname = "p"\nfile = "{zone}.z"\n[[pattern]]\nname = "q"\n'
        'allow_transfer = ["a\\u007f"]\n[[pattern]]\nname = "r"\ninclude_pattern = ["p", "q"]\nzones = "*"\n'
        '[[zone]]\nname = "a."\npattern = "r"\n'
    )
    done = run_command("config", "show", "--config", str(tmp_path / "a.toml"))
    assert done.stdout.startswith(f"# from {tmp_path}/more.toml\n")
    (tmp_path / "b.toml").write_text(done.stdout)
    shown, config = load_config(tmp_path / "b.toml"), load_config(tmp_path / "a.toml")
    assert (shown.pattern, shown.zone, shown.acl) == (config.pattern, config.zone, config.acl)
    assert shown.zone[0].allow_transfer == ("a\x7f",)


def test_a_key_is_explained_with_or_without_its_table() -> None:
    assert explain("listen.tcp_workers") == explain("tcp_workers")
    assert explain("tcp_workers").startswith("tcp_workers in [listen], default 2\n  processes that serve TCP")
    assert explain("health").count(" in [health], ") == 2
    assert explain("include").startswith("include at the top, default []")
    assert "](" not in explain("server")
    assert "`" not in explain("server")
    with pytest.raises(ConfigError, match=r"did you mean 'listen.tcp_workers'"):
        explain("listen.tcp_worker")


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    done = run_command("config", "show", "--explain", "lisstn")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("appliance: there is no key 'lisstn'; did you mean")
    (tmp_path / "a.toml").write_text("[server\n")
    done = run_command("config", "show", "--config", str(tmp_path / "a.toml"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"appliance: {tmp_path}/a.toml:1: error: ")


def test_the_schema_has_a_sentence_for_each_key() -> None:
    done = run_command("config", "schema")
    made = json.loads(done.stdout)
    assert made == json.loads(json.dumps(schema()))
    for name, section in made["$defs"].items():
        if name != "Config":
            assert all(one.get("description") for one in section["properties"].values()), name
