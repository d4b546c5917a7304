# SPDX-License-Identifier: GPL-3.0-or-later
"""A store gets served: loading, image, growth, compaction, workers, memory budget.

Knows `compiler`, `datapath`, `server` and `served`. What an operator asks comes from `control`; nothing here knows
verbs.
"""
