# SPDX-License-Identifier: GPL-3.0-or-later
"""The loader process: load and pin the XDP program that is kept in the cache, exit.

It reads one JSON object from standard input (a `Plan`) and pins below `pin_folder`; whoever started it opens the pins.
Only where no program is kept for these sources does it compile, with bcc, and keep the result; `--prepare [KERNEL]`
does no more than that, and says what it did. Remarks and the error go to standard error, a line each.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from appliance.datapath import cache
from appliance.datapath.obtain import SPEAKS, obtain, prepare
from appliance.datapath.program import MAPS, PROGRAMS, STAGES, Code, Plan, Program, bound, constants, shapes
from appliance.datapath.syscall import load_xdp, make_map, pin, set_entry
from appliance.errors import DatapathError

__all__ = ["MAPS", "PLAN_LINK", "PROGRAMS", "STAGES", "Plan", "load"]

PLAN_LINK: Final = "plan"
_PREPARE: Final = "--prepare"
_INTERRUPTED: Final = 130
_HELP: Final = """Usage: python -m appliance.datapath.loader [--prepare [KERNEL]]

Load and pin the XDP program as a server asks for it on standard input, which the server does itself.

  --prepare [KERNEL]  Compile the program into the cache, so that no start waits for it; for the release KERNEL
                      (as uname -r says) where that is not the one that runs. Attaches nothing.
  -h, --help          Show this.

Exit status: 0 done, 1 error."""
_LOG_OCTETS: Final = 64 << 20  # what is not written takes no memory
_NO_REASON: Final = ("processed ", "verification time ", "stack depth ", "peak_states ")
_EPERM: Final = 1


def load(plan: Plan) -> None:
    """Load the program and pin it; nothing stays pinned when any step fails. Raises DatapathError."""
    program = obtain()
    folder = Path(plan.pin_folder)
    with ExitStack() as opened:
        maps: dict[str, int] = {}
        for name, shape in shapes(program, plan).items():
            maps[name] = make_map(name, shape.kind, shape.key_size, shape.value_size, shape.entries, shape.flags)
            opened.callback(os.close, maps[name])
        programs = _judged(program, plan, maps)
        for fd in programs.values():
            opened.callback(os.close, fd)
        for slot, name in enumerate(STAGES):
            set_entry(maps["stages"], slot, programs[name])
        try:
            folder.mkdir(parents=True)
            for name in MAPS:
                pin(maps[name], folder / name)
            for name in PROGRAMS:
                pin(programs[name], folder / f"prog_{name}")
            # Whoever adopts the pins needs the capacities. A bpf file system holds no files; a link's target is text.
            (folder / PLAN_LINK).symlink_to(msgspec.json.encode(plan).decode())
        except (DatapathError, OSError) as error:
            import shutil  # only here, with all that it brings

            shutil.rmtree(folder, ignore_errors=True)
            raise error if isinstance(error, DatapathError) else DatapathError(f"{folder}: {error.strerror}") from error


def _judged(program: Program, plan: Plan, maps: Mapping[str, int]) -> dict[str, int]:
    """Load all programs, several at a time: the kernel's verifier takes longer than all the rest."""
    numbers = constants(plan)
    loaded: dict[str, int] = {}
    waiting = sorted(program.code, key=lambda name: len(program.code[name].instructions))
    failed: list[DatapathError] = []

    def work() -> None:
        while not failed:
            try:
                name = waiting.pop()
            except IndexError:
                return
            try:
                loaded[name] = _load_one(program, name, program.code[name], maps, numbers)
            except DatapathError as error:
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(min(len(waiting), len(os.sched_getaffinity(0))) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if failed:
        for fd in loaded.values():
            os.close(fd)
        raise failed[0]
    return loaded


def _load_one(program: Program, name: str, code: Code, maps: Mapping[str, int], numbers: Mapping[str, int]) -> int:
    instructions = bound(code, maps, numbers)
    result = load_xdp(name, instructions, program.licence, program.kernel_version)
    if result >= 0:
        return result
    log = ctypes.create_string_buffer(_LOG_OCTETS)
    again = load_xdp(name, instructions, program.licence, program.kernel_version, log)
    if again >= 0:  # what was refused for want of memory, say, may fit now
        return again
    raise DatapathError(_refusal(name, -result, log.value.decode(errors="replace")))


def _refusal(name: str, number: int, log: str) -> str:
    """Return why the kernel refuses a program: the last thing the verifier says of it, and where the rest is."""
    reason = f"{os.strerror(number)}, errno {number}"
    told = last_words(log)
    if not told:
        mend = "; run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON" if number == _EPERM else ""
        return f"the kernel refuses the program {name}: {reason}{mend}"
    try:
        with cache.opened(cache.folder(), make=True) as folder:
            cache.write_file(folder, f"refused-{name}.log", log.encode())
        where = f"all it says is in {cache.folder() / f'refused-{name}.log'}"
    except DatapathError as error:
        where = f"what else it says could not be kept ({error})"
    return f"the kernel refuses the program {name}: {told} ({reason}); {where}"


def last_words(log: str) -> str:
    """Return the line of a verifier's log that says what is wrong: the last one before the summary."""
    lines = [line.strip() for line in log.splitlines()]
    return next((line for line in reversed(lines) if line and not line.startswith(_NO_REASON)), "")


def main() -> int:
    """Load what standard input asks for, or prepare; the error goes to standard error as one last line."""
    arguments = sys.argv[1:]
    with contextlib.suppress(BrokenPipeError):
        try:
            if arguments in (["--help"], ["-h"]):
                print(_HELP)
            elif arguments[:1] == [_PREPARE] and len(arguments) < 3 and not any(a[:1] == "-" for a in arguments[1:]):
                print(prepare(*arguments[1:]))
            elif arguments:
                raise DatapathError(f"unknown arguments {' '.join(arguments)}; --help says what there is")
            else:
                load(_plan())
        except DatapathError as error:
            print(f"{SPEAKS}{error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:  # while it compiles for somebody at a terminal; what is kept is kept whole
            return _INTERRUPTED
    return 0


def _plan() -> Plan:
    """Read the plan. Raises DatapathError."""
    if sys.stdin.isatty():
        raise DatapathError("it reads from the server that starts it what to load; --help says what there is for you")
    try:
        return msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    except msgspec.DecodeError as error:
        raise DatapathError(f"what standard input asks for is no plan: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
