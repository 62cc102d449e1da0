"""Open files of every kind: new, old, newer, another program's, broken."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orderengine.errors import InvalidData, Unavailable
from orderengine.storage.migrations import Migration
from orderengine.storage.sqlite import migrations
from orderengine.storage.sqlite.store import SqliteEventStore
from tests.execution.store_contract import accepted
from tests.storage.files import run_in_file


async def _create(store: SqliteEventStore) -> None:
    await store.create(accepted())


async def _look(store: SqliteEventStore) -> None:
    assert list(await store.events("o-1")) == [accepted()]


def _execute(path: Path, statement: str, *values: int) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)


def test_a_file_keeps_what_it_holds(tmp_path: Path) -> None:
    """Opening it again changes nothing."""
    run_in_file(_create, tmp_path / "orders.db")
    run_in_file(_look, tmp_path / "orders.db")


def test_a_newer_file_is_refused_unless_it_says_that_this_code_works(tmp_path: Path) -> None:
    """With both versions, and unchanged."""
    path, newest = tmp_path / "orders.db", migrations.newest_version()
    run_in_file(_create, path)
    _execute(path, f"PRAGMA user_version = {newest + 1}")
    with pytest.raises(InvalidData, match=rf"code of version {newest}, .*{newest + 1}"):
        run_in_file(_look, path)
    insert = "INSERT INTO schema_versions VALUES (?, ?)"
    _execute(path, insert, newest + 1, newest + 1)
    with pytest.raises(InvalidData, match=rf"code of version {newest}, .*{newest + 1}"):
        run_in_file(_look, path)
    _execute(path, "UPDATE schema_versions SET oldest_code = ?", newest)
    run_in_file(_look, path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchall() == [(newest + 1,)]


def test_a_file_without_a_table_of_versions_is_told_of_its_own(tmp_path: Path) -> None:
    """As code before that table left it."""
    path = tmp_path / "orders.db"
    run_in_file(_create, path)
    _execute(path, "DROP TABLE schema_versions")
    run_in_file(_look, path)
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT * FROM schema_versions").fetchall()
    assert found == [(step.version, step.oldest_code) for step in migrations._MIGRATIONS]


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    """Nothing is added to it."""
    path = tmp_path / "other.db"
    _execute(path, "CREATE TABLE theirs (name TEXT)")
    with pytest.raises(InvalidData, match="another program's"):
        run_in_file(_look, path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A text file, a database that no other process can open, a folder that is not there."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(InvalidData, match="not a database"):
        run_in_file(_look, text)
    with pytest.raises(InvalidData, match="journal mode memory"):
        run_in_file(_look, Path(":memory:"))
    with pytest.raises(Unavailable, match="unable to open"):
        run_in_file(_look, tmp_path / "nowhere" / "orders.db")


def test_a_migration_is_applied_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file of an earlier version is brought forward; a script that fails leaves it there."""
    path, known = tmp_path / "orders.db", migrations._MIGRATIONS
    run_in_file(_create, path)
    added = "CREATE TABLE added (name TEXT) STRICT;\n"
    newest = len(known)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        broken = Migration(newest + 1, 1, added + "CREATE TABLE orders;")
        with pytest.raises(sqlite3.OperationalError):
            migrations.migrate(db, "here", [*known, broken])
        whole = Migration(newest + 1, 1, added)
        assert migrations.migrate(db, "here", [*known, whole]) == (newest, newest + 1)
        assert migrations.migrate(db, "here", [*known, whole]) == (newest + 1, newest + 1)
        assert db.execute("SELECT * FROM added").fetchall() == []
    run_in_file(_look, path)  # older code goes on beside it
