# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones of this server: where each comes from, what was last read, its versions, its history, its truth.

Knows `zone`, `state` and `config`. Nothing here compiles, publishes, or talks to a network.
"""
