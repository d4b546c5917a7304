# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizes of UDP messages for which answers have variants that fit."""

from typing import Final

EDNS_SIZE: Final = 1232
"""What fits through every path (RFC 9715 §3.1), and the size that is offered unless it is configured."""
PLAIN_SIZE: Final = 512
"""Without EDNS (RFC 1035 §4.2.1)."""
