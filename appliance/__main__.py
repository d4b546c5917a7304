# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the `appliance` command begins; `python -m appliance` is the same.

What it needs is imported in main(): a signal must find somebody in charge before that takes its time.
"""

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["serve"]:
        from appliance.control.early_signals import take_charge

        take_charge()
    try:
        from appliance.cli.main import main as run

        run()
    except KeyboardInterrupt:  # of any other command, while it is imported
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
