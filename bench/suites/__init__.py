# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: `table` names the suites, each suite is a function that yields figures with their limits.

A part of a suite is a file of its own. Nothing outside of `bench/__main__.py` uses this folder.
"""
