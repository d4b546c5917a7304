# SPDX-License-Identifier: GPL-3.0-or-later
"""What should be served, compared with what is served, as sets; the same at a start, at a reload and at SIGHUP."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from appliance.config.patterns import ZONE, Expansion, expand, file_of, is_folder, shown
from appliance.config.schema import Config, Pattern
from appliance.errors import Finding, StateError
from appliance.served.dynamic import DynamicZones
from appliance.served.file_source import FileSource, Place
from appliance.served.memory import uncollected
from appliance.served.removal import RemovalLimit
from appliance.served.source import Rules
from appliance.served.zones import ServedZone
from appliance.wording import counted, visible
from appliance.zone import names

DYNAMIC: Final = "dynamic|"
"""Before the name of its pattern, what a zone that was added is known as."""


@dataclass(slots=True)
class Wanted:
    """The zones of a configuration, what is wrong with its lists and folders, and which of these tell everything."""

    zones: dict[bytes, ServedZone] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    whole: dict[str, bool] = field(default_factory=dict)
    """For each pattern (known_as), whether it is known that it has no other zones."""
    shadowed: dict[bytes, None] = field(default_factory=dict)
    """Zones that were added, and that the configuration names too, which counts; in their order."""


@dataclass(slots=True)
class Plan:
    """What leads from the zones that are served to those that should be."""

    gone: tuple[bytes, ...]
    fresh: list[ServedZone]
    """Zones that are new, and zones that have another file."""
    refused: str = ""
    """Why the set of an operator's --allow-removal was not removed."""


@dataclass(slots=True)
class Foreseen:
    """What a look found, what is to be done because of it, and the rule for removals that has judged it."""

    found: Wanted
    plan: Plan
    limit: RemovalLimit


def limit_of(config: Config, verb: str = "reload") -> RemovalLimit:
    """Return the rule for removals that a verb asks for."""
    return RemovalLimit(config.server.removal_limit_percent, config.server.removal_limit_zones, verb)


def rules_of(config: Config) -> Rules:
    """Return what holds for all zones of a configuration."""
    return Rules(config.checks.levels, config.store.memory_mib << 21, config.server.include_below)


def from_file(rules: Rules, origin: bytes, at: str | Place, pattern: str = "") -> ServedZone:
    """Return a zone that is read from a master file."""
    return ServedZone(origin, FileSource(origin, at, rules), rules, pattern=pattern)


def known_as(pattern: Pattern) -> str:
    """Return what a pattern is known by, also after a restart."""
    return pattern.file if is_folder(pattern) else f"{pattern.zones}|{pattern.file}"


class Maker:
    """Makes the zones of a configuration; one that is served already, from the same place, is itself."""

    def __init__(self, rules: Rules, served: Mapping[bytes, ServedZone] | None = None) -> None:
        self._rules = rules
        self._served = served or {}

    def __call__(self, origin: bytes, at: str | Place, pattern: str = "") -> ServedZone:
        """Return a zone that is read from a master file."""
        known = self._served.get(origin)
        if known is not None and known.pattern == pattern and known.source.is_from(at):
            return known
        return from_file(self._rules, origin, at, pattern)


def wanted(
    config: Config, dynamic: DynamicZones | None = None, served: Mapping[bytes, ServedZone] | None = None
) -> Wanted:
    """Return what a configuration says should be served, and the zones that were added beside it.

    Of what is `served` already as it should be these are the same objects: to make a hundred thousand of them anew
    takes as long as all the rest, and 16 MiB.
    """
    make = Maker(rules_of(config), served)
    with uncollected():
        found = _wanted(config, make)
        if dynamic is not None:
            _add_dynamic(make, config, dynamic, found)
        return found


def _wanted(config: Config, make: Maker) -> Wanted:
    found = Wanted()
    for entry in config.zone:
        origin = names.fold(names.from_text(entry.name))
        found.zones[origin] = make(origin, entry.file)
    own = set(found.zones)
    for pattern in config.populated:
        _add_pattern(make, pattern, own, found)
    return found


def _add_pattern(make: Maker, pattern: Pattern, own: set[bytes], found: Wanted) -> None:
    """Add the zones of a pattern, without those that have a table of their own."""
    place = _place_of(pattern)
    known = known_as(pattern)
    expansion = Expansion()
    for origin, file, line in expand(pattern, expansion):
        if origin in own:
            continue
        other = found.zones.get(origin)
        if other is None:
            found.zones[origin] = make(origin, _placed(place, origin, file), known)
        elif other.pattern == known:
            chosen = expansion.chosen(pattern, origin, other.file, file, line)
            found.zones[origin] = make(origin, _placed(place, origin, chosen), known)
        elif other.file != file:
            found.findings.append(
                Finding(shown(file if is_folder(pattern) else pattern.zones), line, "error", _twice(origin, other.file))
            )
    found.findings += expansion.findings
    found.whole[known] = expansion.is_whole


def _add_dynamic(make: Maker, config: Config, dynamic: DynamicZones, found: Wanted) -> None:
    """Add the zones that were added; those of a pattern that has gone are served from where it had its files."""
    patterns = {one.name: one for one in config.pattern if ZONE in one.file}
    for name, _ in dynamic.patterns:
        if name not in patterns and (file := dynamic.files.get(name)):
            patterns[name] = Pattern(name=name, file=file)
    for origin, name in dynamic.zones.items():
        if origin in found.zones:
            found.shadowed[origin] = None
        elif name in patterns:
            found.zones[origin] = dynamic_zone(make, origin, patterns[name])
        else:
            reason = f"it was added with pattern {name!r}, which is not configured: its file is not known; configure it"
            found.findings.append(Finding(f"zone {names.to_text(origin)}", 0, "error", reason))


def _stay(
    dynamic: DynamicZones, found: Wanted, before: Mapping[bytes, ServedZone], unsure: Collection[str] = ()
) -> None:
    """Leave zones that were added, and that a list or folder named too, with that while it does not tell all.

    Those of `unsure` patterns stay too, whatever these tell.
    """
    unsure = {pattern for pattern, is_whole in found.whole.items() if not is_whole}.union(unsure)
    for origin in dynamic.zones if unsure else ():
        known, now = before.get(origin), found.zones.get(origin)
        if known is not None and known.pattern in unsure and (now is None or now.pattern.startswith(DYNAMIC)):
            found.zones[origin] = known
            found.shadowed[origin] = None


def dynamic_zone(make: Maker, origin: bytes, pattern: Pattern) -> ServedZone:
    """Return a zone that was added with a pattern, read from the file that this gives it."""
    file = file_of(pattern, names.to_text(origin))
    return make(origin, _placed(_place_at(pattern.file), origin, file), f"{DYNAMIC}{pattern.name}")


def _placed(place: str | Place, origin: bytes, file: str) -> str | Place:
    """Return where the file of a zone is, by what it has in common with others if that says it."""
    if isinstance(place, Place):
        return place if place.is_of(origin, file) else file
    return place if place == file else file


def _twice(origin: bytes, file: str) -> str:
    return (
        f"zone {names.to_text(origin)} is in two [[pattern]]s: {shown(file)} is its file, this one is not used; "
        "give it a [[zone]] of its own, or take it out of one"
    )


def _place_of(pattern: Pattern) -> str | Place:
    """Return what all files of a pattern have in common, or the file itself where it is that of all zones."""
    return _place_at(pattern.file)


@lru_cache(1000)
def _place_at(file: str) -> str | Place:
    """Return one object for what the same text says, so that a hundred thousand of them are soon compared."""
    return Place(*file.split(ZONE)) if ZONE in file else file


def remembered(config: Config, known: Iterable[tuple[bytes, str]]) -> dict[bytes, ServedZone]:
    """Return the zones that were served before a restart and are of a pattern that is still configured."""
    patterns = {known_as(one): one for one in config.populated}
    places = {pattern: _place_of(one) for pattern, one in patterns.items()}
    rules = rules_of(config)
    found = {}
    for origin, pattern in known:
        if pattern in patterns:
            file = file_of(patterns[pattern], names.to_text(origin))
            found[origin] = from_file(rules, origin, _placed(places[pattern], origin, file), pattern)
    return found


class ZoneSet:
    """The zones that are served, and what is known of those that should be."""

    def __init__(self, config: Config, dynamic: DynamicZones | None = None) -> None:
        """Start without zones; `dynamic` has those that are served beside the configured ones."""
        self._config = config
        self._dynamic = dynamic
        self.shadowed: dict[bytes, None] = {}
        """Zones that were added and are configured too, as of the last look."""
        self.zones: dict[bytes, ServedZone] = {}
        self.findings: list[Finding] = []
        """What is wrong with lists and folders, as of the last look."""
        self.unlisted: set[bytes] = set()
        """Zones that are served though nothing names them: too many would go, or a list or folder does not tell all."""
        self.failed = ""
        """Why the last reload was not done whole, apart from what single zones, lists and folders tell."""
        self.limit = limit_of(config)

    def start(self, known: Collection[tuple[bytes, str]]) -> list[bytes]:
        """Find the zones to be served, given those that were before; return the origins that are not any more."""
        found = wanted(self._config, self._dynamic)
        missing = [(origin, pattern) for origin, pattern in known if origin not in found.zones]
        before = remembered(self._config, missing)
        planned = self._plan(before, found, len(known))
        held = {before[origin].pattern for origin in self.limit.held.origins} if self.limit.held else set()
        if self._dynamic is not None and (held or not all(found.whole.values())):
            added = [one for one in known if one[0] in self._dynamic.zones]
            _stay(self._dynamic, found, remembered(self._config, added), held)
        self.zones.update(found.zones)
        for origin, served in before.items():
            if origin not in planned.gone:
                self.zones[origin] = served
        self._note(found)
        return [origin for origin, _ in missing if origin not in self.zones]

    def look_again(self, allowed: str = "") -> Plan:
        """Return what is to be done; `allowed` is the number of a set that an operator lets go."""
        return self.follow(self.foresee(self._config, allowed))

    def foresee(self, config: Config, allowed: str = "", verb: str = "reload") -> Foreseen:
        """Return what a configuration would change; nothing is noted of it. `verb` is what the operator asked for."""
        found = wanted(config, self._dynamic, self.zones)
        if self._dynamic is not None:
            _stay(self._dynamic, found, self.zones)
        limit = limit_of(config, verb)
        plan = self._plan(self.zones, found, len(self.zones), allowed, limit)
        if limit.held and self._dynamic is not None:  # a list that lost many by mistake lost those that were added too
            _stay(self._dynamic, found, self.zones, {self.zones[origin].pattern for origin in limit.held.origins})
            plan.fresh = [one for one in plan.fresh if found.zones[one.origin] is one]
        return Foreseen(found, plan, limit)

    def follow(self, foreseen: Foreseen) -> Plan:
        """Note what was foreseen, which is done next."""
        found = foreseen.found
        self.limit = foreseen.limit
        for origin, one in found.zones.items():
            if origin in self.zones:
                self.zones[origin].pattern = one.pattern
        self._note(found, leaving=foreseen.plan.gone)
        return foreseen.plan

    def take(self, fresh: ServedZone) -> ServedZone:
        """Let a zone have another source and pattern, or be served from now on; return it."""
        known = self.zones.setdefault(fresh.origin, fresh)
        known.source, known.pattern = fresh.source, fresh.pattern
        self.findings = [one for one in self.findings if one.file != f"zone {fresh.name}"]
        return known

    def configure(self, config: Config) -> None:
        """Let another configuration say what should be served, and by which rules; look_again() tells what follows."""
        before, self._config = rules_of(self._config), config
        rules = rules_of(config)
        if rules != before:
            for served in self.zones.values():
                served.rules = rules
                served.source.judge_by(rules)

    def _note(self, found: Wanted, leaving: Collection[bytes] = ()) -> None:
        self.findings = found.findings
        self.shadowed = found.shadowed
        self.unlisted = self.zones.keys() - found.zones.keys() - set(leaving)

    def _plan(
        self,
        served: Mapping[bytes, ServedZone],
        found: Wanted,
        of: int,
        allowed: str = "",
        limit: RemovalLimit | None = None,
    ) -> Plan:
        missing = [one for origin, one in served.items() if origin not in found.zones]
        gone = [one.origin for one in missing if found.whole.get(one.pattern, True)]
        refused = ""
        try:
            leaving = (limit or self.limit).judge(gone, of, list(_emptied(gone, served, found)), allowed)
        except StateError as error:
            leaving, refused = (), str(error)
        fresh = [
            one
            for origin, one in found.zones.items()
            if (known := served.get(origin)) is not one and (known is None or known.file != one.file)
        ]
        return Plan(leaving, fresh, refused)

    def pattern_names(self) -> dict[str, str]:
        """Return what each pattern is called by people, by what it is known as."""
        return {known_as(one): one.name or one.file for one in self._config.populated}

    def templates(self) -> dict[bytes, str]:
        """Return the patterns of the zones that have tables of their own."""
        return {names.fold(names.from_text(one.name)): one.pattern for one in self._config.zone if one.pattern}

    def problems(self) -> list[str]:
        """Return what is wrong, apart from what single zones tell."""
        found = [place_and_reason(one) for one in self.findings if one.severity == "error"]
        found += [str(self.limit.held)] if self.limit.held else []
        found += self._dynamic.problems() if self._dynamic is not None else []
        return found + ([self.failed] if self.failed else [])

    def warnings(self) -> list[str]:
        """Return what is doubtful about zones that were added, and which are frozen."""
        said = self._dynamic.warnings(self._config) if self._dynamic is not None else []
        if self.shadowed:
            first = names.to_text(next(iter(self.shadowed)))
            said.append(
                f"{counted(len(self.shadowed), 'zone')} added with addzone, and configured too ({first}"
                f"{', …' if len(self.shadowed) > 1 else ''}): the configuration counts; `appliance delzone` ends it"
            )
        return said


def place_and_reason(finding: Finding) -> str:
    """Return a finding in one line, without its severity."""
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    return visible(f"{place}: {finding.reason}")


def _emptied(gone: Collection[bytes], served: Mapping[bytes, ServedZone], found: Wanted) -> Iterator[str]:
    """Yield the lists and folders that have no zone left of those that they had."""
    left = {one.pattern for one in found.zones.values()}
    for pattern in dict.fromkeys(served[origin].pattern for origin in gone):
        if pattern in found.whole and pattern not in left:
            before, _, file = pattern.partition("|")
            yield before if file else before.rpartition("/")[0]
