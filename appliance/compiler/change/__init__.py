# SPDX-License-Identifier: GPL-3.0-or-later
"""A new version that differs in some names: what they reach is written anew, the rest stays.

Where a change reaches further than this can see, the zone is compiled whole.
"""
