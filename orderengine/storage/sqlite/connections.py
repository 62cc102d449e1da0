"""Open SQLite files: one connection that writes, and others that only read.

WAL mode: readers see the last commit and never wait for the writer, nor it for them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from orderengine.errors import InvalidData, Unavailable
from orderengine.storage.sqlite.migrations import migrate, version_in

__all__ = ["Synchronous", "execute_when_free", "open_existing", "open_reader", "open_writer"]

Synchronous = Literal["FULL", "NORMAL", "OFF"]

# How long a read may wait for a lock. It happens only while another process recovers the log.
_READ_WAIT_S = 0.2
_LOOK_AGAIN_S = 0.001
# Pages of 4 KiB that the log may grow to before a commit also moves them into the file.
_CHECKPOINT_PAGES = 4_000


def open_writer(path: Path, *, synchronous: Synchronous, wait_s: float) -> sqlite3.Connection:
    """Open a file for reading and writing, create it if need be, and bring its schema up to date.

    Args:
        path: the file. Its folder must exist.
        synchronous: when a commit is on the disk; see ``SqliteEventStore``.
        wait_s: how long to wait here for another process that writes.

    Raises:
        InvalidData: not an event store, or one of a version that is not known yet.
        Unavailable: the file cannot be opened or is locked; later it may work.
    """
    # Autocommit: transactions begin and end where the code says so. Whatever thread has its turn
    # uses the connection, one after the other.
    db = _connect(path, str(path), timeout=wait_s, check_same_thread=False)
    with _closed_if_not_ours(path, db):
        # Two processes that open a new file together: SQLite does not wait here by itself.
        (mode,) = execute_when_free(db, "PRAGMA journal_mode = WAL", wait_s).fetchone()
        if mode != "wal":
            raise InvalidData(str(path), f"journal mode {mode}", "a file on a local disk, for WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        db.execute("PRAGMA foreign_keys = ON")
        migrate(db, str(path))
        db.execute("PRAGMA busy_timeout = 0")  # from now on, group_commit waits
    return db


def execute_when_free(db: sqlite3.Connection, statement: str, wait_s: float) -> sqlite3.Cursor:
    """Execute a statement; where another process holds the lock, wait for it and try again.

    SQLite's own way to wait looks again after up to 100 ms, so that a process that writes without a
    pause keeps others out: for 2 s at worst, measured with two, which is most of a lease. Looking
    each millisecond is fair to both.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            return db.execute(statement)
        except sqlite3.OperationalError as error:
            is_locked = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_locked or time.monotonic() >= until:
                raise
        time.sleep(_LOOK_AGAIN_S)


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a file that a writer has opened before, for reading only. Raises ``Unavailable``."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    return _connect(path, address, timeout=_READ_WAIT_S, check_same_thread=False)


def open_existing(path: Path) -> sqlite3.Connection:
    """Open an event store for reading, and change nothing in it.

    Unlike ``open_reader`` it needs no writer beside it, so it may also tidy the log up at the end.

    Raises:
        InvalidData: there is nothing, no database, or another program's.
        Unavailable: it cannot be read now.
    """
    if not path.exists():
        raise InvalidData(str(path), "nothing", "the database of a service")
    db = _connect(path, f"{path.absolute().as_uri()}?mode=rw", timeout=_READ_WAIT_S)
    with _closed_if_not_ours(path, db):
        version_in(db, str(path))
    return db


def _connect(
    path: Path, address: str, *, timeout: float, check_same_thread: bool = True
) -> sqlite3.Connection:
    """Open a file by its path or its URI, in autocommit mode. Raises ``Unavailable``."""
    try:
        return sqlite3.connect(
            address,
            uri=address.startswith("file:"),
            timeout=timeout,
            isolation_level=None,
            check_same_thread=check_same_thread,
        )
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{path}: {error}") from error


@contextmanager
def _closed_if_not_ours(path: Path, db: sqlite3.Connection) -> Iterator[None]:
    """Tell errors in our words, and leave nothing open where there is one."""
    try:
        yield
    except sqlite3.OperationalError as error:
        db.close()
        raise Unavailable(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        db.close()
        raise InvalidData(str(path), str(error), "an SQLite database") from error
    except InvalidData:
        db.close()
        raise
