# SPDX-License-Identifier: GPL-3.0-or-later
"""Authoritative DNS appliance: an XDP program answers, this package prepares what it says and does everything else."""

__version__ = "0.1.0"
