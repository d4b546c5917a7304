# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept on disk beside the image: which version of each zone is served, all its records, and the IXFR journal.

Knows `zone`, no configuration and nothing of the store: appliance.served.history decides what goes in. Damage is told
and begun anew, never repaired by guesses.
"""
