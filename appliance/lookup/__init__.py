# SPDX-License-Identifier: GPL-3.0-or-later
"""A question to a message, read from the store: find, denial, follow, render.

Writes nothing and keeps nothing: what a worker answers is what the XDP program would. Knows `store` and names of
`zone`; nothing here knows sockets.
"""
