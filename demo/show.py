# SPDX-License-Identifier: GPL-3.0-or-later
"""Put commands, answers and the closing table on the screen; colour only where a terminal reads it."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.session import Exchange

_HIDDEN = (
    ";; WARNING",
    ";; Query time",
    ";; WHEN",
    "; <<>>",
    ";; global options",
    "; (1 server",
    ";; Got answer",
    ";; SERVER",
)

_WIDTH_OF_A_FILE = 160
_LINES_OF_AN_ANSWER = 14


class Screen:
    """Where the demonstration writes."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        if not self.console.is_terminal:
            self.console.width = _WIDTH_OF_A_FILE

    def step(self, text: str) -> None:
        """Say what happens next."""
        self.console.print(Text(text, style="bold"))
        self.console.file.flush()

    def exchange(self, exchange: Exchange) -> None:
        """Show a command and what came back."""
        self.console.print()
        self.console.print(Text.assemble(("$ ", "dim"), (" ".join(exchange.command), "bold cyan")))
        lines = [line for line in exchange.reply.text.splitlines() if line.strip() and not line.startswith(_HIDDEN)]
        shown = lines[:_LINES_OF_AN_ANSWER]
        for line in shown:
            self.console.print(Text("  " + line, style="dim" if line.startswith(";") else ""))
        if len(lines) > len(shown):
            self.console.print(Text(f"  … and {len(lines) - len(shown)} more lines", style="dim"))
        if exchange.complaint:
            self.console.print(Text(f"  wrong: {exchange.complaint}", style="bold red"))

    def table(self, exchanges: list[Exchange], mode: str) -> None:
        """Show who answered each question."""
        table = Table(title=f"who answered (XDP mode of the interface: {mode})", title_justify="left")
        for heading in ("question", "asked", "answer", "answered by", "verdict", "right"):
            table.add_column(heading)
        for one in exchanges:
            answer = one.reply.rcode + (" TC" if "tc" in one.reply.flags else "")
            right = Text("yes", style="green") if not one.complaint else Text(one.complaint, style="red")
            style = "green" if one.on_nic_path else "yellow"
            table.add_row(one.title, one.asked, answer, Text(one.answered_by, style=style), one.verdict, right)
        self.console.print()
        self.console.print(table)
