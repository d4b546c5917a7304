# SPDX-License-Identifier: GPL-3.0-or-later
"""What a zone is: names, types, RDATA, the model, loading and checking it, as text or as packed records.

In sub-folders: `master` text to records, `packed` records of large zones, `checks` findings, `diff` two versions.
Knows nothing of the store, of the configuration or of where a zone came from. A file that a zone names is opened in
`master` only. What compiled modules share (.pxd) lies beside them.
"""
