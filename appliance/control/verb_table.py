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
    bulk: bool = False
    """Whether lines of standard input follow the request."""
    lists: bool = False
    """Whether the command without a zone is about all of them, also where it has two words."""

    @property
    def commands(self) -> tuple[str, ...]:
        """Every command that asks for this verb, the first is the one that help names."""
        return (self.command or self.name, *self.aliases)


_ZONE: Final = Argument("zone", "Name of the zone.", option=False)
_NAME: Final = _ZONE._replace(required=True, metavar="NAME")
_PATTERN: Final = Argument("pattern", "Name of a [[pattern]].", option=False, required=True, metavar="PATTERN")

VERBS: Final = (
    Row(
        "status",
        "Show whether all is well: zones by state, interfaces, and what is wrong.",
        "read",
        "show_status",
        (Argument("zones", "List every zone, not only what is wrong.", "flag"),),
    ),
    Row(
        "stats",
        "Show the counters of the NIC path and of userspace, which are never reset.",
        "read",
        "show_stats",
        (Argument("diff", "Show what they have grown by since this was last asked for, by whomever.", "flag"),),
        aliases=("stats_noreset",),
    ),
    Row(
        "names",
        "Show names of zones, a thousand at most: of those that begin with BEGUN.",
        "read",
        "show_names",
        (Argument("begun", "What the names begin with.", option=False),),
        command="zone names",
    ),
    Row(
        "journal",
        "Show the steps between versions of zone NAME that are kept, the oldest first.",
        "read",
        "show_journal",
        (_NAME,),
        command="zone journal",
    ),
    Row(
        "zonestatus",
        "Show what is served of each zone, since when, and what is wrong; of zone NAME everything, with proof.\n\n"
        "With NAME the zone is asked for as clients ask. Exit 2 if one of the zones shown is bad.",
        "read",
        "show_zone_status",
        (
            _ZONE._replace(metavar="[NAME]"),
            Argument("bad", "Only zones with which something is wrong.", "flag"),
            Argument(
                "filter", "Only zones like this: '*.example.', or a column as in state='not loaded'.", metavar="X"
            ),
            Argument("sort", "In the order of this column; -KEY turns it round.", metavar="KEY"),
            Argument("columns", "These columns, separated by commas; --json without it has all.", metavar="A,B"),
        ),
        aliases=("zonestatus",),
        command="zone status",
        lists=True,
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
    Row("serverpid", "Show the process number of the server.", "read", "show_pid"),
    Row(
        "verbosity",
        "Show from which level on the server logs, or set it until the server ends: LEVEL is error (0), warning (1), "
        "info (2) or debug (3).",
        "operate",
        "show_verbosity",
        (Argument("level", "Name or number of the level.", option=False),),
    ),
    Row(
        "log_reopen",
        "Open the file of the log again, as after it was renamed.\n\n"
        "A log that goes to the journal needs no opening, and that is told.",
        "operate",
        "show_said",
    ),
    Row(
        "drain",
        "Let `appliance health` fail until `appliance undrain`, over restarts too; queries are answered as before.",
        "operate",
        "show_drained",
        (Argument("reason", "Why: shown by health and status.", metavar="TEXT"),),
    ),
    Row("undrain", "Let `appliance health` say again what it finds.", "operate", "show_drained"),
    *(
        Row(
            name,
            f"{does}. This version makes no transfers, and says so with exit status 1.",
            "operate",
            "show_nothing",
            (_ZONE,),
        )
        for name, does in (
            ("notify", "Tell the secondaries of ZONE, or of all zones, that it has changed"),
            ("transfer", "Ask the primaries of ZONE, or of all zones, whether it has changed"),
            ("force_transfer", "Fetch ZONE, or all zones, from the primaries, whatever their serial"),
        )
    ),
    Row(
        "addzone",
        "Serve zone NAME from now on, from the file that [[pattern]] PATTERN gives it, also after a restart.\n\n"
        "Exit 2 if it was added and its file cannot be served: its names answer SERVFAIL until that is mended.",
        "operate",
        "show_zones",
        (
            _NAME,
            _PATTERN,
        ),
        aliases=("zone add",),
        slow=True,
    ),
    Row(
        "delzone",
        "Serve zone NAME no more, which was added with addzone; its file stays.",
        "operate",
        "show_zones",
        (_NAME,),
        aliases=("zone remove",),
        slow=True,
    ),
    Row(
        "changezone",
        "Give zone NAME, which was added with addzone, another PATTERN; what is served stays until its file is read.",
        "operate",
        "show_zones",
        (
            _NAME,
            _PATTERN,
        ),
        aliases=("zone change",),
        slow=True,
    ),
    Row(
        "addzones",
        "Add the zones that standard input names, `NAME PATTERN` a line; tell what came of each as it is done.",
        "operate",
        "show_bulk",
        bulk=True,
    ),
    Row(
        "delzones",
        "Serve the zones no more that standard input names, one a line; they are zones that were added.",
        "operate",
        "show_bulk",
        bulk=True,
    ),
    Row(
        "export",
        "List the zones that were added with addzone, in the form of NSD's zone.list: `add NAME PATTERN`.",
        "read",
        "show_export",
        command="zone export",
    ),
    Row(
        "import",
        "Add the zones of standard input, which is what `zone export` printed, as text or JSON, or NSD's zone.list.\n\n"
        "Zones that are there already with the same pattern stay.",
        "operate",
        "show_bulk",
        command="zone import",
        bulk=True,
    ),
    Row(
        "freeze",
        "Read the file of ZONE, or of all zones, no more, also after a restart, until `appliance thaw`.",
        "operate",
        "show_zones",
        (_ZONE,),
        aliases=("zone freeze",),
        slow=True,
    ),
    Row(
        "thaw",
        "Read the file of ZONE, or of all frozen zones, again.",
        "operate",
        "show_zones",
        (_ZONE,),
        aliases=("zone thaw",),
        slow=True,
    ),
    Row(
        "versions",
        "Show the versions of zone NAME that are kept, the newest first.",
        "read",
        "show_versions",
        (_NAME,),
        command="zone versions",
    ),
    Row(
        "rollback",
        "Serve the version of zone NAME that had SERIAL again, and freeze the zone until `appliance thaw`.\n\n"
        "The zone gets a serial above the served one, so that secondaries follow. A signed zone keeps its own.",
        "operate",
        "show_zones",
        (
            _NAME,
            Argument("serial", "A serial that `zone versions` shows.", option=False, required=True, metavar="SERIAL"),
            Argument("force", "Roll a signed zone back, while its signatures are valid.", "flag"),
        ),
        command="zone rollback",
        slow=True,
    ),
    Row(
        "write",
        "Put ZONE, or all zones that no file feeds, back as master files: those that were rolled back.",
        "operate",
        "show_zones",
        (_ZONE,),
        aliases=("zone write",),
        slow=True,
    ),
    Row("stop", "Stop the server and wait until it has ended.", "operate", "show_nothing"),
)

BY_NAME: Final[Mapping[str, Row]] = {row.name: row for row in VERBS}
OPERATING: Final = frozenset(row.name for row in VERBS if row.access == "operate")
"""Verbs that change the server."""

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
