# SPDX-License-Identifier: GPL-3.0-or-later
"""Two versions of a zone compared: what is listed of one, what differs, as a step that can be applied.

Nothing here knows which version is served.
"""
