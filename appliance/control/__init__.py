# SPDX-License-Identifier: GPL-3.0-or-later
"""The long-lived process: loads, compiles, attaches, supervises, and answers the operator on a Unix socket.

serve is the order of events and stage how far they are; zones what is served; datapath the NIC path, or why there is
none; workers the processes that answer, and pulse whether they do; channel and client the two ends of a control socket,
verbs what can be asked for; status and summary what is told. health asks from outside, as clients do.
"""
