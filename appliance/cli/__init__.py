# SPDX-License-Identifier: GPL-3.0-or-later
"""The `appliance` command: arguments → one call. main says what there is, output how results look to a person.

No logic: what a command does is in `control` or below, and works without a terminal. Imports that a command does not
need for its help are made late, so that the command starts fast.
"""
