# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m appliance` is the `appliance` command."""

from appliance.cli.main import main

if __name__ == "__main__":
    main()
