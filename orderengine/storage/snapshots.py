"""Read the files that snapshots of pools are kept in."""

from __future__ import annotations

import os
from pathlib import Path

from orderengine.errors import InvalidData
from orderengine.pools.snapshot import Snapshot, decode_snapshot

__all__ = ["read_snapshot"]


def read_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """Return the snapshot of a file.

    Raises:
        InvalidData: it is no regular file, cannot be read, or holds something else.
    """
    file, name = Path(path), os.fspath(path)
    expected = "a snapshot file, as orderengine snapshot writes it"
    try:
        if file.exists() and not file.is_file():
            found = "a folder" if file.is_dir() else "a pipe or device"
            raise InvalidData(name, found, expected)
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidData(name, getattr(error, "strerror", None) or str(error), expected) from None
    return decode_snapshot(data, name)
