# SPDX-License-Identifier: GPL-3.0-or-later
"""Load the XDP program, attach it, swap it, read its counters, watch interfaces come and go.

Other folders ask through `door` with plain data and hold no descriptor; the import test lists what they may know.
Only `compiler`, in the loader's process, imports bcc, and netlink is spoken nowhere else. Knows the store's arrays and
no zone, no name and no answer.
"""
