# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware profiles are well-formed data."""

from pathlib import Path

import msgspec
import pytest

from appliance.hardware.profiles import Profile

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[2] / "hw-profiles"
FILES = sorted(FOLDER.glob("*.toml"))


def read(path: Path) -> Profile:
    return msgspec.toml.decode(path.read_bytes(), type=Profile)


def test_there_is_a_fallback() -> None:
    generic = read(FOLDER / "generic.toml")
    assert generic.match.drivers == []
    assert generic.match.products == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_profile(path: Path) -> None:
    profile = read(path)
    assert profile.name == path.stem
    assert all(anchor.queries_per_s[0] <= anchor.queries_per_s[1] for anchor in profile.anchor)
    # Tags and merged segments would be out of the program's sight.
    for feature in ("rx-vlan-offload", "large-receive-offload", "rx-gro-hw"):
        assert profile.features[feature] is False


def test_one_machine_has_one_profile() -> None:
    products = [product for path in FILES for product in read(path).match.products]
    assert len(products) == len(set(products))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "generic"', 'nmae = "generic"', "nmae"),
        ('mode = "auto"', 'mode = "fast"', "fast"),
        ("stop_irqbalance = true", 'stop_irqbalance = "yes"', "bool"),
    ],
)
def test_mistakes_are_refused(old: str, new: str, complaint: str) -> None:
    text = (FOLDER / "generic.toml").read_text()
    assert old in text
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.toml.decode(text.replace(old, new), type=Profile)
