# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's log, watched for complaints while a program runs."""

import os
import re
from types import TracebackType
from typing import Final

_COMPLAINT: Final = re.compile(
    r"\bBUG\b|\bWARNING\b|\bOops\b|general protection|Call Trace|KASAN|lockup|hung task|\bbpf\b|\bxdp\b", re.IGNORECASE
)
_RECORD: Final = 8192


def complaints(lines: list[str]) -> list[str]:
    """Return the lines that speak of a fault, or of BPF or XDP at all."""
    return [line for line in lines if _COMPLAINT.search(line)]


class KernelLog:
    """What the kernel says from entry to exit, in `lines`."""

    def __enter__(self) -> "KernelLog":
        self.lines: list[str] = []
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._read()
        finally:
            os.close(self._fd)

    def _read(self) -> None:
        while True:
            try:
                record = os.read(self._fd, _RECORD)
            except BlockingIOError:
                return
            except BrokenPipeError:  # overwritten before it was read: go on with the oldest there is
                continue
            self.lines.append(record.decode(errors="replace").partition(";")[2].rstrip())
