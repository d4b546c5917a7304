# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions and replies: frames, sets of questions, the generator inside the kernel, checks of what comes back.

Reads no zone and starts no server. Knows `machine`.
"""
