"""Write into a folder, and tell what goes wrong with it as our own error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderengine.errors import InvalidData

__all__ = ["writable"]


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Tell an error of the file system as ours.

    Raises:
        InvalidData: the folder cannot be written, or the disk is full.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidData(str(folder), reason, "a folder that can be written") from None
