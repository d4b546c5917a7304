# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests between network namespaces."""

from tests.datapath.fixtures import own_bpffs

__all__ = ["own_bpffs"]
