"""Keep API keys and tickets in the SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from orderengine.model.api_key import ApiKey
from orderengine.storage.rows import key_of, row_of_key
from orderengine.storage.sqlite.file import SqliteFile
from orderengine.storage.sqlite.queries import rows

__all__ = ["SqliteKeys"]

_COLUMNS = """k.key_id, user, role, created_at_ns, k.expires_at_ns, revoked_at_ns, order_max,
    requests_per_minute"""


class SqliteKeys:
    """Implement ``Keys``."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def add(self, key: ApiKey, secret_sha256: str) -> bool:
        """Add a key; return False, and change nothing, if its id or its secret is there."""
        values = row_of_key(key, secret_sha256)

        def insert(db: sqlite3.Connection) -> bool:
            added = db.execute(
                """INSERT INTO api_keys (key_id, secret_sha256, user, role, created_at_ns,
                    expires_at_ns, revoked_at_ns, order_max, requests_per_minute)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
                values,
            )
            return added.rowcount == 1

        return await self._file.write(insert)

    async def find(self, secret_sha256: str) -> ApiKey | None:
        """Return the key of a secret, dead or not; None if there is none."""
        query = f"SELECT {_COLUMNS} FROM api_keys k WHERE secret_sha256 = ?"  # noqa: S608
        for row in rows(self._file.reader, query, secret_sha256):
            return key_of(row)
        return None

    async def all(self) -> Sequence[ApiKey]:
        """Return every key, in the order of creation."""
        query = f"SELECT {_COLUMNS} FROM api_keys k ORDER BY number"  # noqa: S608
        return [key_of(row) for row in rows(self._file.reader, query)]

    async def revoke(self, key_id: str, at_ns: int) -> bool:
        """Revoke a key; a second time changes nothing. Return False if there is no such key."""

        def update(db: sqlite3.Connection) -> bool:
            found = db.execute(
                "UPDATE api_keys SET revoked_at_ns = coalesce(revoked_at_ns, ?) WHERE key_id = ?",
                (at_ns, key_id),
            )
            return found.rowcount == 1

        return await self._file.write(update)

    async def dead(self, key_ids: Collection[str], now_ns: int) -> frozenset[str]:
        """Return those of some keys that are revoked, have expired, or are not known."""
        alive = rows(
            self._file.reader,
            """SELECT key_id FROM api_keys
            WHERE key_id IN (SELECT value FROM json_each(?)) AND revoked_at_ns IS NULL
                AND (expires_at_ns IS NULL OR expires_at_ns > ?)""",
            json.dumps(list(key_ids)),
            now_ns,
        )
        return frozenset(key_ids) - {key_id for (key_id,) in alive}

    async def add_ticket(self, ticket_sha256: str, key_id: str, expires_at_ns: int) -> None:
        """Add a ticket for a key, and forget those that have expired."""

        def insert(db: sqlite3.Connection) -> None:
            db.execute(
                "DELETE FROM tickets WHERE expires_at_ns <= (SELECT ms * 1000000 FROM clock)"
            )
            db.execute(
                "INSERT INTO tickets (ticket_sha256, key_id, expires_at_ns) VALUES (?, ?, ?)",
                (ticket_sha256, key_id, expires_at_ns),
            )

        await self._file.write(insert)

    async def take_ticket(self, ticket_sha256: str, now_ns: int) -> ApiKey | None:
        """Return the key of a ticket, once; None if it was taken, has expired, or never was."""

        def take(db: sqlite3.Connection) -> ApiKey | None:
            query = f"""SELECT {_COLUMNS} FROM tickets t JOIN api_keys k USING (key_id)
                WHERE ticket_sha256 = ? AND t.expires_at_ns > ?"""  # noqa: S608
            found = db.execute(query, (ticket_sha256, now_ns)).fetchall()
            db.execute("DELETE FROM tickets WHERE ticket_sha256 = ?", (ticket_sha256,))
            return key_of(found[0]) if found else None

        return await self._file.write(take)
