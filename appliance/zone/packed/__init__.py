# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of large zones as octets in canonical order, and what is found by walking over them.

No object for each record: compiled modules read one memory. Knows `zone` names; nothing here opens a file or writes the
store.
"""
