# SPDX-License-Identifier: GPL-3.0-or-later
"""The loaded zones beside the one that is compiled: where aliases lead, which apexes lie above and below.

Keeps who depends on whom, and has a model fetched again when a neighbour needs it. Writes nothing to the store.
"""
