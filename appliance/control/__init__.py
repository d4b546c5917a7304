# SPDX-License-Identifier: GPL-3.0-or-later
"""The long-lived process: loads, compiles, attaches, supervises, and answers the operator on a Unix socket.

serve is the order of events; zones what is served; datapath the NIC path, or why there is none; workers the processes
that answer; channel and client the two ends of the control socket; status what it tells.
"""
