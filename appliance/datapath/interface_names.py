# SPDX-License-Identifier: GPL-3.0-or-later
"""What interfaces are called: the kernel lists each by one name, and finds it by others too (`altname`)."""

import socket

from appliance.wording import visible


def name_of(name: str) -> str:
    """Return what an interface is called here, given that or another name of it (`altname`); nothing without one."""
    try:
        return socket.if_indextoname(socket.if_nametoindex(name))
    except (OSError, ValueError):  # it is not there, or has a NUL octet and never will be
        return ""


def no_interface(name: str) -> str:
    """Return that the kernel lists no interface by a name, with the one to use where it is another name of it."""
    known = name_of(name)
    if known not in ("", name):
        return f"{name} is another name of {known} (`altname` of `ip link`): use {known}"
    return f"no interface {visible(name)}; `ip link` lists those there are"


def another_name(name: str, known: str) -> str:
    """Return what mends a configuration with a name of an interface by which the kernel lists nothing."""
    return f'{name} is another name of {known} (`altname` of `ip link`): write name = "{known}"'
