# SPDX-License-Identifier: GPL-3.0-or-later
"""For the operator only: the verbs, the channel, status, the update of what is served, the process itself.

`serve` is the order of events, `update` the one door for a change: `start` brings all zones through it, `reload` what
operators have edited. `channel` is the server's end of a control socket, `verb_table` what can be asked on it.
May use every folder but `cli`.
"""
