"""Connect to PostgreSQL so that nothing waits for ever, and tell its errors in our words.

Every statement has two limits: the server ends it after ``statement_s``, and should the server
itself be silent, this side gives up a little later. Keepalive probes find a dead network while
nothing is asked. A connection on which a wait was cut short is closed rather than used again.

Prepared statements and settings belong to a connection, so a pooler in between must keep one
server connection for each of ours (session mode).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg

from orderengine.errors import InvalidData, InvariantViolated, OrderEngineError, Unavailable

__all__ = [
    "FAULTS",
    "Link",
    "Locked",
    "PostgresConnection",
    "Unreachable",
    "close",
    "connect",
    "describe",
    "explained",
]

CONNECT_S = 1.5
STATEMENT_S = 4.0
_GRACE_S = 1.0
_LOCK_S = 2.0
_CLOSE_S = 1.0
_SETTINGS = {
    "application_name": "orderengine",
    # No statement of ours is long enough to be worth compiling.
    "jit": "off",
    # All find their rows by an index, and join lists that may be long. A plan that was made while
    # a table was empty would read all of it for each row for ever after, for it is kept until
    # statistics are taken anew.
    "enable_seqscan": "off",
    "enable_nestloop": "off",
    "plan_cache_mode": "force_generic_plan",
    # So that the server notices a client whose machine is gone, and frees its locks.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3}

FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What a statement may raise; a ``TimeoutError`` is an ``OSError``."""

# Classes of SQLSTATE, or whole ones, where the same statement may succeed later: no connection,
# refused login, no such database, rollback for others' sake, out of resources, locks, shutdown and
# time-outs, the server's own trouble, a standby that takes no writes, rights not granted.
_LATER = ("08", "28", "3D", "40", "53", "55", "57", "58", "XX", "25006", "42501")
_LOCKED = ("55P03", "40P01")
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)

PostgresConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Fetch = Callable[..., Awaitable[Sequence[asyncpg.Record]]]


class Unreachable(Unavailable):
    """Say that there is no connection: nothing was asked, and nothing else can be now."""


class Locked(Unavailable):
    """Say that somebody else holds a row or a table; other rows may be free."""


def describe(url: str) -> str:
    """Return where a database is, without what may be secret.

    Raises:
        InvalidData: it is no URL of a PostgreSQL database; it is not repeated.
    """
    expected = "postgresql://user:password@host:port/database, special characters escaped"
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query, strict_parsing=bool(parts.query))
        host, port = parts.hostname or options.get("host", [""])[0], parts.port
    except ValueError:
        raise InvalidData("DATABASE_URL", "an address that cannot be used", expected) from None
    name = parts.path.strip("/")
    if parts.scheme not in {"postgresql", "postgres"} or not host or not name or "/" in name:
        raise InvalidData("DATABASE_URL", "an address that cannot be used", expected)
    return f"PostgreSQL {host}:{port or 5432}/{name}"


def explained(error: Exception) -> OrderEngineError:
    """Return our error for one of ``FAULTS``; it names no value and no secret."""
    if isinstance(error, TimeoutError):
        return Unavailable("the database did not answer in time")
    if isinstance(error, OSError):
        return Unavailable(f"the database cannot be reached: {error.strerror or 'no connection'}")
    if not isinstance(error, asyncpg.PostgresError):
        return Unavailable(f"the connection to the database broke: {type(error).__name__}")
    state = error.sqlstate or ""
    if state in _LOCKED:
        return Locked(f"the database is busy: {error.message} ({state})")
    said = error.message or "a value that it cannot hold"  # asyncpg's own words hold the value
    if state.startswith(_LATER):
        return Unavailable(f"the database cannot be used now: {said} ({state})")
    return InvariantViolated(f"the database refused a statement: {said} ({state})")


async def connect(url: str, *, statement_s: float | None = None) -> PostgresConnection:
    """Open a connection.

    Args:
        url: of the database.
        statement_s: how long a statement may take; ``STATEMENT_S`` if it is not said.

    Raises:
        InvalidData: the server knows no such user, password or database, or the URL is wrong.
        Unavailable: it cannot be reached now.
    """
    where = describe(url)
    statement_s = statement_s or STATEMENT_S
    milliseconds = str(round(statement_s * 1000))
    settings = _SETTINGS | {
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "lock_timeout": str(round(_LOCK_S * 1000)),
    }
    try:
        async with asyncio.timeout(CONNECT_S):  # asyncpg's own does not hold while it resolves
            connection: PostgresConnection = await asyncpg.connect(
                url,
                timeout=CONNECT_S,
                command_timeout=statement_s + _GRACE_S,
                server_settings=settings,
            )
    except _REFUSED as error:
        found = getattr(error, "message", None) or "an address that cannot be used"
        raise InvalidData(where, found, "a user, a password and a database it knows") from None
    except FAULTS as error:
        raise Unavailable(f"{where}: {explained(error)}") from None
    except ValueError:
        raise InvalidData(where, "an address that cannot be used", "a usable one") from None
    _keep_alive(connection)
    return connection


def _keep_alive(connection: PostgresConnection) -> None:
    transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001  (it has no option for this)
    found = transport.get_extra_info("socket")
    if found is None or found.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:  # not all systems have all three
            found.setsockopt(socket.IPPROTO_TCP, option, value)


async def close(connection: PostgresConnection) -> None:
    """Close a connection so that its server knows, or at once where that takes too long."""
    if connection.is_closed():
        return
    try:
        await connection.close(timeout=_CLOSE_S)
    except FAULTS:
        connection.terminate()


class Link:
    """Hold one connection that is opened when it is needed, and again after it broke.

    One caller at a time.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: PostgresConnection | None = None

    async def fetch(self, statement: str, *values: object) -> Sequence[asyncpg.Record]:
        """Run one statement in a transaction of its own; return its rows.

        Raises:
            Unavailable: it may succeed later. Where the connection broke, it may have been done.
            InvariantViolated: the database refused what no statement of ours should ask.
        """
        async with self._guarded() as connection:
            rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *values)
        return rows

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Fetch]:
        """Give what runs statements in one transaction; commit at the end. Raises as ``fetch``."""
        async with self._guarded() as connection, connection.transaction():
            yield connection.fetch

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[PostgresConnection]:
        """Give the connection, tell its errors in our words, and drop it if it may be broken."""
        connection = await self._opened()
        is_whole = False
        try:
            yield connection
            is_whole = True
        except FAULTS as error:
            is_whole = _is_whole(error)
            raise explained(error) from error
        finally:
            if not is_whole:
                self._drop()

    async def _opened(self) -> PostgresConnection:
        """Return the connection. Raises ``Unreachable``."""
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await connect(self._url)
            except (Unavailable, InvalidData) as error:  # the URL was good before
                raise Unreachable(str(error)) from None
        return self._connection

    def _drop(self) -> None:
        """Close the connection at once; its server ends what it does for it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)


def _is_whole(error: Exception) -> bool:
    """Return whether the connection can be used again: the server said no, and goes on."""
    return isinstance(error, asyncpg.PostgresError) and not (error.sqlstate or "").startswith(
        ("08", "57P", "25006", "XX")
    )
