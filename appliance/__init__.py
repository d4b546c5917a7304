# SPDX-License-Identifier: GPL-3.0-or-later
"""Authoritative DNS appliance: an XDP program answers, this package prepares what it says and does everything else.

Here lies only what every folder may use: errors, why a file cannot be read, reports of crashes. One folder, one noun;
each says what may not lie in it. Which folder may import which: docs/architecture.md, tests/repo/test_imports.py.
"""

__version__ = "0.1.0"
