# SPDX-License-Identifier: GPL-3.0-or-later
"""For the operator only: the verbs, the channel, status, the update of what is served, the process itself.

`serve` is the order of events; `update` the one door for a change; `channel` the server's end of the control socket.
May use every folder but `cli`.
"""
