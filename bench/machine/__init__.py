# SPDX-License-Identifier: GPL-3.0-or-later
"""Where is measured: namespaces and veth pair, XDP attachments, processor time, the description of the machine.

Nothing here knows a question, a zone or a name server.
"""
