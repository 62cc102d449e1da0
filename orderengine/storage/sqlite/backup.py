"""Copy an SQLite file while others write to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from orderengine.errors import InvalidData, Unavailable
from orderengine.storage.sqlite.connections import open_existing

__all__ = ["back_up"]


def back_up(path: str, target: str) -> int:
    """Write a copy as it is at one moment; return its size in bytes.

    The copy is one file, checked, and on the disk. It gets its name once it is whole.

    Raises:
        InvalidData: there is no event store at ``path``, or something at ``target`` already.
        Unavailable: one of them cannot be read or written now.
    """
    source, whole = Path(path), Path(target)
    if whole.exists():
        raise InvalidData(target, "a file", "a name that is free")
    partial = whole.with_name(f"{whole.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        _copy(source, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(whole)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise Unavailable(f"{target}: {error}") from error
    return whole.stat().st_size


def _copy(source: Path, target: Path) -> None:
    with closing(open_existing(source)) as db, closing(sqlite3.connect(target)) as copy:
        # All pages in one step are one moment; writers go on meanwhile, into the log beside it.
        db.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode = DELETE")
        ((found,),) = copy.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged: {found}")
