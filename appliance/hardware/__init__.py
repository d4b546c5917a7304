# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware as data: profiles says what a file of hw-profiles/ may hold.

What a server model needs stands in its profile, never in code. Knows `datapath` for interfaces; nothing here knows a
zone or an answer.
"""
