# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that many commands have."""

from pathlib import Path
from typing import Any, Final

import click

DEFAULT_CONFIG: Final = Path("/etc/appliance/appliance.toml")


class Number(click.FloatRange):
    """A number in a range; what is no number ("nan") is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail."""
        found = super().convert(value, param, ctx)
        if found != found:
            self.fail(f"{value!r} is no number", param, ctx)
        return found


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False, readable=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Configuration file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
timeout_option = click.option(
    "--timeout",
    type=Number(min=0.1, max=86400.0),
    default=None,
    help="Seconds to wait for the server; without it, as long as suits the command.",
)
