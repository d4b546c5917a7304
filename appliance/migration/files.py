# SPDX-License-Identifier: GPL-3.0-or-later
"""The imported configuration and its secrets on disk: read by the real loader first, whole or not there."""

import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from appliance.access import why_not_written
from appliance.config.load import examine
from appliance.errors import ConfigError
from appliance.migration.writer import Written

_CONFIG_MODE: Final = 0o644
_SECRET_MODE: Final = 0o640
_FOLDER_MODE: Final = 0o750


def check(written: Written) -> None:
    """Let the loader read a configuration that is not kept. Raises ConfigError where it refuses it."""
    with tempfile.TemporaryDirectory(prefix="appliance-import-") as folder:
        path = Path(folder) / "appliance.toml"
        path.write_text(written.text, encoding="utf-8")
        _check(path)


def keep(written: Written, output: Path, *, force: bool) -> list[Path]:
    """Write the configuration and the files of its secrets; return the latter. Raises ConfigError, and nothing is left.

    A file that is there is only replaced by `force`; a secret's file with the same secret is left as it is.
    """
    folder = output.absolute().parent
    wanted = {folder / file: f"{secret}\n" for file, secret in written.secrets.items()}
    wanted = {path: text for path, text in wanted.items() if not _is_there(path, text)}
    for path in (output, *wanted):
        _refuse(path, force)
    with ExitStack() as made:
        config = made.enter_context(_half(output, written.text, _CONFIG_MODE))
        _check(config)
        for path in {path.parent for path in wanted}:
            _make_folder(path)
        secrets = [(made.enter_context(_half(path, text, _SECRET_MODE)), path) for path, text in wanted.items()]
        # Until the configuration is there too, none of them stays.
        undo = made.enter_context(ExitStack())
        for half, path in secrets:
            _show(half, path, force)
            if not force:  # else an older one has gone already, and this one is better than none
                undo.callback(path.unlink, missing_ok=True)
        _show(config, output, force)
        undo.pop_all()
    for path in {folder, *(path.parent for path in wanted)}:
        _sync(path)
    return [folder / file for file in written.secrets]


def _check(path: Path) -> None:
    _, findings = examine(path)
    if findings:
        reasons = "\n".join(str(one) for one in findings).replace(str(path), "the new configuration")
        raise ConfigError(f"the configuration that was made of it is refused, so nothing is written:\n{reasons}")


def _is_there(path: Path, text: str) -> bool:
    try:
        return not path.is_symlink() and path.stat().st_mode & 0o027 == 0 and path.read_text() == text
    except (OSError, UnicodeDecodeError):
        return False


def _refuse(path: Path, force: bool) -> None:
    if not os.path.lexists(path):
        return
    if not force:
        raise ConfigError(f"{path} is there already: give another --output, or --force to replace it")
    if path.is_symlink() or not path.is_file():
        raise ConfigError(f"{path} is not a regular file, and is not replaced: give another --output")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made: {why_not_written(path, error)}") from error


@contextmanager
def _half(path: Path, text: str, mode: int) -> Iterator[Path]:
    """Yield a file beside a path with a name of its own, written and synced; it is gone afterwards."""
    try:
        fd, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.absolute().parent)
    except FileNotFoundError as error:
        folder = path.absolute().parent
        reason = f"there is no folder {folder}: `mkdir -p {shlex.quote(str(folder))}` makes it"
        raise ConfigError(f"{path}: cannot be written: {reason}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {why_not_written(path, error)}") from error
    half = Path(name)
    try:
        with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123 - it is open already
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield half
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {why_not_written(path, error)}") from error
    finally:
        half.unlink(missing_ok=True)


def _show(half: Path, path: Path, force: bool) -> None:
    """Give a written file its name; without force, only where no other has it."""
    try:
        if force:
            half.rename(path)
        else:
            path.hardlink_to(half)
    except FileExistsError:
        _refuse(path, force)
        raise ConfigError(f"{path} was made by another program just now; try again") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {why_not_written(path, error)}") from error


def _sync(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot; the files themselves are on disk
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
