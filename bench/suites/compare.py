# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench compare COMMIT`: the tree of a commit and this one, measured in turn in one run.

Program time: each set runs through the program before, now, and before once more in each round, so that noise hits all
alike; the last of them against the first shows how much there is. Starts: servers of both trees, one after the other.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from appliance.datapath import cache
from appliance.datapath.syscall import open_program, test_run
from appliance.errors import DatapathError
from bench.baseline.store import Baseline
from bench.figures import Figure, plain
from bench.machine import lab
from bench.machine.link import TEST_RUN
from bench.peers import ours as server
from bench.peers.commands import ADDRESS, PORT
from bench.peers.starts import answered, ours, started
from bench.suites import dnssec, program_time, rounds
from bench.suites.program_time import Case
from bench.traffic import questions
from bench.traffic.generator import Generator
from bench.zones import large as scale_zones
from bench.zones import signing
from bench.zones import usual as zones

PARTS: Final = frozenset(("program", "starts"))
NSEC3_NAMES: Final = 100_000
DELEGATIONS: Final = 53_000
STARTS: Final = 5
_BUILD_S: Final = 1200
_SAMPLES: Final = 1024
_PROGRAMS: Final = Path("/run")
_TREES: Final = zones.CHECKOUT / ".cache" / "trees"  # not in a folder whose sources are looked through by tests
_HOLD: Final = """
import importlib, json, pathlib, sys
from contextlib import ExitStack
found = [path for name in ("peers/ours.py", "server.py") for path in pathlib.Path("bench").rglob(name)]
server = importlib.import_module(".".join(found[0].with_suffix("").parts))
with ExitStack() as stack:
    loaded = [
        stack.enter_context(server.loaded([server.read_zone(pathlib.Path(path), origin)]))
        for path, origin in json.loads(sys.argv[1])
    ]
    print(json.dumps([generation.program_id() for generation in loaded]), flush=True)
    sys.stdin.read()
"""
"""Runs in the other tree: loads a generation for each zone and holds them until its input ends."""

Zone = tuple[Path, str]


class Run(NamedTuple):
    """What a run is told."""

    root_zone: Path | None
    work: Path
    note: Callable[[str], None]
    duration_s: float
    parts: frozenset[str]


def measure(commit: str, setting: Run) -> Iterator[Figure]:
    """Yield the figures of the parts: each a ratio, now to before, with both beside it."""
    if not commit:
        raise DatapathError("compare needs the commit to compare with: python -m bench compare COMMIT")
    sha = _git("rev-parse", "--verify", f"{commit}^{{commit}}").strip()
    tree = _built(sha, setting.note)
    setting.note(f"before: {sha}; now: {_git('describe', '--always', '--abbrev=40', '--dirty').strip()}")
    parts = setting.parts or PARTS
    if "program" in parts:
        yield from _programs(tree, setting)
    if "starts" in parts:
        yield from _starts(tree, setting.work)


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(zones.CHECKOUT), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DatapathError(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _built(sha: str, note: Callable[[str], None]) -> Path:
    """Return a folder with the commit's files and its compiled modules; made once, kept in the cache."""
    tree = _TREES / sha
    if tree.exists():
        return tree
    part = tree.with_suffix(f".{os.getpid()}")
    part.mkdir(parents=True)
    try:
        archive = subprocess.run(["git", "-C", str(zones.CHECKOUT), "archive", sha], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(part)], input=archive.stdout, check=True)
        if not _taken_over(part):
            note(f"the modules of {sha[:12]} are compiled")
            build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace", f"-j{os.cpu_count()}"]
            built = subprocess.run(build, cwd=part, capture_output=True, text=True, check=False, timeout=_BUILD_S)
            if built.returncode:
                raise DatapathError(f"the modules of {sha[:12]} do not compile: {built.stderr.strip()[-500:]}")
        part.rename(tree)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tree


def _taken_over(tree: Path) -> bool:
    """Copy this tree's compiled modules where all that they were made of is the same in the other one."""
    here = zones.CHECKOUT
    compiled = [path.relative_to(here) for path in (here / "appliance").rglob("*.so")]
    sources = [path.with_name(path.name.partition(".")[0] + ".py") for path in compiled]
    sources += [path.relative_to(here) for path in (here / "appliance").rglob("*.pxd")]
    for source in (Path("setup.py"), *sources):
        other = tree / source
        if not other.exists() or other.read_bytes() != (here / source).read_bytes():
            return False
    for module in compiled:
        shutil.copy2(here / module, tree / module)
    return True


def _programs(tree: Path, setting: Run) -> Iterator[Figure]:
    work = setting.work
    root, which = zones.root_zone(setting.root_zone, work)
    setting.note(f"questions are about the {which}; ratios are medians over the rounds")
    pair = signing.root(root, lab.CACHE, work)
    served: list[Zone] = [
        (root, "."),
        (zones.million_zone(work), zones.MILLION_ORIGIN),
        (zones.small_zone(work), zones.SMALL_ORIGIN),
        (pair.signed, "."),
        (zones.nsec3_zone(lab.CACHE, NSEC3_NAMES), zones.MILLION_ORIGIN),
    ]
    with ExitStack() as stack:
        loaded = []
        for path, origin in served:
            zone = server.read_zone(path, origin)
            if path == root:
                delegations = server.delegations(zone)
            if path == pair.signed:
                secure = dnssec.secure(zone)
            loaded.append(stack.enter_context(server.loaded([zone])))
        before = dict(zip(map(id, loaded), stack.enter_context(_held(tree, served)), strict=True))
        cases = program_time.cases(loaded[0], loaded[1], loaded[2], delegations)
        cases += dnssec.proving(loaded[3], loaded[4], delegations, secure)
        yield from _timed([(case, before[id(case.generation)]) for case in cases], setting.duration_s)


@contextmanager
def _held(tree: Path, served: Sequence[Zone]) -> Iterator[list[int]]:
    """Yield descriptors of the other tree's programs, each with its zone, while a process of that tree holds them."""
    asked = json.dumps([[str(path), origin] for path, origin in served])
    command = [sys.executable, "-c", _HOLD, asked]
    with subprocess.Popen(command, cwd=tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        opened: list[int] = []
        try:
            line = holder.stdout.readline()
            if not line:
                raise DatapathError(f"the programs of {tree.name[:12]} cannot be loaded; see above")
            opened += [open_program(number) for number in json.loads(line)]
            yield opened
        finally:
            for fd in opened:
                os.close(fd)
            holder.stdin.close()


def _timed(cases: Sequence[tuple[Case, int]], duration_s: float) -> Iterator[Figure]:
    """Check that both programs give the same octets, then time them in turn."""
    baseline = Baseline()
    generator = Generator(len(cases) + 1)
    generator.fill(0, questions.frames(questions.exact(baseline.names), TEST_RUN))
    unit = rounds.Contender("unit", 0, baseline.program_fd)
    triples: list[tuple[rounds.Contender, ...]] = []
    opened: list[int] = []
    try:
        for number, (case, before) in enumerate(cases, start=1):
            frames = questions.frames(case.names, TEST_RUN, do=case.do)
            generator.fill(number, frames)
            opened.append(case.generation.program_fd())
            program_time.check(generator, number, case, opened[-1], frames)
            for frame in frames[:: len(frames) // _SAMPLES]:
                now, then = test_run(opened[-1], frame), test_run(before, frame)
                if (now.action, now.packet) != (then.action, then.packet):
                    raise DatapathError(f"set {case.name}: the replies differ for {frame.hex()}")
            programs = {"before": before, "now": opened[-1], "again": before}
            triples.append(tuple(rounds.Contender(f"{case.name} {at}", number, fd) for at, fd in programs.items()))
        results, kept = rounds.measure(generator, unit, [one for triple in triples for one in triple], duration_s)
    finally:
        for fd in opened:
            os.close(fd)
    yield plain("rounds", kept, "rounds", unit_ns=results["unit"].quietest_ns)
    for (case, _), (old, new, again) in zip(cases, triples, strict=True):
        ratio, noise = (_ratio(one.times, old.times) for one in (new, again))
        quietest = {"before_ns": min(old.times), "now_ns": min(new.times)}
        medians = {f"{at}_median_ns": statistics.median(one.times) for at, one in (("before", old), ("now", new))}
        yield plain(f"program_{case.name}", ratio, "of_before", control=noise, **quietest, **medians)


def _ratio(times: Sequence[float], of: Sequence[float]) -> float:
    return statistics.median(now / then for now, then in zip(times, of, strict=True))


def _starts(tree: Path, work: Path) -> Iterator[Figure]:
    """Start servers of both trees in turn with a large zone: from nothing, then with the store that was saved."""
    path, last = scale_zones.large(lab.CACHE, DELEGATIONS)
    found: dict[str, list[float]] = {}
    programs = _PROGRAMS / f"bench-programs-{os.getpid()}"
    os.environ[cache.VARIABLE] = str(programs)
    veth = lab.Veth()
    try:
        for _ in range(STARTS):
            for which, where in (("before", tree), ("now", zones.CHECKOUT)):
                folder = work / which
                folder.mkdir()
                config = folder / "appliance.toml"
                config.write_text(
                    f'[server]\nrun_dir = "run"\nstate_dir = "state"\n[listen]\naddresses = ["{ADDRESS}"]\n'
                    f'port = {PORT}\n[store]\nimage_delay_s = 0.0\n[[interface]]\nname = "{lab.SERVER_DEVICE}"\n'
                    f'port = {PORT}\n[[zone]]\nname = "{scale_zones.ORIGIN}"\nfile = "{path}"\n'
                )
                command = ["env", "-C", str(where), *ours(config)]
                for how in ("cold", "warm"):
                    with started(command, folder / "output", lambda: answered(last)) as start:
                        while not any((folder / "state").rglob("*.image")):
                            time.sleep(0.01)
                        found.setdefault(f"{how} {which}", []).append(start.seconds)
                        found.setdefault(f"{how}_memory {which}", []).append(start.memory()[0])
                shutil.rmtree(folder)
    finally:
        veth.close()
        shutil.rmtree(programs, ignore_errors=True)
    for what, unit in (("cold", "s"), ("warm", "s"), ("cold_memory", "MiB"), ("warm_memory", "MiB")):
        old, new = found[f"{what} before"], found[f"{what} now"]
        beside = {f"before_{unit}": statistics.median(old), f"now_{unit}": statistics.median(new)}
        yield plain(f"starts_53k_{what}", _ratio(new, old), "of_before", **beside)
