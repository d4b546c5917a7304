# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong in the demonstration, as one line for the reader."""


class DemoError(Exception):
    """The message is the whole story: what is wrong and what mends it."""
