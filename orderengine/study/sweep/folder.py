"""Keep a sweep in a folder, a file a cell, so that a killed one goes on where it was.

Each file is written beside its place and moved there, so a file is whole or absent. ``study.json``
says whose folder it is; ``cells/KEY.json`` holds one finished cell; what cannot be read as that is
computed again. More replicates of the same study add to what is there.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from orderengine.analysis.targets import replacing, require_writable_folder
from orderengine.errors import InvalidData
from orderengine.study.sweep.cells import Label
from orderengine.study.sweep.figures import Figure

__all__ = ["Failure", "Folder", "Record", "read_record"]

_STUDY, _CELLS = "study.json", "cells"


class Record(Struct, frozen=True, kw_only=True):
    """Say what a sweep is: what is written to ``study.json``."""

    format: int = 1
    version: str
    """The package's."""
    study_sha256: str
    """Names scenario, grid, measure and version; not the number of replicates."""
    scenario: str
    scenario_toml: str
    fields: tuple[str, ...]
    points: tuple[tuple[Label, ...], ...]
    replicates: int
    lead: str = ""
    """What was studied, in a sentence."""
    assumptions: tuple[str, ...] = ()
    """What the scenario takes for granted, before the grid changes it."""


class Failure(Struct, frozen=True, kw_only=True):
    """Say which cell failed, and why."""

    point: dict[str, Label]
    replicate: int
    seed: int
    kind: str
    message: str
    trace: str

    def __str__(self) -> str:
        where = ", ".join(f"{field} = {label}" for field, label in self.point.items())
        said = " ".join(self.message.split()) or "no message"
        at = f"{where}, replicate" if where else "replicate"
        return f"{at} {self.replicate} (seed {self.seed}): {self.kind}: {said}"


class _Stored(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key: str
    row: dict[str, Figure]


class Folder:
    """Hold the folder of one study, new or begun.

    Raises:
        InvalidData: it cannot be written, is another study's, or holds other files.
    """

    def __init__(self, path: Path, record: Record) -> None:
        require_writable_folder(path)
        self._path = path
        self._record = record
        try:
            _require_own(path, record)
        except OSError as error:
            raise _unwritable(path, error) from None

    def begin(self) -> None:
        """Make the folder, if need be, and write whose it is."""
        try:
            (self._path / _CELLS).mkdir(parents=True, exist_ok=True)
            write_record(self._path, self._record)
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def row(self, key: str) -> dict[str, Figure] | None:
        """Return a finished cell's row; None where there is none, or a damaged one."""
        try:
            data = self._file(key).read_bytes()
            stored = msgspec.json.decode(data, type=_Stored)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        except OSError as error:
            raise _unwritable(self._path, error) from None
        return stored.row if stored.key == key else None

    def store(self, key: str, row: dict[str, Figure]) -> None:
        """Write a finished cell."""
        try:
            with replacing(self._file(key)) as part:
                part.write_bytes(msgspec.json.encode(_Stored(key=key, row=row)))
        except OSError as error:
            raise _unwritable(self._path, error) from None

    def _file(self, key: str) -> Path:
        return self._path / _CELLS / f"{key}.json"


def write_record(path: Path, record: Record) -> None:
    """Write ``study.json`` into a folder."""
    with replacing(path / _STUDY) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")


def read_record(path: Path) -> Record:
    """Return what a folder's sweep is.

    Raises:
        InvalidData: it holds none.
    """
    try:
        return msgspec.json.decode((path / _STUDY).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        found = f"no {_STUDY} that can be read ({type(error).__name__})"
        raise InvalidData(str(path), found, "a sweep's folder") from None


def _require_own(path: Path, record: Record) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise InvalidData(str(path), "a file", "a folder for the sweep")
    if not (path / _STUDY).exists():
        others = sorted(file.name for file in path.iterdir() if not file.name.startswith("."))
        if others and others != [_CELLS]:
            expected = "an empty folder, or one with this sweep"
            raise InvalidData(str(path), f"other files in it ({others[0]})", expected)
        return
    found = read_record(path)
    if found.study_sha256 != record.study_sha256:
        raise InvalidData(str(path), _difference(found, record), "a new folder, or this study's")


def _difference(found: Record, record: Record) -> str:
    """Return in words what tells a folder's study from this one."""
    if found.version != record.version:
        return f"a study that orderengine {found.version} ran (this is {record.version})"
    if found.scenario_toml != record.scenario_toml:
        return f"a study of another scenario ({found.scenario!r}, {len(found.points)} points)"
    if (found.fields, found.points) != (record.fields, record.points):
        over = ", ".join(found.fields) or "nothing"
        return f"a study of another grid ({len(found.points)} points over {over})"
    return "a study with another measure, function or data file"


def _unwritable(path: Path, error: OSError) -> InvalidData:
    reason = error.strerror or str(error)
    return InvalidData(str(path), reason, "a folder that can be written")
