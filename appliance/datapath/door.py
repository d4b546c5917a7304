# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way to the programs: what loads, attaches, replaces, detaches or grows is asked for here, in plain data.

Whoever asks holds no descriptor of a program and names interfaces of its configuration only. What is behind may
therefore move into a process of its own with the rights that this takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.datapath import attachment, links, owners, pins, registry
from appliance.datapath.found import Found, Look, look, opened
from appliance.datapath.generation import Generation
from appliance.datapath.interface_names import no_interface
from appliance.datapath.links import Mode
from appliance.datapath.loader_process import end_loaders
from appliance.datapath.reconcile import in_the_way
from appliance.datapath.specs import InterfaceSpec
from appliance.datapath.syscall import load_time_of
from appliance.errors import DatapathError

_FINISH_S: Final = 0.05  # longer than any packet stays in a program that was replaced
_LET_GO_S: Final = 2.0


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """One of the requests below."""


class Load(Request, frozen=True, kw_only=True):
    """Load and pin a program with an empty store; nothing is attached. The answer is Loaded."""

    bucket_bits: int
    chunks: int
    zones: int
    edns_size: int = 1232
    pass_rate: int = 0
    pass_burst: int = 0
    opcode_pass: int = 0


class Grow(Load, frozen=True, kw_only=True):
    """Load a program with larger arrays, which is to replace `generation`. The answer is Loaded."""

    generation: str


class Attach(Request, frozen=True):
    """Attach a generation to an interface that runs no program. The answer is Attached."""

    generation: str
    interface: str


class Replace(Request, frozen=True):
    """Put a generation in the place of `former` (id), a program of ours, in one message. The answer is Attached."""

    generation: str
    interface: str
    former: int


class Detach(Request, frozen=True):
    """Take a program (id) off an interface: one of ours that no other living server has, with `force` any.

    The interface need not be one of the configuration: what an ended server left may be anywhere.
    """

    interface: str
    program: int
    force: bool = False


class Drop(Request, frozen=True):
    """Unload a generation: take it off wherever it runs, and unpin it."""

    generation: str


class Tidy(Request, frozen=True):
    """Unpin generations of ended servers that no interface runs, and forget what is noted of them."""


class List(Request, frozen=True):
    """Look at the interfaces of the configuration, and at all that run an XDP program. The answer is a Look."""

    also: tuple[str, ...] = ()


class Loaded(msgspec.Struct, frozen=True):
    """A generation by its name, and its program's id."""

    generation: str
    program: int


class Attached(msgspec.Struct, frozen=True):
    """The mode of a program on an interface, and why it is no better one."""

    mode: Mode
    reason: str = ""


class Door:
    """Answers requests of one server for the interfaces of its configuration."""

    def __init__(self, specs: Sequence[InterfaceSpec], named: Sequence[str] = (), run_dir: str = "") -> None:
        """Serve `specs`; `named` are interfaces of the configuration that are to run no program."""
        self.configure(specs, named)
        self._run_dir = run_dir
        self._generations: dict[str, Generation] = {}
        self._made: set[Path] = set()
        self._unpinned: set[int] = set()
        self._lock: owners.Lock | None = None
        self._handlers: dict[type[Request], Callable[[Any], Any]] = {
            Load: self._load,
            Grow: self._load,
            Attach: self._attach,
            Replace: self._replace,
            Detach: self._detach,
            Drop: self._drop,
            Tidy: self._tidy,
            List: self._list,
        }

    def configure(self, specs: Sequence[InterfaceSpec], named: Sequence[str] = ()) -> None:
        """Serve other interfaces from now on; nothing is done with any of them before that is asked for."""
        self._specs = {spec.name: spec for spec in specs}
        self._names = tuple(dict.fromkeys((*self._specs, *named)))

    def ask(self, request: Request) -> Any:
        """Do what is asked for and return the answer. Raises DatapathError, leaving what was there."""
        return self._handlers[type(request)](request)

    def memory(self, generation: str) -> Generation:
        """Return a loaded generation for its mapped arrays: memory, which no right is needed to fill."""
        return self._generations[generation]

    def _load(self, request: Load) -> Loaded:
        if isinstance(request, Grow):
            self._of(request.generation)
        owner = owners.this_process(self._run_dir)
        if self._lock is None:
            self._lock = registry.claim(owner)
        sizes = {name: getattr(request, name) for name in Load.__struct_fields__}
        made = Generation.load(list(self._specs.values()), **sizes)
        self._generations[made.folder.name] = made
        self._made.add(made.folder)
        return Loaded(made.folder.name, made.program_id())

    def _attach(self, request: Attach) -> Attached:
        return self._put(request.generation, request.interface, 0)

    def _replace(self, request: Replace) -> Attached:
        return self._put(request.generation, request.interface, request.former)

    def _put(self, name: str, interface: str, former: int) -> Attached:
        spec = self._specs.get(interface)
        if spec is None:
            raise DatapathError(f"interface {interface} is not in the configuration")
        generation = self._of(name)
        found = self._here(interface)
        if found.whose in ("living", "foreign"):
            raise DatapathError(in_the_way(found))
        if found.link.program != former:
            raise DatapathError(f"{interface} runs program {found.link.program} now, not {former}")
        owner = owners.this_process(self._run_dir)
        facts = (generation.program_id(), generation.loaded_ns(), owner, generation.folder)
        entry = registry.entry(found.link.index, interface, *facts)
        registry.write(entry)
        try:
            with generation.program() as fd:
                mode, reason = _attach_over(spec, found, fd)
        except BaseException:
            registry.forget(entry)
            raise
        registry.merge(entry.program, links.indexes())
        registry.settle(former, interface)
        return Attached(mode, reason)

    def _detach(self, request: Detach) -> None:
        found = self._here(request.interface)
        if found.link.program != request.program or found.link.mode is None:
            raise DatapathError(f"{request.interface} runs program {found.link.program} now, not {request.program}")
        if found.whose in ("living", "foreign") and not request.force:
            raise DatapathError(in_the_way(found))
        try:
            with opened(found.link.program, found.pins) as fd:
                links.detach(found.link, found.link.mode, fd)
        except DatapathError:  # as without the right to open it, or on a kernel that does not compare
            if self._here(request.interface).link.program != request.program:
                raise
            links.detach(found.link, found.link.mode)
        registry.settle(request.program, request.interface)

    def _drop(self, request: Drop) -> None:
        generation = self._of(request.generation)
        self._unpinned.add(generation.program_id())
        generation.detach()
        del self._generations[request.generation]

    def _tidy(self, request: Tidy) -> None:
        running = {one.link.program for one in look().found}
        keep = [one.folder for one in self._generations.values()]
        unused = pins.unused(running, keep, self._made)
        for entry in registry.idle(running):  # perhaps on another bpf file system, where nobody looks any more
            folder = Path(entry.pins)
            if folder not in (*keep, *unused) and pins.program_in(folder) == entry.program:
                unused.append(folder)
        if unused:
            time.sleep(_FINISH_S)
        for folder in unused:
            self._unpinned.add(pins.program_in(folder))
            pins.remove(folder)
        registry.tidy(running, links.idle(), self._loaded)

    def _loaded(self, program: int) -> int | None:
        """Return when a program was loaded, 0 if it is no more; what was unpinned goes a little later."""
        deadline = time.monotonic() + _LET_GO_S
        while (since := load_time_of(program)) and program in self._unpinned and time.monotonic() < deadline:
            time.sleep(_FINISH_S / 10)
        return since

    def _list(self, request: List) -> Look:
        return look((*self._names, *request.also))

    def _of(self, name: str) -> Generation:
        if name not in self._generations:
            raise DatapathError(f"generation {name} is not loaded")
        return self._generations[name]

    def _here(self, interface: str) -> Found:
        for found in look((interface,)).found:
            if found.link.name == interface:
                return found
        raise DatapathError(no_interface(interface))

    def give_up(self) -> None:
        """End the loaders that are at work: a Load fails then."""
        end_loaders()

    def forget(self, generation: str) -> None:
        """Hold a generation no more that another one has replaced; its arrays are the caller's to unmap."""
        self._generations.pop(generation, None)

    def close(self) -> None:
        """Release the lock: programs that still run have no owner from now on."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _attach_over(spec: InterfaceSpec, found: Found, fd: int) -> tuple[Mode, str]:
    """Attach in the place of the program that was found, by its descriptor if it can be opened."""
    with ExitStack() as cleanup:
        former = None
        if found.link.program:
            with suppress(DatapathError):  # no pin here, and not the right to open it by its id
                former = cleanup.enter_context(opened(found.link.program, found.pins))
        return attachment.attach(spec, found.link, fd, former)
