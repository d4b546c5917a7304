# SPDX-License-Identifier: GPL-3.0-or-later
"""A group of commands that tells of each its whole first sentence, and where a command lies that is not in it."""

import click


class Group(click.Group):
    """As click's, which cuts sentences off at the end of the line."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with the first sentence of their help, on as many lines as it takes."""
        told = [
            (name, command.get_short_help_str(limit=1000).removesuffix("."))
            for name in self.list_commands(context)
            if (command := self.get_command(context, name)) is not None and not command.hidden
        ]
        if told:
            with formatter.section("Commands"):
                formatter.write_dl(told)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant; an error names the one of another group that is called so."""
        try:
            return super().resolve_command(context, args)
        except click.UsageError:
            if found := self._elsewhere(context, args[0]):
                said = f"No such command {args[0]!r}. Did you mean `{found}`?"
                raise click.UsageError(said, context) from None
            raise

    def _elsewhere(self, context: click.Context, name: str) -> str:
        root = context.find_root().command
        assert isinstance(root, click.Group)
        for group_name, group in (("", root), *root.commands.items()):
            if group is not self and isinstance(group, click.Group) and name in group.commands:
                return " ".join(filter(None, ["appliance", group_name, name]))
        return ""
