# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the packet tests."""

from tests.datapath.fixtures import lab, module_name, own_bpffs

__all__ = ["lab", "module_name", "own_bpffs"]
