# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of one name: referrals, positive data, wildcards, aliases, and the node that holds them.

Written by Python, one name at a time, for all that the compiled writers leave. Knows `denial` and the writer.
"""
