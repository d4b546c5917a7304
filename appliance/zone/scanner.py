# SPDX-License-Identifier: GPL-3.0-or-later
# cython: annotation_typing=False
"""Master files (RFC 1035 §5) read by libzscanner into one buffer; compiled by Cython, with the types in scanner.pxd.

A record becomes a packed header and octets (appliance.zone.records) without ever being a Python object, and other
threads run meanwhile. Files are read into memory first: one that is cut short while mapped would kill the process.
"""

import re
from os import fsdecode
from pathlib import Path
from typing import Any

import cython
from cython.cimports.appliance.zone import libzscanner as zs
from cython.cimports.appliance.zone.scanner import Header
from cython.cimports.libc.stdlib import calloc, free, realloc
from cython.cimports.libc.string import memcpy, memset

from appliance.errors import Finding, WireError
from appliance.zone import names, types
from appliance.zone.records import HEADER, Records

MAX_FINDINGS = 100
MAX_FILES = 1000
MAX_INCLUDE_DEPTH = 10
MAX_EXCERPT = 60

# libzscanner takes only absolute names in directives; RFC 1035 §5.1 allows relative ones.
_ABSOLUTE_ORIGIN = re.compile(rb"^\$ORIGIN[ \t]+([^\s;]*\.)[ \t]*(?:;.*)?$", re.IGNORECASE | re.MULTILINE)
_RELATIVE_ORIGIN = re.compile(rb"\$ORIGIN[ \t]+([^\s;]*[^\s;.])[ \t]*(;.*)?", re.IGNORECASE)
_RELATIVE_INCLUDE = re.compile(
    rb"""\$INCLUDE[ \t]+("[^"]+"|[^\s;"]+)[ \t]+([^\s;]*[^\s;.])[ \t]*(;.*)?""", re.IGNORECASE
)

assert cython.sizeof(Header) == HEADER.size


def scan_file(path: str | Path, origin: bytes, default_ttl: int = 3600) -> Records:
    """Return the records of a master file, and what is wrong with its syntax in .findings; nothing is raised for it.

    origin is the wire name that relative names end in, default_ttl (seconds) goes to records before any $TTL.
    """
    scan = _Scan()
    scan.read(Path(path), origin, default_ttl)
    return Records(scan.pack.octets(), scan.pack.offsets(), scan.files, scan.findings)


class _Scan:
    """One master file with all that it includes: what was read so far, and which files are open."""

    def __init__(self) -> None:
        self.pack = Pack()
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
        try:
            if path.exists() and not path.is_file():
                self.error(*place, f"{path}: not a regular file")
                return
            octets = path.read_bytes()
            real = path.resolve()
        except (OSError, ValueError) as error:
            self.error(*place, f"cannot read {path}: {getattr(error, 'strerror', None) or error}")
            return
        if real in self.open or len(self.open) > MAX_INCLUDE_DEPTH:
            why = "includes itself" if real in self.open else f"more than {MAX_INCLUDE_DEPTH} levels of $INCLUDE"
            self.error(*place, f"{path}: {why}")
            return
        if len(self.files) == MAX_FILES:
            self.error(*place, f"{path}: more than {MAX_FILES} files")
            return
        self.files.append(str(path))
        self.open.append(real)
        # libzscanner wants plain newlines, and only understands a last line that ends in one.
        octets = octets.replace(b"\r\n", b"\n")
        self._scan(path, octets if octets.endswith(b"\n") else octets + b"\n", origin, ttl)
        self.open.pop()

    def _scan(self, path: Path, octets: bytes, origin: bytes, ttl: int) -> None:
        reader = Reader(self.pack, len(self.files) - 1, octets)
        reader.start(origin, ttl)
        while not self.full and (state := reader.run()) != "end":
            line = reader.line()
            if state == "include":
                target, below = reader.include()
                self.read(path.parent / target, below, reader.ttl(), (str(path), line))
            elif state == "error":
                text = reader.text().strip()
                # Before the first owner libzscanner refuses even blank lines and comments that begin with a space.
                if text and not text.startswith(b";"):
                    self.error(str(path), line, _with_excerpt(reader.reason(), text))
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
            if match := _RELATIVE_ORIGIN.fullmatch(text):
                return names.from_text(match[1].decode("latin-1"), origin)
            if match := _RELATIVE_INCLUDE.fullmatch(text):
                below = names.from_text(match[2].decode("latin-1"), origin)
                target = fsdecode(match[1].strip(b'"'))
                self.read(path.parent / target, below, reader.ttl(), (str(path), reader.line()))
                return origin
        except WireError as error:
            self.error(str(path), reader.line(), str(error))
            return None
        self.error(str(path), reader.line(), _with_excerpt(reader.reason(), text.strip()))
        return None


def _with_excerpt(reason: str, text: bytes) -> str:
    """Return a reason with the beginning of the line it is about, fit to be printed."""
    cut = text[:MAX_EXCERPT]
    shown = "".join(chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}" for octet in cut)
    return f"{reason}: {shown}{'…' if len(cut) < len(text) else ''}" if text else reason


class Pack:
    """The packed records and where each one starts, in plain memory; the room doubles when it is used up."""

    def __init__(self) -> None:
        self.octets_at = cython.NULL
        self.offsets_at = cython.NULL
        self.used = self.room = self.count = self.places = 0

    def __dealloc__(self) -> None:
        free(self.octets_at)
        free(self.offsets_at)

    def octets(self) -> bytes:
        """Return a copy of all packed records."""
        copy: bytes = self.octets_at[: self.used]
        return copy

    def offsets(self) -> bytes:
        """Return a copy of the offsets, eight octets each in native order."""
        copy: bytes = cython.cast(cython.p_char, self.offsets_at)[: self.count * 8]
        return copy

    def grow(self, size: int) -> int:
        """Make room for one more record."""
        if self.used + size > self.room:
            room = 2 * self.room + size + 65536
            octets = realloc(self.octets_at, room)
            if octets == cython.NULL:
                with cython.gil:
                    raise MemoryError
            self.octets_at = cython.cast(cython.p_char, octets)
            self.room = room
        if self.count == self.places:
            places = 2 * self.places + 1024
            offsets = realloc(self.offsets_at, places * 8)
            if offsets == cython.NULL:
                with cython.gil:
                    raise MemoryError
            self.offsets_at = cython.cast(cython.pointer(cython.ulonglong), offsets)
            self.places = places
        return 0

    def append(self, scanner: Any, file: int, line: int) -> int:
        """Add the record that libzscanner has just read."""
        octets = cython.sizeof(Header) + scanner.r_owner_length + scanner.r_data_length
        size = (octets + 3) & ~3  # headers stay aligned
        self.grow(size)
        at = self.octets_at + self.used
        memset(at, 0, cython.sizeof(Header))
        header = cython.cast(cython.pointer(Header), at)
        header.line = line
        header.ttl = scanner.r_ttl
        header.rtype = scanner.r_type
        header.rclass = scanner.r_class
        header.file = file
        header.rdlength = scanner.r_data_length
        header.owner_length = scanner.r_owner_length
        memcpy(at + cython.sizeof(Header), scanner.r_owner, scanner.r_owner_length)
        memcpy(at + cython.sizeof(Header) + scanner.r_owner_length, scanner.r_data, scanner.r_data_length)
        memset(at + octets, 0, size - octets)
        self.offsets_at[self.count] = self.used
        self.used += size
        self.count += 1
        return 0


class Reader:
    """libzscanner on the octets of one file; records go to the pack, everything else comes back to the caller."""

    def __init__(self, pack: Pack, file: int, octets: bytes) -> None:
        self.scanner = cython.cast(cython.pointer(zs.zs_scanner_t), calloc(1, cython.sizeof(zs.zs_scanner_t)))
        self.kept = cython.cast(cython.p_char, calloc(1, cython.sizeof(self.scanner.zone_origin)))
        if self.scanner == cython.NULL or self.kept == cython.NULL:
            raise MemoryError
        self.scanner.file.descriptor = -1  # zs_deinit would close standard input
        self.pack = pack
        self.file = file
        self.octets = octets  # libzscanner reads them in place
        self.begin = cython.cast(cython.p_char, octets)
        self.end = self.begin + len(octets)
        self.seen = self.begin

    def __dealloc__(self) -> None:
        if self.scanner != cython.NULL:
            zs.zs_deinit(self.scanner)
            free(self.scanner)
        free(self.kept)

    def start(self, origin: bytes, ttl: int) -> None:
        """Begin (or go on, after resume has set .seen) with an origin in wire form and a TTL in seconds."""
        line = self.scanner.line_counter
        owner: bytes = self.scanner.r_owner[: self.scanner.r_owner_length]
        text = names.to_text(origin).encode()
        zs.zs_deinit(self.scanner)
        if zs.zs_init(self.scanner, text, types.IN, ttl) or zs.zs_set_input_string(
            self.scanner, self.seen, self.end - self.seen
        ):
            raise WireError(f"origin {names.to_text(origin)}: {self.reason()}")
        self.scanner.line_counter = line + 1
        self.scanner.r_owner_length = len(owner)
        memcpy(self.scanner.r_owner, cython.cast(cython.p_char, owner), len(owner))

    def resume(self, origin: bytes) -> bool:
        """Start again behind the line that stopped the scanner; return False if that was the last one."""
        at = self.position()
        end = self.octets.find(b"\n", at) + 1 if at >= 0 else 0
        if end == 0 or end == len(self.octets):
            return False
        self.seen = self.begin + cython.cast(cython.size_t, end)
        self.start(origin, self.scanner.default_ttl)
        return True

    def run(self) -> str:
        """Read on until there is something to say: "include", "error", "fatal" (reading cannot go on) or "end"."""
        with cython.nogil:
            failed = self.parse()
        if self.scanner.state == zs.ZS_STATE_INCLUDE:
            self.seen = self.scanner.input.current
            self.scanner.error.fatal = False
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
            self.pack.append(self.scanner, self.file, self.first_line(before))
            self.seen = self.scanner.input.current
            before = self.scanner.line_counter
            self.keep_origin()

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
            return self.first_line(1 + self.octets[: self.seen - self.begin].count(b"\n"))
        line: int = self.scanner.line_counter
        return line

    def reason(self) -> str:
        """Return libzscanner's words for the last error."""
        words: bytes = zs.zs_strerror(self.scanner.error.code)
        return words.decode()

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
        for match in _ABSOLUTE_ORIGIN.finditer(self.octets[self.seen - self.begin : stopped]):
            origin = names.from_text(match[1].decode("latin-1"))
        return origin

    def ttl(self) -> int:
        """Return the TTL, in seconds, of records without one."""
        ttl: int = self.scanner.default_ttl
        return ttl
