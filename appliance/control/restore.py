# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup put back: everything checked before anything is written, and what was there before kept aside."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from appliance.access import why_not_read, why_not_written
from appliance.config.load import load_config
from appliance.config.schema import Config
from appliance.control.lock import RunLock, holder
from appliance.control.manifest import Entry, Manifest, copied, opened, read_manifest
from appliance.control.restore_files import Exchange, give_like
from appliance.errors import ApplianceError, StateError
from appliance.state.files import FOLDERS, REBUILT, STATE_FILES, format_of
from appliance.wording import counted

_TOLD: Final = 10
ASIDE: Final = ".before-restore-"


@dataclass(slots=True)
class Target:
    """Where a backup goes on this machine: its configuration to one folder, the rest only below folders that may be."""

    config_dir: Path
    allowed: Sequence[Path] = ()

    def of(self, base: str, inside: str) -> Path:
        """Return the place of a path of the backup."""
        return self.config_dir / inside if base.endswith("config") else Path("/") / inside

    def holder_of(self, path: Path) -> Path | None:
        """Return the folder, of those that may be written to, that a path is below."""
        folders = [self.config_dir, Path(Config().server.state_dir), *self.allowed]
        return next((one for one in folders if path.is_relative_to(one)), None)


@dataclass(slots=True)
class _Plan:
    """What a restore does: entries with their places, and what lies there already."""

    state_dir: Path
    places: list[tuple[Entry, Path]] = field(default_factory=list)
    same: int = 0
    in_the_way: list[Path] = field(default_factory=list)
    """State of another time, which goes aside."""

    @property
    def changes(self) -> bool:
        return bool(self.places or self.in_the_way)


def restore(folder: Path, target: Target, *, told_where: bool, dry_run: bool) -> dict[str, Any]:
    """Put a backup back, and return what was done; with `dry_run` only check, and return what would be.

    `told_where` says that somebody chose the folder of the configuration. Raises StateError; then all is as it was.
    """
    folder = folder.absolute()
    manifest = read_manifest(folder)
    if not told_where and Path(manifest.config_dir) != target.config_dir:
        raise StateError(
            f"the configuration of this backup was in {manifest.config_dir}: give --config-dir {manifest.config_dir} "
            f"to put it there again, or --config-dir {target.config_dir} to put it there"
        )
    _check_files(folder, manifest)
    plan = _planned(manifest, target)
    _check_allowed(plan, target)
    result: dict[str, Any] = {
        "ok": True,
        "dry_run": dry_run,
        "config": str(target.config_dir / manifest.config),
        "state_dir": str(plan.state_dir),
        "made": manifest.made,
        "host": manifest.host,
        "version": manifest.appliance,
        "files": [str(place) for _, place in plan.places],
        "same": plan.same,
        "aside": [],
        "warnings": [],
    }
    if dry_run:
        if pid := holder(plan.state_dir):
            result["warnings"].append(f"a server (process {pid}) uses {plan.state_dir}: stop it before")
        result["would_aside"] = [str(one) for one in _there(plan)]
        return result | {"healthy": not plan.changes}
    if plan.changes:
        result["aside"] = _exchange(folder, plan, target)
    result["warnings"] += _doubts(target.config_dir / manifest.config)
    return result


def _there(plan: _Plan) -> Iterator[Path]:
    """Yield what goes aside."""
    yield from (place for _, place in plan.places if os.path.lexists(place))
    yield from plan.in_the_way


def _check_files(folder: Path, manifest: Manifest) -> None:
    """Check that all files are what the manifest says, and of this version. Raises StateError."""
    wrong = []
    for entry in manifest.files:
        if reason := _wrong_with(folder, entry):
            wrong.append(f"{folder / entry.path} {reason}")
    if wrong:
        more = f"; and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        raise StateError(
            f"the backup is damaged or was altered, nothing was restored: {'; '.join(wrong[:_TOLD])}{more}"
        )
    for name, number in manifest.state_formats.items():
        known = next((one.format for one in STATE_FILES if one.name == name), None)
        path = folder / "state" / name
        if known is None or number != known or format_of(path) != known:
            raise StateError(
                f"{path} has format {number}, and this version of appliance has {known or 'no such file'}: restore the "
                f"backup with the version that made it ({manifest.appliance!r})"
            )


def _wrong_with(folder: Path, entry: Entry) -> str:
    path = folder / entry.path
    try:
        for parent in path.relative_to(folder).parents:
            if (folder / parent).is_symlink() and folder / parent != folder:
                return "is behind a link"
        with opened(path) as file:
            if os.fstat(file.fileno()).st_size != entry.size:
                return f"has {os.fstat(file.fileno()).st_size} octets, not {entry.size}"
            octets, digest = copied(file, lambda _: None, entry.size)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {why_not_read(path, error)}"
    return "" if (octets, digest) == (entry.size, entry.sha256) else "has another content (SHA-256)"


def _planned(manifest: Manifest, target: Target) -> _Plan:
    base, _, inside = manifest.state_dir.partition("/")
    plan = _Plan(target.of(base, inside))
    state = set()
    for entry in manifest.files:
        if entry.base == "edited":
            continue
        place = plan.state_dir / entry.inside if entry.base == "state" else target.of(entry.base, entry.inside)
        if entry.base == "state":
            state.add(place)
        if _is_same(place, entry):
            plan.same += 1
        else:
            plan.places.append((entry, place))
    plan.in_the_way = [path for path in _state_of_another_time(plan.state_dir) if path not in state]
    if not any(entry.base == "state" for entry, _ in plan.places) and not _has_log(plan.state_dir):
        plan.in_the_way = []  # it is the state of the backup, and what was made of it since
    return plan


def _is_same(place: Path, entry: Entry) -> bool:
    try:
        with opened(place) as file:
            if os.fstat(file.fileno()).st_size != entry.size:
                return False
            return copied(file, lambda _: None, entry.size)[1] == entry.sha256
    except OSError:
        return False


def _has_log(folder: Path) -> bool:
    return any((folder / f"{one.name}-wal").exists() for one in STATE_FILES)


def _state_of_another_time(folder: Path) -> Iterator[Path]:
    """Yield what in a state folder does not fit what is put there."""
    for one in STATE_FILES:
        for name in (one.name, f"{one.name}-wal", f"{one.name}-shm"):
            if os.path.lexists(folder / name):
                yield folder / name
    for name in FOLDERS:
        if (folder / name).is_dir():
            yield from (folder / name).iterdir()
    yield from (folder / name for name in REBUILT if os.path.lexists(folder / name))


def _check_allowed(plan: _Plan, target: Target) -> None:
    """Check that nothing goes where nobody said that it may. Raises StateError."""
    elsewhere = sorted({place.parent for _, place in plan.places if target.holder_of(place) is None})
    if elsewhere:
        places = ", ".join(map(str, elsewhere[:_TOLD])) + (", …" if len(elsewhere) > _TOLD else "")
        mend = " ".join(f"--allow {one}" for one in elsewhere[:_TOLD])
        raise StateError(
            f"the backup has files for {counted(len(elsewhere), 'folder')} outside of {target.config_dir} and the "
            f"usual state folder: {places}; where that is right, give {mend}"
        )


def _exchange(folder: Path, plan: _Plan, target: Target) -> list[str]:
    """Write everything beside its place, then put it there; return the folders with what was there before."""
    lock = RunLock(plan.state_dir, "state_dir")
    try:
        give_like(plan.state_dir, [entry for entry, _ in plan.places if entry.base == "state"])
        with Exchange(f"{ASIDE}{time.strftime('%Y%m%dT%H%M%S')}") as exchange:
            for entry, place in plan.places:
                holder_of = target.holder_of(place)
                assert holder_of is not None
                base = plan.state_dir if entry.base == "state" else holder_of
                exchange.stage(folder / entry.path, place, base, entry)
            for path in plan.in_the_way:
                exchange.remove(path, plan.state_dir)
            exchange.commit()
            return [str(one) for one in exchange.asides]
    except OSError as error:
        where = Path(error.filename or folder)
        raise StateError(f"nothing was restored: {where}: {why_not_written(where, error)}") from error
    finally:
        lock.close()


def _doubts(config_file: Path) -> list[str]:
    """Return what the restored configuration lacks on this machine."""
    try:
        config = load_config(config_file)
    except ApplianceError as error:
        return [f"the restored configuration cannot be used here: {str(error).splitlines()[0]}"]
    return [
        f"key {key.name}: {key.secret_file} is not there, since the backup has no secrets: copy it, mode 0640"
        for key in config.key
        if not Path(key.secret_file).exists()
    ]
