# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: the XDP program answers only as long as a healthy control process says so again and again."""

import asyncio
import contextlib
from typing import Final

from appliance.publish.publication import Publication

_RENEWALS: Final = 10
"""Renewals in the time that a lease lasts: a process that is only slow does not lose the lease."""
_LONGEST_S: Final = 60.0


async def keep_renewing(publication: Publication) -> None:
    """Renew the lease of whatever NIC path is there, for as long as the event loop runs; nothing to do without end.

    After that, a hang or a stop that leaves the program on the interfaces, it runs out by itself.
    """
    changed = publication.lease_changed
    while True:
        changed.clear()
        lease_s = publication.lease_s
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), min(lease_s / _RENEWALS, _LONGEST_S) if lease_s else None)
        if lease_s and publication.nic_path is not None:
            publication.nic_path.renew_lease()
