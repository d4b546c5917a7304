# SPDX-License-Identifier: GPL-3.0-or-later
"""The `appliance` command: arguments → one call. main says what there is, output how results look to a person."""
