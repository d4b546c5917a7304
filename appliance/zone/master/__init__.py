# SPDX-License-Identifier: GPL-3.0-or-later
"""Master files: text to packed records, with file and line of each mistake.

Here files are opened and scanned; nothing here knows which records make a zone. Knows `zone` names, types and RDATA.
"""
