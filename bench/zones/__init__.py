# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones to measure with: as files, made once and kept in the lab's cache, signed where a suite wants it.

Texts are made without the server's compiler and store. Knows `traffic` for names in wire form and for questions.
"""
