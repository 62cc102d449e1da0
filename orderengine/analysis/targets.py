"""Write files whole or not at all, and only where a regular file belongs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderengine.errors import InvalidData

__all__ = ["replaceable", "replacing", "require_writable", "require_writable_folder"]


def replaceable(path: str | os.PathLike[str]) -> Path:
    """Return the file that writing to ``path`` makes or replaces, symbolic links followed.

    So a link keeps pointing to what it points to, and a device or a pipe is never replaced by a
    file of its name.

    Raises:
        InvalidData: the path is empty, or something else than a regular file is there.
    """
    written = os.fspath(path)
    if not written:
        raise InvalidData("the path", "an empty one", "a writable path")
    try:
        target = Path(written).resolve()
        mode = Path(written).stat().st_mode  # as written: /dev/stdout may lead to no name at all
    except (FileNotFoundError, NotADirectoryError):
        return target  # a missing folder is told by whoever writes
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidData(written, reason, "a writable path") from None
    if stat.S_ISDIR(mode):
        raise InvalidData(written, "is a folder", "a writable path")
    if not stat.S_ISREG(mode):
        raise InvalidData(written, "is no regular file", "a writable path")
    return target


def require_writable(path: str | os.PathLike[str]) -> None:
    """Check before long work that a file could be written here; nothing is left behind.

    Raises:
        InvalidData: it could not.
    """
    target = replaceable(path)
    try:
        probe = target.with_name(f".{target.name}.{os.getpid()}.part")
        probe.open("wb").close()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidData(str(target), reason, "a writable path") from None


def require_writable_folder(path: str | os.PathLike[str]) -> None:
    """Check before long work that a folder is there or could be made; nothing is made.

    Raises:
        InvalidData: it could not.
    """
    target = Path(path)
    try:
        there = next(place for place in (target, *target.absolute().parents) if place.exists())
        if not there.is_dir():
            raise NotADirectoryError(None, f"{there} is a file")
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(None, f"{there} cannot be written")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidData(str(target), reason, "a folder that can be written") from None


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to, and move it to ``path`` if all went well."""
    target = replaceable(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
