# SPDX-License-Identifier: GPL-3.0-or-later
"""What another server's configuration says, in ours; and whether both servers answer alike.

One reader a format makes an `old.Old`, one writer makes our TOML of it. Nothing here reads a whole zone, starts a
server or shows a secret.
"""
