"""Bring a database file to the version of the schema that this code knows.

The file's own header says where it stands (``PRAGMA user_version``) and that it is ours
(``PRAGMA application_id``); the table ``schema_versions`` says what code each version is for. All
of it is read and written inside one transaction, so two processes that open a new file together
build it once, and one that dies halfway leaves no half of a schema.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from orderengine.errors import InvalidData
from orderengine.storage.migrations import Migration, migrations_of, require_usable

__all__ = ["migrate", "newest_version", "version_in"]

_APPLICATION_ID = 0x4F524445  # "ORDE"
_MIGRATIONS = migrations_of(__package__)
_VERSIONS = """
    CREATE TABLE IF NOT EXISTS schema_versions (
        version     INTEGER PRIMARY KEY,
        oldest_code INTEGER NOT NULL
    ) STRICT"""


def newest_version() -> int:
    """Return the version that ``migrate`` brings a file to."""
    return len(_MIGRATIONS)


def _statements(script: str) -> Iterator[str]:
    # executescript would commit the transaction that the whole migration must stand in.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def migrate(
    db: sqlite3.Connection, source: str, known: Sequence[Migration] = _MIGRATIONS
) -> tuple[int, int]:
    """Apply what is missing, all or nothing.

    Args:
        db: in autocommit mode.
        source: names the file in errors.
        known: the steps of the schema, from the first on.

    Returns:
        The version before, and the version now.

    Raises:
        InvalidData: the file is another program's, or of a version that this code is too old for.
        sqlite3.OperationalError: the file cannot be written now; nothing was changed.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        before = version_in(db, source)
        if before <= len(known):
            _apply(db, before, known)
        now = max(before, len(known))
        query = "SELECT oldest_code FROM schema_versions WHERE version = ?"
        (oldest_code,) = db.execute(query, (now,)).fetchone() or (now,)
        require_usable(source, now, oldest_code, known)
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return before, now


def _apply(db: sqlite3.Connection, before: int, known: Sequence[Migration]) -> None:
    db.execute(_VERSIONS)
    for step in known[before:]:
        for statement in _statements(step.script):
            db.execute(statement)
    # A file from before there was this table is told of its own version too.
    pairs = [(step.version, step.oldest_code) for step in known]
    db.executemany("INSERT INTO schema_versions VALUES (?, ?) ON CONFLICT DO NOTHING", pairs)
    if before < len(known):
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(known)}")


def version_in(db: sqlite3.Connection, source: str) -> int:
    """Return the version that a file is at; 0 for an empty one. Raises ``InvalidData``."""
    (owner,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    is_new = (owner, version, tables) == (0, 0, 0)
    if not is_new and owner != _APPLICATION_ID:
        raise InvalidData(source, "another program's database", "a new file or an event store's")
    return int(version)
