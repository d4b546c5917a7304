# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs about the server by itself have to show."""

import sys
from typing import Any


def show_pid(result: dict[str, Any]) -> None:
    """Print the result of the verb serverpid."""
    print(result["pid"])


def show_verbosity(result: dict[str, Any]) -> None:
    """Print the result of the verb verbosity."""
    before = "" if result["before"] == result["level"] else f" (it was {result['before']})"
    print(f"{result['level']}{before}")


def show_said(result: dict[str, Any]) -> None:
    """Print the one sentence of a result."""
    print(result["said"])


def show_drained(result: dict[str, Any]) -> None:
    """Print the results of the verbs drain and undrain; what is not as it should be goes to standard error."""
    if result["drained"] is None:
        print("the server is not drained")
    for warning in result["warnings"]:
        print(warning, file=sys.stdout if result["ok"] else sys.stderr)


def show_names(result: dict[str, Any]) -> None:
    """Print the result of the verb names."""
    for name in result["names"]:
        print(name)
