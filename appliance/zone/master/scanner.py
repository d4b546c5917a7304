# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False
"""Master files (RFC 1035 §5) read by libzscanner into one buffer; compiled by Cython, with the types in scanner.pxd.

A record becomes a packed header and octets (records) without ever being a Python object, and other threads run
meanwhile. Files are read through a window: one that is cut short while mapped would kill the process, and
a whole one would take as much memory as the zone. The two halves of a large file are scanned side by side.
"""

from collections.abc import Sequence
from io import FileIO
from mmap import MADV_DONTNEED as DONTNEED
from os import fsdecode
from pathlib import Path
from typing import Any

import cython
from cython.cimports.appliance.zone import libzscanner as zs
from cython.cimports.appliance.zone.master.scanner import Header
from cython.cimports.libc.stdlib import calloc, free
from cython.cimports.libc.string import memchr, memcmp, memcpy, memset

from appliance.access import why_not_read
from appliance.errors import Finding, WireError, ZoneError
from appliance.zone import names, types
from appliance.zone.master import excerpt as text_of
from appliance.zone.master.opening import Opener, again, real_path
from appliance.zone.master.records import CLASS_CODES, HEADER, OTHER_CLASS, Records, reserve
from appliance.zone.master.source import WINDOW, Source
from appliance.zone.threads import side_by_side

MAX_FINDINGS = 100
MAX_FILES = 1000
MAX_INCLUDE_DEPTH = 10
MARGIN = 1 << 20
"""Octets in which a record must end: the largest one has 262,140 as text, if every octet of it is escaped."""
SPLIT = 32 << 20
"""Octets of a file whose halves are worth two threads."""

CLASS_IN = types.IN
CLASS_3 = CLASS_CODES.index(3)
CLASS_4 = CLASS_CODES.index(4)
CLASS_OTHER = OTHER_CLASS
SEEN_ENOUGH = -1000
assert cython.sizeof(Header) == HEADER.size


def scan_file(
    path: str | Path, origin: bytes, default_ttl: int = 3600, most: int = 0, below: Sequence[str] = ()
) -> Records:
    """Return the records of a master file, and what is wrong with its syntax in .findings; nothing is raised for it.

    origin is the wire name that relative names end in, default_ttl (seconds) goes to records before any $TTL.
    Reading stops some megabytes behind the given most octets of packed records; 0 is no bound. Opener knows below.
    """
    scan = _Scan(most, below)
    try:
        scan.read(Path(path), origin, default_ttl)
    finally:
        scan.opener.close()
    return Records(scan.pack.octets(), scan.pack.count, scan.files, scan.findings, scan.pack.border)


class _Scan:
    """One master file with all that it includes: what was read so far, and which files are open."""

    def __init__(self, most: int, below: Sequence[str]) -> None:
        self.opener = Opener(below)
        self.pack = Pack(most)
        self.most = most
        self.files: list[str] = []
        self.findings: list[Finding] = []
        self.open: list[Path] = []
        self.full = False

    def error(self, file: str, line: int, reason: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(file, line, "error", reason))
        elif not self.full:
            self.full = True
            self.findings.append(Finding(file, line, "error", f"more than {MAX_FINDINGS} errors: reading stops here"))

    def read(self, path: Path, origin: bytes, ttl: int, included_by: tuple[str, int] | None = None) -> None:
        """Scan one file to its end; what keeps it from being read is reported where it is included."""
        place = included_by or (str(path), 0)
        depth = len(self.open)
        try:
            with (self.opener.included if included_by else self.opener.zone_file)(path) as file:
                self._read_open(path, real_path(file.fileno()), file, origin, ttl, place)
        except ZoneError as error:
            self.error(*place, str(error).removeprefix("" if included_by else f"{path}: "))
        except (OSError, ValueError) as error:
            self.error(*place, f"{f'{path} ' if included_by else ''}cannot be read: {why_not_read(path, error)}")
        del self.open[depth:]

    def _read_open(self, path: Path, real: Path, file: Any, origin: bytes, ttl: int, place: tuple[str, int]) -> None:
        if real in self.open or len(self.open) > MAX_INCLUDE_DEPTH:
            self.error(*place, f"{path}: {text_of.leads_nowhere(self.open, real, MAX_INCLUDE_DEPTH)}")
            return
        if len(self.files) == MAX_FILES:
            self.error(*place, f"{path}: more than {MAX_FILES} files")
            return
        self.files.append(str(path))
        self.open.append(real)
        if not self._scan_halves(file, origin, ttl):
            file.seek(0)
            self._scan(path, Reader(self.pack, len(self.files) - 1, Source(file)), origin, ttl)
        if self.pack.is_full():
            self._too_large(str(path), 0)

    def _too_large(self, file: str, line: int) -> None:
        self.error(file, line, text_of.too_large(self.most))
        self.full = True
        self.pack = Pack()  # nothing is made of what was read

    def _scan_halves(self, file: Any, origin: bytes, ttl: int) -> bool:
        """Scan the halves of a large file in two threads; return False where that is not what one thread would do.

        The second half is read as if the origin and the TTL that hold after the first lines still held; where they do
        not, or where either half has anything but plain records, nothing is kept.
        """
        size = file.seek(0, 2)
        border = text_of.line_near(file, size) if SPLIT <= size <= (self.most or size) else 0
        if not border:
            return False
        number = len(self.files) - 1
        probe = Reader(Pack(self.most), number, Source(file, 0, text_of.line_near(file, 2 * MARGIN)))
        probe.start(origin, ttl)
        probe.run()
        assumed = probe.state()
        with FileIO(again(file.fileno())) as other:
            rest = Pack(self.most)
            before = self.pack.state()
            halves = [Reader(self.pack, number, Source(file, 0, border))]
            halves.append(Reader(rest, number, Source(other, border, size)))
            halves[0].start(origin, ttl)
            halves[1].start(*assumed)
            ends = side_by_side([half.run for half in halves])
        if ends == ["end", "end"] and halves[0].state() == assumed:
            self.pack.extend(rest, halves[0].lines_read())
            return True
        self.pack.forget(before)  # what the files that include this one had is kept, and they go on behind it
        return False

    def _scan(self, path: Path, reader: "Reader", origin: bytes, ttl: int) -> None:
        reader.start(origin, ttl)
        while not self.full and (state := reader.run()) != "end":
            line = reader.line()
            if state == "include":
                target, below = reader.include()
                self.read(path.parent / target, below, reader.ttl(), (str(path), line))
            elif state == "endless":
                self.error(str(path), line, f"no record ends within {MARGIN} octets: reading stops here")
                break
            elif state == "full":
                self._too_large(str(path), line)
            elif state == "error":
                text = reader.text().rstrip()
                # Before the first owner libzscanner refuses even blank lines and comments that begin with a space.
                if text and not text.lstrip().startswith(b";"):
                    self.error(str(path), line, self._told(reader.reason(), text))
            else:
                origin = self._directive(path, reader) or origin
                # The scanner itself is of no use any more; it starts anew on the next line, to find the other errors.
                if not reader.resume(origin):
                    break

    def _directive(self, path: Path, reader: "Reader") -> bytes | None:
        """Return the origin after a directive with a relative name, or report what stopped the scanner."""
        text = reader.text()
        try:
            origin = reader.origin()
            if match := text_of.RELATIVE_ORIGIN.fullmatch(text):
                return names.from_text(match[1].decode("latin-1"), origin)
            if match := text_of.RELATIVE_INCLUDE.fullmatch(text):
                below = names.from_text(match[2].decode("latin-1"), origin)
                target = fsdecode(match[1].strip(b'"'))
                self.read(path.parent / target, below, reader.ttl(), (str(path), reader.line()))
                return origin
        except WireError as error:
            reason = str(error) if len(self.open) == 1 else "the origin in this directive is no name"
        else:
            reason = self._told(reader.reason(), text)
        self.error(str(path), reader.line(), reason)
        return None

    def _told(self, reason: str, text: bytes) -> str:
        """Return a reason with the beginning of its line, unless that is of a file which may be none of a zone."""
        own = len(self.open) == 1 and self.opener.is_at_home
        return text_of.with_excerpt(reason, text) if own else reason


class Pack:
    """The packed records in private memory that is reserved ahead and only taken page by page."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self.memory = reserve(1 << 20)
        self.used = self.count = self.owner_at = self.owner_length = self.border = 0
        self.find_memory()

    def find_memory(self) -> None:
        """Note where the memory is; it moves when it grows."""
        view = self.memory
        self.octets_at = cython.cast(cython.p_char, cython.address(view[0]))
        self.room = len(self.memory)

    def octets(self) -> memoryview:
        """Return the packed records; .obj is what they stand in, with address space for a quarter more behind them."""
        self.grow(self.used // 4)
        return memoryview(self.memory)[: self.used]

    def is_full(self) -> bool:
        """Return whether there are more records than there should ever be."""
        return 0 < self.most < self.used

    def grow(self, size: int) -> int:
        """Make room for one more record."""
        if self.used + size > self.room:
            with cython.gil:
                self.memory.resize((2 * self.room + size + 4095) & ~4095)
                self.find_memory()
        return 0

    def state(self) -> tuple[int, int, int, int]:
        """Return what forget needs to go back to."""
        return self.used, self.count, self.owner_at, self.owner_length

    def forget(self, state: tuple[int, int, int, int]) -> None:
        """Drop the records that were read since."""
        self.used, self.count, self.owner_at, self.owner_length = state

    def extend(self, other: "Pack", lines: int) -> None:
        """Take over the records of another pack, which then is empty; `lines` is added to their line numbers."""
        size = other.used
        start = self.border = self.used
        self.grow(size)
        done = 0
        while done < size:
            part = min(size - done, WINDOW)
            memcpy(self.octets_at + start + done, other.octets_at + done, part)
            done += part
            if part == WINDOW:
                other.memory.madvise(DONTNEED, done - WINDOW, WINDOW)
        self.used += size
        self.count += other.count
        self.owner_at = start + other.owner_at
        self.owner_length = other.owner_length
        other.memory.close()
        self.move_lines(start, lines)

    def move_lines(self, at: int, lines: int) -> None:
        """Add to the line of each record from an offset on."""
        while at < self.used:
            header = cython.cast(cython.pointer(Header), self.octets_at + at)
            header.line += lines
            at += (cython.sizeof(Header) + header.owner_length + header.rdlength + 3) & ~3

    def append(self, scanner: Any, file: int, line: int) -> int:
        """Add the record that libzscanner has just read; an owner that the record before has too is left out."""
        code = 0
        extra = 0
        if scanner.r_class != CLASS_IN:
            code = class_code(scanner.r_class)
            extra = 2 if code == CLASS_OTHER else 0
        owner_length = scanner.r_owner_length
        known = self.count > 0 and owner_length == self.owner_length
        if known and not memcmp(self.octets_at + self.owner_at, scanner.r_owner, owner_length):
            owner_length = 0
        octets = cython.sizeof(Header) + owner_length + extra + scanner.r_data_length
        size = (octets + 3) & ~3  # headers stay aligned
        self.grow(size)
        at = self.octets_at + self.used
        header = cython.cast(cython.pointer(Header), at)
        header.line = line
        header.ttl = scanner.r_ttl
        header.rtype = scanner.r_type
        header.place = code << 10 | file
        header.rdlength = extra + scanner.r_data_length
        header.owner_length = owner_length
        header.flags = 0
        at += cython.sizeof(Header)
        if owner_length:
            self.owner_at = self.used + cython.sizeof(Header)
            self.owner_length = owner_length
            memcpy(at, scanner.r_owner, owner_length)
            at += owner_length
        if extra:
            memcpy(at, cython.address(scanner.r_class), 2)
            at += 2
        memcpy(at, scanner.r_data, scanner.r_data_length)
        memset(at + scanner.r_data_length, 0, size - octets)
        self.used += size
        self.count += 1
        return 0


def class_code(rclass: int) -> int:
    """Return how a class other than IN is packed."""
    return CLASS_3 if rclass == 3 else CLASS_4 if rclass == 4 else CLASS_OTHER


class Reader:
    """libzscanner on the octets of one file; records go to the pack, everything else comes back to the caller."""

    def __init__(self, pack: Pack, file: int, source: Source) -> None:
        self.scanner = cython.cast(cython.pointer(zs.zs_scanner_t), calloc(1, cython.sizeof(zs.zs_scanner_t)))
        self.kept = cython.cast(cython.p_char, calloc(1, cython.sizeof(self.scanner.zone_origin)))
        if self.scanner == cython.NULL or self.kept == cython.NULL:
            raise MemoryError
        self.scanner.file.descriptor = -1  # zs_deinit would close standard input
        self.pack = pack
        self.file = file
        self.source = source
        self.lines = 0
        self.show(b"")

    def show(self, kept: bytes) -> None:
        """Put the next octets of the file behind kept ones into the window, which libzscanner reads in place."""
        octets = kept + self.source.read()
        # libzscanner only understands a last line that ends in a newline.
        if self.source.done and not octets.endswith(b"\n"):
            octets += b"\n"
        self.octets = octets
        self.begin = cython.cast(cython.p_char, octets)
        self.end = self.begin + len(octets)
        self.seen = self.begin
        margin = 0 if self.source.done else MARGIN
        self.enough = self.end - margin

    def go_on(self) -> None:
        """Move the window behind the last record."""
        seen = self.seen - self.begin
        self.lines += self.newlines(seen)
        self.show(self.octets[seen:])
        self.scanner.input.start = self.scanner.input.current = self.begin
        self.scanner.input.end = self.end

    def newlines(self, octets: int) -> int:
        """Count the ends of lines in the first octets of the window; bytes.count takes ten times as long."""
        found = 0
        at = self.begin
        end = self.begin + octets
        while at < end:
            line = memchr(at, 10, end - at)
            if line == cython.NULL:
                break
            found += 1
            at = cython.cast(cython.p_const_char, line) + 1
        return found

    def __dealloc__(self) -> None:
        if self.scanner != cython.NULL:
            zs.zs_deinit(self.scanner)
            free(self.scanner)
        free(self.kept)

    def start(self, origin: bytes, ttl: int) -> None:
        """Begin (or go on, after resume has set .seen) with an origin in wire form and a TTL in seconds."""
        line = self.scanner.line_counter
        owner: bytes = self.scanner.r_owner[: self.scanner.r_owner_length]
        text, size = names.to_text(origin), self.end - self.seen
        zs.zs_deinit(self.scanner)
        failed: int = zs.zs_init(self.scanner, text.encode(), types.IN, ttl)
        if failed or zs.zs_set_input_string(self.scanner, self.seen, size):
            raise WireError(f"origin {text}: {self.reason()}")
        self.scanner.line_counter = line + 1
        self.scanner.r_owner_length = len(owner)
        memcpy(self.scanner.r_owner, cython.cast(cython.p_char, owner), len(owner))

    def resume(self, origin: bytes) -> bool:
        """Start again behind the line that stopped the scanner; return False if that was the last one."""
        at = self.position()
        if self.enough < self.end and at > self.enough - self.begin:
            self.seen = self.begin + cython.cast(cython.size_t, self.octets.rfind(b"\n", 0, at) + 1)
            at -= self.seen - self.begin
            self.go_on()
        end = self.octets.find(b"\n", at) + 1 if at >= 0 else 0
        if end == 0 or end == len(self.octets):
            return False
        self.seen = self.begin + cython.cast(cython.size_t, end)
        self.start(origin, self.scanner.default_ttl)
        return True

    def run(self) -> str:
        """Read on until "include", "error", "fatal" (no going on), "endless", "full" (too many records) or "end"."""
        while True:
            with cython.nogil:
                failed = self.parse()
            if failed != SEEN_ENOUGH:
                break
            if self.pack.is_full():
                return "full"
            self.go_on()
        if not self.source.done and not 0 <= self.position() < self.end - self.begin:
            return "endless"
        if self.scanner.state == zs.ZS_STATE_INCLUDE:
            self.seen = self.scanner.input.current
            self.scanner.error.fatal = False
            self.scanner.top = 0  # each $INCLUDE leaves a state on its stack, which would overflow after sixteen
            return "include"
        if self.scanner.state == zs.ZS_STATE_EOF:
            return "end"
        return "fatal" if failed or self.scanner.error.fatal else "error"

    def parse(self) -> int:
        """Pack records until libzscanner returns anything else; the result is its own."""
        before = self.scanner.line_counter
        self.keep_origin()
        while True:
            failed: int = zs.zs_parse_record(self.scanner)
            if failed or self.scanner.state != zs.ZS_STATE_DATA:
                return failed
            # At the window's end libzscanner takes what it has for the whole record.
            if self.enough < self.end and not self.begin <= self.scanner.input.current < self.end:
                return 0
            self.pack.append(self.scanner, self.file, self.first_line(before))
            self.seen = self.scanner.input.current
            self.keep_origin()
            if self.enough <= self.seen < self.end:
                return SEEN_ENOUGH
            before = self.scanner.line_counter

    def keep_origin(self) -> None:
        """Remember the origin: libzscanner writes over it while it reads a directive that then fails."""
        self.kept_length = self.scanner.zone_origin_length
        memcpy(self.kept, self.scanner.zone_origin, self.kept_length)

    def first_line(self, line: int) -> int:
        """Return the line on which the record that was just read begins: libzscanner only knows where it ends."""
        last = self.scanner.line_counter
        at = self.seen
        while line < last:
            if at[0] == b"\n":
                at += 1
                line += 1
                continue
            directive = at[0] == b"$"
            # A record is complete at a line's end, even where its closing parenthesis is still to come.
            while at[0] == b" " or at[0] == b"\t" or at[0] == b")":
                at += 1
            if at[0] == b"\n":
                continue
            if not directive and at[0] != b";":
                break
            while at[0] != b"\n":
                at += 1
        return line

    def position(self) -> int:
        """Return the offset at which the scanner stopped, -1 if that is behind the last octet."""
        current = self.scanner.input.current
        return current - self.begin if self.begin <= current <= self.end else -1

    def text(self) -> bytes:
        """Return the line that the scanner stopped on."""
        at = self.position()
        if at < 0:
            return b""
        end = self.octets.find(b"\n", at)
        return self.octets[self.octets.rfind(b"\n", 0, at) + 1 : end if end >= 0 else None]

    def line(self) -> int:
        """Return the line of the error or directive that run stopped at; of an unclosed parenthesis, its record's."""
        if self.scanner.error.code == zs.ZS_UNCLOSED_MULTILINE:
            return self.first_line(1 + self.lines + self.newlines(self.seen - self.begin))
        return int(self.scanner.line_counter)

    def lines_read(self) -> int:
        """Return how many lines there are up to the window's end."""
        return self.lines + self.newlines(self.end - self.begin)

    def reason(self) -> str:
        """Return what the last error was."""
        words: bytes = zs.zs_strerror(self.scanner.error.code)
        return text_of.in_words(words.decode())

    def include(self) -> tuple[str, bytes]:
        """Return the file name of an $INCLUDE as written, and the origin for it as a wire name."""
        # libzscanner puts the current folder in front of relative names, and writes the origin as text.
        written: bytes = self.scanner.include_filename
        origin: bytes = cython.cast(cython.p_char, self.scanner.buffer)
        return fsdecode(written.removeprefix(b"./")), names.from_text(origin.decode())

    def origin(self) -> bytes:
        """Return the wire name that relative names ended in before the line that stopped the scanner."""
        origin: bytes = self.kept[: self.kept_length]
        stopped = self.octets.rfind(b"\n", 0, max(self.position(), 0)) + 1
        for match in text_of.ABSOLUTE_ORIGIN.finditer(self.octets[self.seen - self.begin : stopped]):
            origin = names.from_text(match[1].decode("latin-1"))
        return origin

    def state(self) -> tuple[bytes, int]:
        """Return origin and TTL, in seconds, for the next line."""
        origin: bytes = self.scanner.zone_origin[: self.scanner.zone_origin_length]
        return origin, self.ttl()

    def ttl(self) -> int:
        """Return the TTL, in seconds, of records without one."""
        return int(self.scanner.default_ttl)
