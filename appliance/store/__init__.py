# SPDX-License-Identifier: GPL-3.0-or-later
"""The octets that the XDP program and Python share: layout, index, heap, zone table, image, capacity, tally, move.

Readers may look at any moment, one writer changes. Knows names of `zone`; holds no zone and nothing of how answers are
made. Only `layout` knows where a field lies.
"""
