# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs, a row each: the command line, the control sockets, the documentation and completion are made from it.

What a verb does stands in `verbs`, how its result looks in `cli.output`. Each command reads this module, so it imports
nothing that takes time.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from appliance.errors import ApplianceError

Kind = Literal["text", "flag"]
Access = Literal["read", "operate"]


class Argument(NamedTuple):
    """One argument of a verb: a word of the command line, or an option where `option` says so; `kind` is its type."""

    name: str
    help: str
    kind: Kind = "text"
    option: bool = True
    required: bool = False
    metavar: str | None = None


class Row(NamedTuple):
    """One verb.

    `aliases` are further commands; those of two words are about one zone, which must be named. `access` is the socket
    that the verb is taken on: both, or that for operators. `slow` is for what takes as long as the zones are large.
    `rendering` is the function of `cli.output` that prints the result.
    """

    name: str
    help: str
    access: Access
    rendering: str
    arguments: tuple[Argument, ...] = ()
    aliases: tuple[str, ...] = ()
    command: str = ""
    """The command, where it is not the verb's name."""
    slow: bool = False

    @property
    def commands(self) -> tuple[str, ...]:
        """Every command that asks for this verb, the first is the one that help names."""
        return (self.command or self.name, *self.aliases)


_ZONE: Final = Argument("zone", "Name of the zone.", option=False)

VERBS: Final = (
    Row(
        "status",
        "Show whether all is well: zones by state, interfaces, and what is wrong.",
        "read",
        "show_status",
        (Argument("zones", "List every zone, not only what is wrong.", "flag"),),
    ),
    Row("stats", "Show the counters of the NIC path and of userspace.", "read", "show_stats"),
    Row(
        "journal",
        "Show the steps between versions of zone NAME that are kept, the oldest first.",
        "read",
        "show_journal",
        (_ZONE._replace(required=True, metavar="NAME"),),
        command="zone journal",
    ),
    Row(
        "reload",
        "Read zone files again: that of ZONE, or all that changed, and lists and folders.\n\n"
        "Exit 1 if anything of it failed, also where it failed before: what is still wrong is told again.",
        "operate",
        "show_reload",
        (
            _ZONE,
            Argument("allow_removal", "Remove the very set of zones that status shows as held.", metavar="N"),
        ),
        aliases=("zone reload",),
        slow=True,
    ),
    Row(
        "apply",
        "Change the running server to what its configuration says now, all or nothing.\n\n"
        "What differs is printed. Exit 1 where that failed, or a zone that came with it cannot be read; "
        "with --dry-run 2 where something would change.",
        "operate",
        "show_applied",
        (
            Argument("dry_run", "Print what would change, and change nothing.", "flag"),
            Argument("allow_removal", "Remove the very set of zones that apply has refused to.", metavar="N"),
        ),
        aliases=("repattern", "reconfig"),
        slow=True,
    ),
    Row(
        "detach",
        "Take the XDP program off INTERFACE, or off all that run ours, with or without a running server.\n\n"
        "A running server does it itself, serves from userspace and says so in status until `appliance reload`.",
        "operate",
        "show_detached",
        (
            Argument("interface", "Name of the interface.", option=False),
            Argument("force", "Take off whatever program runs on INTERFACE, also one that is not ours.", "flag"),
        ),
    ),
    Row("stop", "Stop the server and wait until it has ended.", "operate", "show_nothing"),
)

BY_NAME: Final[Mapping[str, Row]] = {row.name: row for row in VERBS}

_TYPES: Final = {"text": (str, "text"), "flag": (bool, "true or false")}


def checked(row: Row, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a request, with "" or False for those that are not given. Raises ApplianceError."""
    known = {argument.name: argument for argument in row.arguments}
    for name in given:
        if name not in known:
            takes = f"known are {', '.join(known)}" if known else "there are none"
            raise ApplianceError(f"verb {row.name}: unknown argument {name!r}; {takes}")
    taken: dict[str, Any] = {}
    for name, argument in known.items():
        type_, words = _TYPES[argument.kind]
        value = given.get(name, type_())
        if not isinstance(value, type_):
            raise ApplianceError(f"verb {row.name}: {name} must be {words}, not {value!r}")
        if argument.required and not value:
            raise ApplianceError(f"verb {row.name}: {name} is missing")
        taken[name] = value
    return taken
