# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that are measured: others with their best settings, ours beside them, and how soon each answers.

Nothing here decides what is measured or yields a figure.
"""
