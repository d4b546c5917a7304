# SPDX-License-Identifier: GPL-3.0-or-later
"""The frozen sketch whose time for exact owners is the unit u. Never change it: every limit is a multiple of it.

Only its imports follow when files of the lab move. Knows `traffic`; suites use it through `program_time`.
"""
