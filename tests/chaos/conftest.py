# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the chaos tests."""

from tests.datapath.fixtures import module_name, own_bpffs

__all__ = ["module_name", "own_bpffs"]
