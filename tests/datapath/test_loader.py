# SPDX-License-Identifier: GPL-3.0-or-later
"""The loader process: with and without a compiler, several at a time, killed, refused."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from appliance.datapath import bpffs, cache, program, source
from appliance.datapath.cache import Entry
from appliance.datapath.program import Plan, bound, constants
from tests.datapath.lab import ADDRESSES
from tests.repo.sources import ROOT

pytestmark = [pytest.mark.datapath, pytest.mark.timeout(600)]

LIMIT_S: Final = 300.0
PATH: Final = ["-m", "appliance.datapath.loader"]

# As on a machine where neither bcc nor LLVM nor a kernel header is installed, for the processes in there alone.
_BARE: Final = """
set -e
for folder in /usr/src /usr/lib/modules /usr/lib/llvm-* /usr/lib/python3/dist-packages/bcc; do
  [ ! -d "$folder" ] || mount -t tmpfs none "$folder"
done
for library in /usr/lib/*/libbcc.so* /usr/lib/*/libLLVM* /usr/lib/*/libclang*; do
  [ ! -f "$library" ] || mount --bind /dev/null "$library"
done
exec "$@"
"""
# Loads two sizes of the program as the server does, and has each refuse a question.
_ASK: Final = f"""
import sys
from appliance.compiler.neighbours.world import World
from appliance.compiler.plan import compile_zones
from appliance.datapath.generation import Generation, InterfaceSpec
from appliance.errors import DatapathError
from tests.datapath import packets
try:
    for bits, chunks in ((4, 2), (12, 5)):
        one = Generation.load([InterfaceSpec("lo", addresses={ADDRESSES!r})], bucket_bits=bits, chunks=chunks, zones=4)
        one.set_port(1, packets.SERVER_MAC, verify=True)
        compile_zones(World(one.store), [])
        one.serving(True)
        one.run(packets.Frame(bytes.fromhex(sys.argv[1])).octets(), ifindex=1)
        print(bits, [name for name, value in one.counters().items() if value])
        one.detach()
        one.close()
except DatapathError as error:
    print("refused:", error)
"""
_QUESTION: Final = "123400000001000000000000" + "0778787878787878" + "00" + "00010001"
# Writes the program with a plan's numbers compiled in to a file.
_DIRECT: Final = """
import sys
import msgspec
from appliance.datapath import compiler
from appliance.datapath.program import Plan, constants
plan = msgspec.json.decode(sys.argv[1], type=Plan)
compiled = compiler.compile_program(constants(plan))
open(sys.argv[2], "wb").write(msgspec.msgpack.encode(compiled))
"""


@pytest.fixture
def folder(unique_name: Callable[[], str]) -> Iterator[Path]:
    """Yield a cache folder of the test's own."""
    made = Path("/run") / unique_name()
    made.mkdir(mode=0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture(scope="module")
def kept() -> Entry:
    """Return what the run's cache holds for these sources."""
    prepared = run(PATH, "--prepare")
    assert prepared.returncode == 0, prepared.stderr
    with cache.opened(cache.folder(), make=False) as opened:
        return cache.read(opened, cache.key(source.whole()))


def environment(programs: Path | None, **more: str) -> dict[str, str]:
    own = {} if programs is None else {cache.VARIABLE: str(programs)}
    return {**os.environ, **own, **more}


def run(
    command: list[str], *arguments: str, programs: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run Python, the loader for instance."""
    return subprocess.run(
        [sys.executable, *command, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=ROOT,
        input=more.pop("standard_input", ""),
        env=environment(programs, **more),
    )


def on_a_bare_machine(programs: Path | None) -> str:
    """Return what two loads on a machine without a compiler say."""
    hidden = ["unshare", "--mount", "sh", "-c", _BARE, "sh"]
    done = subprocess.run(
        [*hidden, sys.executable, "-c", _ASK, _QUESTION],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=ROOT,
        env=environment(programs, BCC_KERNEL_SOURCE="/nowhere"),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder: Path, entry: Entry) -> Path:
    with cache.opened(folder, make=True) as opened:
        cache.write(opened, entry)
    return folder / f"{entry.source}.program"


def test_a_start_needs_no_compiler(kept: Entry, own_bpffs: Path) -> None:
    """Two sizes, one after the other, on a machine without bcc, LLVM and headers."""
    assert on_a_bare_machine(None).splitlines() == ["4 ['answer_refused']", "12 ['answer_refused']"]


def test_without_a_kept_program_it_does(folder: Path, own_bpffs: Path) -> None:
    """The machine of the test before really has no compiler, and an error says what is missing."""
    said = on_a_bare_machine(folder)
    assert said.startswith("refused: appliance loader: cannot import bcc (")
    assert "install python3-bpfcc" in said


def test_a_damaged_program_is_not_loaded(kept: Entry, folder: Path, own_bpffs: Path) -> None:
    """Where it cannot be compiled anew there is no NIC path rather than that."""
    path = write(folder, kept)
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)
    assert on_a_bare_machine(folder).startswith("refused: appliance loader: cannot import bcc (")


def test_after_a_change_of_the_kernel_without_headers(kept: Entry, folder: Path, own_bpffs: Path) -> None:
    """The program of the kernel before is used, and a warning says why: the verifier judges it anyway."""
    write(folder, msgspec.structs.replace(kept, kernel="6.1.0-0-old"))
    assert on_a_bare_machine(folder).splitlines()[0] == "4 ['answer_refused']"
    plan = Plan(str(bpffs.root() / "kernel"), bucket_bits=4, chunks=1, zones=2, cpus=1)
    done = run(
        PATH,
        programs=folder,
        standard_input=msgspec.json.encode(plan).decode(),
        BCC_KERNEL_SOURCE="/nowhere",
        PYTHONPATH=str(_without_bcc(folder)),
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(plan.pin_folder)
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("appliance loader: ")]
    assert warning.startswith("appliance loader: warning: the program kept is of Linux 6.1.0-0-old, not ")
    assert "it cannot be compiled anew (cannot import bcc" in warning


def _without_bcc(folder: Path) -> Path:
    """Return a folder for the module path in which bcc is broken."""
    broken = folder / "path" / "bcc"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('broken')\n")
    return broken.parent


def test_numbers_that_are_put_in_equal_numbers_that_are_compiled_in(kept: Entry, tmp_path: Path) -> None:
    """Octet for octet, each program."""
    plan = Plan("/nowhere", 19, 3, 5, 2, port=5353, edns_size=4096, service_seed=0xFEDCBA9876543210)
    out = tmp_path / "direct"
    done = run(["-c", _DIRECT], msgspec.json.encode(plan).decode(), str(out))
    assert done.returncode == 0, done.stderr
    direct = msgspec.msgpack.decode(out.read_bytes(), type=program.Program)
    fds = {name: number for number, name in enumerate(sorted(kept.program.maps), start=100)}
    assert direct.maps == kept.program.maps
    assert set(direct.code) == set(kept.program.code) == set(program.PROGRAMS)
    for name, code in direct.code.items():
        assert code.constants == []
        assert bound(kept.program.code[name], fds, constants(plan)) == bound(code, fds, {}), name


def test_what_the_verifier_says(kept: Entry, folder: Path, own_bpffs: Path) -> None:
    """The line that matters, the rest in a file; nothing stays pinned, and no other program."""
    reads_nothing = bytes([0xBF, 0x90, 0, 0, 0, 0, 0, 0])  # r0 = r9, which nobody has set
    for name in ("dns", "hash"):
        code = kept.program.code[name]
        broken = msgspec.structs.replace(code, instructions=reads_nothing + code.instructions[8:])
        changed = msgspec.structs.replace(kept.program, code={**kept.program.code, name: broken})
        write(folder, msgspec.structs.replace(kept, program=changed))
        plan = Plan(str(bpffs.root() / "refused"), bucket_bits=4, chunks=1, zones=2, cpus=1)
        done = run(PATH, programs=folder, standard_input=msgspec.json.encode(plan).decode())
        log = folder / f"refused-{name}.log"
        said = done.stderr.splitlines()[-1]
        assert done.returncode == 1
        assert said.startswith(f"appliance loader: the kernel refuses the program {name}: R9 !read_ok (")
        assert said.endswith(f"all it says is in {log}")
        assert "R9 !read_ok" in log.read_text()
        assert not Path(plan.pin_folder).exists()


@pytest.mark.slow
def test_several_at_a_time_one_of_them_killed(kept: Entry, folder: Path) -> None:
    """A killed one leaves nothing under the program's name and no lock; of the others one compiles, all are content.

    What they find, a file that is damaged and another half written, is replaced.
    """
    path = write(folder, kept)
    path.write_bytes(path.read_bytes()[:-1])
    (folder / ".new-0").write_bytes(b"half")
    damaged = path.read_bytes()
    first = _prepare(folder)
    while not _is_locked(folder):  # it compiles from then on
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert path.read_bytes() == damaged
    others = [_prepare(folder) for _ in range(3)]
    said = [other.communicate(timeout=LIMIT_S)[1] for other in others]
    assert [other.returncode for other in others] == [0, 0, 0]
    assert sum("appliance loader: info: the XDP program was compiled in " in one for one in said) == 1
    assert sum("is damaged" in one for one in said) == 1
    assert {one.name for one in folder.iterdir()} == {path.name, "lock"}
    with cache.opened(folder, make=False) as opened:
        assert cache.read(opened, kept.source) == kept


def _prepare(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *PATH, "--prepare"],
        cwd=ROOT,
        env=environment(folder),
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _is_locked(folder: Path) -> bool:
    try:
        file = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def test_it_says_how_it_is_called() -> None:
    """Before, a traceback."""
    done = run(PATH, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: python -m appliance.datapath.loader [--prepare [KERNEL]]\n")


@pytest.mark.parametrize("arguments", [("--nonsense",), ("--prepare", "--help"), ("--prepare", "6.1", "6.2"), ("",)])
def test_other_arguments_are_refused_in_words(arguments: tuple[str, ...]) -> None:
    done = run(PATH, *arguments)
    told = f"appliance loader: unknown arguments {' '.join(arguments)}; --help says what there is\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


@pytest.mark.parametrize("given", ["", "nonsense", "{}", "[]"])
def test_what_is_no_plan_is_refused_in_words(given: str) -> None:
    done = run(PATH, standard_input=given)
    assert done.returncode == 1
    assert done.stderr.startswith("appliance loader: what standard input asks for is no plan: ")
    assert len(done.stderr.splitlines()) == 1


def test_prepare_says_what_it_did(kept: Entry) -> None:
    """Before, nothing."""
    done = run(PATH, "--prepare")
    told = f"the XDP program for Linux {kept.kernel} is already kept in {cache.folder()}\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
