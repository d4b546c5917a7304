# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes written name by name, in Python: every name that compiled writers leave."""

from collections.abc import Iterable

from appliance.compiler.answers import nodes
from appliance.compiler.answers.cnames import miss
from appliance.compiler.answers.referrals import referrals
from appliance.compiler.context import Context, shadowed
from appliance.compiler.denial.evidence import closest_encloser
from appliance.compiler.neighbours import family
from appliance.compiler.neighbours.tree import NameTree
from appliance.store.layout import NODE_BELOW, NODE_CUT, NODE_DNAME, NODE_FILLER
from appliance.zone import names


class Names:
    """Writes and publishes the nodes of names that exist."""

    def __init__(self, context: Context) -> None:
        """Write what belongs to one version."""
        self._context = context
        self._borders = family.borders(context.zone, context.below)
        self._shared = context.wildcards if context.zone.scheme == "unsigned" else {}

    def write(self, name: bytes) -> None:
        """Write one name; the apex is noted in the context."""
        context = self._context
        if name in context.zone.delegations:
            context.writer.publish(name, nodes.write_cut(context, name, name in self._borders))
        elif name == context.zone.origin:
            context.apex = nodes.write_name(context, name)
            if name != names.ROOT:
                context.writer.publish(name, context.apex)
        else:
            parent = name[2:] if name[:2] == names.WILDCARD_LABEL else b""
            ref = self._shared[parent] if parent in self._shared else nodes.write_name(context, name)
            context.writer.publish(name, ref)


class AllNames(Names):
    """Writes the names of a whole zone, and those that are there for the sake of loaded zones below it."""

    def __init__(self, context: Context, origins: NameTree) -> None:
        """Write all names of a version; `origins` are those of all loaded zones."""
        super().__init__(context)
        self._origins = origins

    def take(self, found: Iterable[bytes]) -> Iterable[bytes]:
        """Write all names, wildcards before them and fillers behind them."""
        context, zone = self._context, self._context.zone
        hidden = bool(zone.delegations or zone.dnames)
        self._write_wildcards()
        for name in found:
            if hidden and zone.is_occluded(name):
                continue
            if context.below and shadowed(context, name):
                self._write_at_child(name)
            else:
                self.write(name)
        for name in family.fillers(self._origins, zone):
            self._write_filler(name)
        return ()

    def _write_wildcards(self) -> None:
        context, zone = self._context, self._context.zone
        # A wildcard's own node names the wildcard below it.
        for wildcard in sorted(zone.wildcards(), key=len, reverse=True):
            if wildcard in zone.delegations or zone.is_occluded(wildcard) or shadowed(context, wildcard):
                continue
            context.wildcards[names.parent(wildcard)] = nodes.write_wildcard(context, wildcard)

    def _write_at_child(self, name: bytes) -> None:
        """Write the parent's side of a loaded child's apex; what the parent has below that is never seen."""
        context = self._context
        if name not in context.below or shadowed(context, names.parent(name)):
            return
        if name in context.zone.delegations:
            ref = nodes.write_cut(context, name, True)
        else:
            ref = nodes.write_filler(context, name, context.nodata, NODE_CUT | NODE_BELOW)
        context.writer.publish(name, ref)

    def _write_filler(self, name: bytes) -> None:
        context, zone = self._context, self._context.zone
        cut, dname = zone.cut_for(name), zone.dname_for(name)
        if cut is not None:
            ref = nodes.write_filler(context, name, referrals(context, cut), NODE_CUT | NODE_FILLER | NODE_BELOW)
        elif dname is not None:
            nowhere = miss(context)
            ref = nodes.write_filler(context, name, (nowhere, nowhere), NODE_DNAME | NODE_FILLER)
        else:
            ref = nodes.write_missing(context, name, context.wildcards.get(closest_encloser(zone, name), 0))
        context.writer.publish(name, ref)
