"""Bring a database file to the version of the schema that this code knows.

The schema grows by numbered SQL files in ``schema/``, applied in turn. The file's own header says
where it stands (``PRAGMA user_version``) and that it is ours (``PRAGMA application_id``). All of it
is read and written inside one transaction, so two processes that open a new file together build
it once, and one that dies halfway leaves no half of a schema.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

from orderengine.errors import InvalidData

__all__ = ["migrate", "newest_version"]

_APPLICATION_ID = 0x4F524445  # "ORDE"


def _scripts() -> list[str]:
    schema = (files("orderengine.storage.sqlite") / "schema").iterdir()
    named = {entry.name: entry for entry in schema if entry.name.endswith(".sql")}
    return [named[name].read_text("utf-8") for name in sorted(named)]


def newest_version() -> int:
    """Return the version that ``migrate`` brings a file to."""
    return len(_scripts())


def _statements(script: str) -> Iterator[str]:
    # executescript would commit the transaction that the whole migration must stand in.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def migrate(db: sqlite3.Connection, source: str) -> None:
    """Apply what is missing, all or nothing.

    Args:
        db: in autocommit mode.
        source: names the file in errors.

    Raises:
        InvalidData: the file is another program's, or of a version that is not known yet.
        sqlite3.OperationalError: the file cannot be written now; nothing was changed.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db, source)
        scripts = _scripts()
        if version > len(scripts):
            raise InvalidData(
                source, f"schema version {version}", f"at most version {len(scripts)}"
            )
        for script in scripts[version:]:
            for statement in _statements(script):
                db.execute(statement)
        if version < len(scripts):
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {len(scripts)}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _version(db: sqlite3.Connection, source: str) -> int:
    (owner,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    is_new = (owner, version, tables) == (0, 0, 0)
    if not is_new and owner != _APPLICATION_ID:
        raise InvalidData(source, "another program's database", "a new file or an event store's")
    return int(version)
