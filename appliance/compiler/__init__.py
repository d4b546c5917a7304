# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones into the store: which names are written, by which writers, and the one flip that shows them.

`plan` chooses, `answers`, `denial`, `bulk`, `change` and `template` write, `neighbours` knows the other loaded zones.
Knows `zone` and `store`, and asks `lookup` about what is stored; nothing here knows files or the configuration.
"""
