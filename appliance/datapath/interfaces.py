# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces of this server, kept as its configuration wants them: looked at, acted upon, reported.

The state of the interfaces is the truth. One function (reconcile) compares it with what is wanted; here is done what
it says, at a start, at a reload, at a stop and whenever the kernel tells of a change.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from appliance.datapath.conditions import Conditions, why_silent
from appliance.datapath.door import Attach, Attached, Detach, Door, Drop, Grow, List, Load, Loaded, Replace, Tidy
from appliance.datapath.found import Look
from appliance.datapath.generation import Generation, Placed
from appliance.datapath.reconcile import Action, Wish, reconcile
from appliance.datapath.report import Report, row_of
from appliance.datapath.services import MOST
from appliance.datapath.specs import InterfaceSpec
from appliance.datapath.taking import Taken, take_off
from appliance.errors import DatapathError

_TO_BE_LOADED: Final = -1
_ATTEMPTS: Final = 5
_WITHIN_S: Final = 60.0

_log = logging.getLogger(__name__)


class Interfaces:
    """Every method may be called from any thread, and none from the event loop's: they ask the kernel."""

    def __init__(self, specs: Sequence[InterfaceSpec], named: Sequence[str] = (), run_dir: str = "") -> None:
        """Serve `specs`; `named` are all interfaces of the configuration."""
        self._specs = tuple(specs)
        self._named = frozenset((*named, *(spec.name for spec in specs)))
        self._run_dir = run_dir
        self._door = Door(specs, tuple(named), run_dir)
        self._turn = threading.RLock()
        self._program = _TO_BE_LOADED if specs else 0
        self._generation: Generation | None = None
        self._placed = Placed()
        self._got: dict[str, Attached] = {}
        self._failed: dict[str, str] = {}
        self._kept_off: dict[str, float] = {}
        self._attempts: dict[tuple[str, int], deque[float]] = defaultdict(lambda: deque(maxlen=_ATTEMPTS))
        self._refused: dict[str, str] = {}
        self._logged: dict[str, str] = {}
        self._conditions = Conditions()

    def load(self, **sizes: int) -> Generation:
        """Load a generation with an empty store, which is not attached yet. Raises DatapathError."""
        with self._turn:
            former = self._generation
        request = Load(**sizes) if former is None else Grow(generation=former.folder.name, **sizes)
        loaded: Loaded = self._door.ask(request)
        return self._door.memory(loaded.generation)

    def configure(self, specs: Sequence[InterfaceSpec], named: Sequence[str] = (), *, act: bool = True) -> None:
        """Serve other interfaces, or the same ones in another way; with `act` false from the next generation on.

        Raises DatapathError where one that must take the program in a mode refuses it; configure() with what was there
        before leads back.
        """
        with self._turn:
            before = {spec.name: spec for spec in self._specs}
            self._specs = tuple(specs)
            self._named = frozenset((*named, *(spec.name for spec in specs)))
            self._door.configure(specs, named)
            if not act:
                return
            changed = {spec.name: spec for spec in specs if before.get(spec.name) != spec}
            self._leave_mode([spec for spec in changed.values() if self._has_another_mode(spec, before)])
            self._attempts.clear()
            self._act()
            refused = [why for name, why in self._failed.items() if name in changed and changed[name].mode != "auto"]
            if refused:
                raise DatapathError("; ".join(refused))

    def _has_another_mode(self, spec: InterfaceSpec, before: Mapping[str, InterfaceSpec]) -> bool:
        """Return whether an interface runs the program in a mode in which it would not be attached now."""
        got = self._got.get(spec.name)
        known = before.get(spec.name)
        return got is not None and known is not None and known.mode != spec.mode and spec.mode != got.mode

    def _leave_mode(self, specs: Sequence[InterfaceSpec]) -> None:
        """Take the program off, so that it is attached in another mode; userspace answers meanwhile."""
        names = {spec.name for spec in specs}
        look: Look = self._door.ask(List())
        for found in look.found:
            if found.link.name in names and found.whose == "own":
                self._door.ask(Detach(interface=found.link.name, program=found.link.program))
                self._got.pop(found.link.name, None)
                self._conditions.taken_off(found.link.name)  # else it counts as put back after somebody's hand

    def give_up(self) -> None:
        """End a load() that is under way, which raises DatapathError then. May be called from the event loop too."""
        self._door.give_up()

    def begin(self) -> None:
        """Take off what is not to serve, whatever the configuration; what is to be replaced stays until then."""
        with self._turn:
            self._act(sweep=True)

    def serve(self, generation: Generation | None, *, forced: bool = False) -> None:
        """Serve a generation from now on in the place of the one before; None: take off whatever is ours.

        `forced` raises DatapathError, leaving what was there, when an interface that is there refuses the program and
        none takes it.
        """
        with self._turn:
            former = self._generation
            program = generation.program_id() if generation is not None else 0
            before, self._program, self._generation = self._program, program, generation
            self._got.clear()
            self._attempts.clear()
            try:
                self._act(sweep=former is None, forced=forced)
            except DatapathError:
                self._program, self._generation = before, former
                raise
            if former is not None:
                self._door.forget(former.folder.name)
            self._tidy()

    def drop(self, generation: Generation) -> None:
        """Undo the load of a generation that is not served. Raises DatapathError."""
        self._door.ask(Drop(generation=generation.folder.name))

    def reconcile(self, *, anew: bool = False) -> None:
        """Do what is to be done now; `anew` also what was given up, and what was taken off by the operator."""
        with self._turn:
            if anew:
                self._kept_off.clear()
                self._attempts.clear()
            self._act()

    def take_off(self, interface: str, force: bool) -> tuple[list[Taken], list[str]]:
        """Take programs off an interface, or off all, and keep them off until reconcile(anew=True).

        Return what came of each, and on which interfaces of this server the program stays away.
        """
        with self._turn:
            serves = self._generation is not None
            names = [spec.name for spec in self._specs if serves and interface in ("", spec.name)]
            taken = take_off(self._door, interface, force)
            refused = {one.interface for one in taken if not one.ok}
            for one in taken:
                if one.gone:
                    self._conditions.taken_off(one.interface)
            kept_off = [name for name in names if name not in refused]
            self._kept_off |= {name: time.time() for name in kept_off}
            return taken, kept_off

    def end(self, *, leave: bool, failed: bool = False) -> None:
        """Serve no more: take off what is ours and what ended servers left, with `leave` all but what serves now.

        Where a start has `failed` nobody else answers: what was there before it stays. Raises DatapathError.
        """
        with self._turn:
            generation = self._generation
            try:
                if not leave:
                    self._program, self._generation = 0, None
                if not failed or generation is not None:
                    self._act(sweep=not failed)
                if generation is not None and not leave:
                    self._door.ask(Drop(generation=generation.folder.name))
                self._tidy()
            finally:
                self._door.close()

    def report(self) -> Report:
        """Return how each interface is now. Raises DatapathError."""
        look: Look = self._door.ask(List())
        with self._turn:
            actions = reconcile(self._wish(sweep=False), look.found, look.aliases)
            rows = [
                row_of(action, self._got.get(action.name), self._why(action), self._since(action), self._placed)
                for action in actions
            ]
            put_back = dict(self._conditions.put_back)
            crowded = self._placed.crowded if self._generation is not None else ()
        return Report([row for row in rows if row is not None], list(look.doubts), crowded, put_back)

    @property
    def put_back(self) -> dict[str, int]:
        """Return how often the program was put back on interfaces that somebody else had taken it off."""
        return {name: one.times for name, one in dict(self._conditions.put_back).items()}

    @property
    def are_crowded(self) -> bool:
        """Return whether the seed of a new generation would find a place for an address that has none."""
        placed = self._placed
        few = len(placed.addresses) + len(placed.crowded) <= MOST
        return self._generation is not None and bool(placed.crowded) and few

    def _wish(self, sweep: bool) -> Wish:
        return Wish(self._specs, self._program, self._named, frozenset(self._kept_off), self._run_dir, sweep)

    def _act(self, *, sweep: bool = False, forced: bool = False) -> None:
        look: Look = self._door.ask(List())
        actions = reconcile(self._wish(sweep), look.found, look.aliases)
        self._failed = {}
        if self._generation is not None:
            self._place(actions)
            for action in actions:
                if action.do in ("attach", "replace"):
                    self._attach(action)
            if forced and self._failed and not self._got:
                raise DatapathError("; ".join(self._failed.values()))
        for action in actions:
            stale = action.do == "replace" and action.name in self._failed
            if action.do == "detach" or (stale and self._generation is not None):
                self._detach(action)
        for action in actions:
            self._since(action)
            self._log_problem(action)
            if action.spec is not None and action.found is not None:
                self._conditions.watch(action.found.link)
            if action.do == "keep" and action.found is not None:
                self._conditions.runs(action.found.link, action.found.link.program)
            elif action.found is None:
                self._conditions.taken_off(action.name)

    def _log_problem(self, action: Action) -> None:
        """Log once why an interface that is to serve does not, where nothing was tried that would have told."""
        name = action.name
        wrong = action.problem if action.do == "leave" and action.spec is not None else self._failed.get(name, "")
        if self._generation is None or not wrong:
            self._logged.pop(name, None)
        elif wrong not in (self._logged.get(name), self._refused.get(name)):
            self._logged[name] = wrong
            _log.warning("interface %s: %s", name, wrong)

    def _place(self, actions: Iterable[Action]) -> None:
        """Tell the program its interfaces and addresses, before it is attached and whenever they change."""
        assert self._generation is not None
        served = [
            (action.spec, action.found.link)
            for action in actions
            if action.do in ("keep", "attach", "replace") and action.spec is not None and action.found is not None
        ]
        placed = self._generation.place(served)
        came = [one for one in placed.addresses if one not in self._placed.addresses]
        went = [one for one in self._placed.addresses if one not in placed.addresses]
        if came:
            _log.info("the NIC path answers for %s", ", ".join(came))
        if went:
            _log.info("the NIC path no longer answers for %s", ", ".join(went))
        self._placed = placed
        self._failed.update(placed.problems)

    def _attach(self, action: Action) -> None:
        assert self._generation is not None
        assert action.found is not None
        if action.name in self._failed:
            return
        if not self._may_try(action.name, action.found.link.index):
            lost = (
                f"{action.name} lost the XDP program {_ATTEMPTS} times within {_WITHIN_S:.0f} s; find out who takes it"
            )
            self._failed[action.name] = self._refused.get(action.name, f"{lost} off, then `appliance reload`")
            return
        name, former = self._generation.folder.name, action.found.link.program
        request: Attach | Replace = Attach(generation=name, interface=action.name)
        if former:
            request = Replace(generation=name, interface=action.name, former=former)
        try:
            self._got[action.name] = self._door.ask(request)
        except DatapathError as error:
            self._got.pop(action.name, None)
            if self._refused.get(action.name) != str(error):
                _log.warning("interface %s: %s", action.name, error)
            self._failed[action.name] = self._refused[action.name] = str(error)
        else:
            self._refused.pop(action.name, None)
            instead = f" in the place of program {former}" if former else ""
            mode = self._got[action.name].mode
            self._conditions.attached(action.found.link, self._program)
            _log.info("interface %s: the XDP program serves in %s mode%s", action.name, mode, instead)

    def _may_try(self, name: str, ifindex: int) -> bool:
        """Return whether to attach once more, rather than to quarrel with whoever takes the program off."""
        tried = self._attempts[name, ifindex]
        now = time.monotonic()
        if len(tried) == _ATTEMPTS and now - tried[0] < _WITHIN_S:
            return False
        tried.append(now)
        return True

    def _detach(self, action: Action) -> None:
        assert action.found is not None
        program = action.found.link.program
        try:
            self._door.ask(Detach(interface=action.name, program=program))
        except DatapathError as error:
            known = self._failed.get(action.name)
            mend = f"`appliance detach {action.name}` as root takes it off"
            self._failed[action.name] = f"{known or action.problem}; program {program} still answers: {error}; {mend}"
            _log.error("interface %s: %s", action.name, self._failed[action.name])
        else:
            self._got.pop(action.name, None)
            self._conditions.taken_off(action.name)
            _log.info("interface %s: program %d, which is not to serve, was taken off", action.name, program)

    def _tidy(self) -> None:
        try:
            self._door.ask(Tidy())
        except DatapathError as error:
            _log.warning("%s", error)

    def _why(self, action: Action) -> str:
        """Return what is wrong with an interface now, empty if nothing is."""
        name = action.name
        if name in self._kept_off and action.do != "keep":
            taken = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self._kept_off[name]))
            told = f"`appliance detach` took the XDP program off {name} at {taken}, userspace answers"
            return action.problem or f"{told}; `appliance reload` puts it back"
        problem = "" if action.do == "keep" else self._failed.get(name, action.problem)
        if not problem and action.spec is not None and action.found is not None:
            return why_silent(action.found.link)
        return problem

    def _since(self, action: Action) -> float:
        """Return since when an interface is as it is now."""
        attached = action.found.since if action.found is not None else None
        return self._conditions.since(action.name, self._why(action), attached)
