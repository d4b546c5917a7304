# SPDX-License-Identifier: GPL-3.0-or-later
"""A demonstration on one machine: the real server at one end of a veth pair, dig at the other."""
