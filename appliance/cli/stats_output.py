# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters, and what the answer store holds, as tables for a person."""

from typing import Any, Final

from appliance.cli.quantities import lasting
from appliance.cli.tables import print_table, print_text
from appliance.served.signatures import moment
from appliance.wording import counted

_NOUNS: Final = ("zone", "name", "node", "fragment")


def show_stats(stats: dict[str, Any]) -> None:
    """Print the result of the verb stats; counters that are 0 are left out."""
    if "since" in stats:
        since = moment(int(stats["since"]))
        print_text(f"counters: what they have grown by in {lasting(stats['seconds'])}, since {since}")
    share = stats["nic_path_share"]
    if share is not None:
        print_text(f"{share:.2%} of the UDP queries were answered on the NIC path")
    for title, key in (("NIC path", "verdicts"), ("userspace", "userspace")):
        counters = [[name, f"{value:,}"] for name, value in stats[key].items() if value]
        if counters:
            print_table([title, "count"], counters, right=("count",))
    for name, number in stats["put_back"].items():
        times = counted(number, "time")
        print_text(f"interface {name}: the XDP program was put back {times} after somebody took it off")
    if any(stats["connections"]):
        print_text(f"open TCP connections of each worker: {', '.join(map(str, stats['connections']))}")
    _show_store(stats["store"])
    if not any(stats["verdicts"].values()) and not any(stats["userspace"].values()):
        print_text("no query has come" if "since" in stats else "no query has come yet")


def show_estimate(estimate: dict[str, Any]) -> None:
    """Print what a load would take."""
    memory = f"{estimate['memory_mib']:,} MiB of memory, {estimate['store_mib']:,} of them for the answer store"
    print_text(f"{memory}; {estimate['peak_mib']:,} MiB while it is loaded, {estimate['seconds']:.1f} s to load")
    if estimate["allowed_mib"]:
        verdict = "fits" if estimate["fits"] else "does not fit"
        print_text(f"it {verdict} into [store] memory_mib = {estimate['allowed_mib']}")
    _show_store(estimate["store"])


def _show_store(store: dict[str, Any]) -> None:
    """Print what the answer store holds."""
    counts = ", ".join(f"{(n := store[f'{noun}s']):,} {noun if n == 1 else f'{noun}s'}" for noun in _NOUNS)
    print_text(f"answer store: {counts}, each used {store['sharing']:.2f} times")
    octets = {key.removesuffix("_octets"): value for key, value in store.items() if key.endswith("_octets")}
    rows = [[name.replace("_", " "), f"{value / 2**20:,.2f}"] for name, value in octets.items()]
    print_table(["octets of", "MiB"], rows, right=("MiB",))
