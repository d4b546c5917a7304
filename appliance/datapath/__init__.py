# SPDX-License-Identifier: GPL-3.0-or-later
"""Load the XDP program, attach it, swap it, read its counters."""
