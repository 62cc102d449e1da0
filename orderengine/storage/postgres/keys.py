"""Keep API keys and tickets in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orderengine.model.api_key import ApiKey
from orderengine.storage.postgres.lines import PostgresLines
from orderengine.storage.postgres.reads import ask
from orderengine.storage.rows import key_of, row_of_key

__all__ = ["PostgresKeys"]

_COLUMNS = """k.key_id, k.user_id, k.role, k.created_at_ns, k.expires_at_ns, k.revoked_at_ns,
    k.order_max, k.requests_per_minute"""
_ADD = """
INSERT INTO api_keys (key_id, secret_sha256, user_id, role, created_at_ns, expires_at_ns,
    revoked_at_ns, order_max, requests_per_minute)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING true"""
_FIND = f"SELECT {_COLUMNS} FROM api_keys k WHERE secret_sha256 = $1"  # noqa: S608
_ALL = f"SELECT {_COLUMNS} FROM api_keys k ORDER BY number"  # noqa: S608
_REVOKE = """
UPDATE api_keys SET revoked_at_ns = coalesce(revoked_at_ns, $2) WHERE key_id = $1 RETURNING true"""
_ALIVE = """
SELECT key_id FROM api_keys
WHERE key_id = ANY ($1::text[]) AND revoked_at_ns IS NULL
    AND (expires_at_ns IS NULL OR expires_at_ns > $2)"""
# Another process may be forgetting the same ones: leave those to it.
_ADD_TICKET = """
WITH forgotten AS (
    DELETE FROM tickets WHERE ticket_sha256 IN (
        SELECT ticket_sha256 FROM tickets WHERE expires_at_ns <= now_ms() * 1000000
        ORDER BY expires_at_ns LIMIT 100 FOR UPDATE SKIP LOCKED)
)
INSERT INTO tickets (ticket_sha256, key_id, expires_at_ns) VALUES ($1, $2, $3)"""
_TAKE_TICKET = f"""
WITH taken AS (DELETE FROM tickets WHERE ticket_sha256 = $1 RETURNING key_id, expires_at_ns)
SELECT {_COLUMNS} FROM taken t JOIN LATERAL (
    SELECT * FROM api_keys WHERE key_id = t.key_id LIMIT 1) k ON true
WHERE t.expires_at_ns > $2"""  # noqa: S608


class PostgresKeys:
    """Implement ``Keys``."""

    def __init__(self, lines: PostgresLines) -> None:
        self._lines = lines

    async def add(self, key: ApiKey, secret_sha256: str) -> bool:
        """Add a key; return False, and change nothing, if its id or its secret is there."""
        added = await ask(self._lines.other, _ADD, *row_of_key(key, secret_sha256))
        return bool(added)

    async def find(self, secret_sha256: str) -> ApiKey | None:
        """Return the key of a secret, dead or not; None if there is none."""
        for row in await ask(self._lines.reader, _FIND, secret_sha256):
            return key_of(row)
        return None

    async def all(self) -> Sequence[ApiKey]:
        """Return every key, in the order of creation."""
        return [key_of(row) for row in await ask(self._lines.reader, _ALL)]

    async def revoke(self, key_id: str, at_ns: int) -> bool:
        """Revoke a key; a second time changes nothing. Return False if there is no such key."""
        return bool(await ask(self._lines.other, _REVOKE, key_id, at_ns))

    async def dead(self, key_ids: Collection[str], now_ns: int) -> frozenset[str]:
        """Return those of some keys that are revoked, have expired, or are not known."""
        alive = await ask(self._lines.reader, _ALIVE, list(key_ids), now_ns)
        return frozenset(key_ids) - {key_id for (key_id,) in alive}

    async def add_ticket(self, ticket_sha256: str, key_id: str, expires_at_ns: int) -> None:
        """Add a ticket for a key, and forget some of those that have expired."""
        await ask(self._lines.other, _ADD_TICKET, ticket_sha256, key_id, expires_at_ns)

    async def take_ticket(self, ticket_sha256: str, now_ns: int) -> ApiKey | None:
        """Return the key of a ticket, once; None if it was taken, has expired, or never was."""
        for row in await ask(self._lines.other, _TAKE_TICKET, ticket_sha256, now_ns):
            return key_of(row)
        return None
