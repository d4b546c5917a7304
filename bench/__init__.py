# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurement lab: figures against limits, as ratios measured in the same run (docs/measure.md).

`machine`, `traffic`, `zones`, `peers` and `suites` use each other in this order. Here lie only the commands and what
all share (`figures`); results are in `results`. Nothing here is part of the server, which imports nothing from here.
"""
