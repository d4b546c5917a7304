# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurement lab: figures against limits, as ratios measured in the same run (docs/measure.md)."""
