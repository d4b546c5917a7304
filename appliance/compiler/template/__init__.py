# SPDX-License-Identifier: GPL-3.0-or-later
"""Many zones with one text: compiled once, then copied with another name and other references.

A text that depends on more than name, place and number of its zone is left to the other writers.
"""
