"""Refuse what cannot work before anything heavy is loaded or opened, each in one line.

A variable that is wrong is named within two seconds, also where nobody answers, and nothing of its
value is shown: it may be a secret, or have one in it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from urllib.parse import unquote, urlsplit

import anyio
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from orderengine.errors import InvalidData, Unavailable
from orderengine.service.redis_link import REDIS_ERRORS, connect
from orderengine.service.settings import Settings
from orderengine.storage.database import Database
from orderengine.storage.opening import open_database

__all__ = ["opened", "require_database", "require_free_port", "require_redis"]

_OPEN_S_MAX = 1.2
"""With the start of Python this stays below two seconds."""
_REDIS_S_MAX = 0.3
_EXPECTED = "a database that can be opened"
_OF_HERE = "an address of this machine"


def require_database(settings: Settings) -> None:
    """Open the database and close it again.

    Raises:
        InvalidData: it is none of ours, cannot be reached, or is not to be opened with this URL.
    """
    anyio.run(_open, settings.database_url)


async def _open(url: str) -> None:
    try:
        with anyio.fail_after(_OPEN_S_MAX):
            async with opened(url):
                pass
    except TimeoutError:
        found = f"nobody who answers within {_OPEN_S_MAX:g} s"
        raise InvalidData("DATABASE_URL", found, _EXPECTED) from None


def require_redis(settings: Settings) -> None:
    """Ask Redis, if there is one. That it is away stops nothing; that it refuses us does.

    Raises:
        InvalidData: it knows no such user or password, or the address cannot be used.
    """
    if settings.redis_url:
        anyio.run(_greet, settings.redis_url)


async def _greet(url: str) -> None:
    expected = "redis://[user:password@]host:port/db with what that server knows"
    try:
        redis = connect(url)
    except (ValueError, TypeError):
        raise InvalidData("REDIS_URL", "an address that cannot be used", expected) from None
    try:
        # One that is away may come back at any time.
        with suppress(*REDIS_ERRORS), anyio.move_on_after(_REDIS_S_MAX):
            await _require_let_in(redis, expected)
    finally:
        with anyio.move_on_after(_REDIS_S_MAX, shield=True):
            await redis.aclose()


async def _require_let_in(redis: Redis, expected: str) -> None:
    try:
        await redis.ping()  # type: ignore[misc]  # typed for both clients
    except AuthenticationError:
        found = "a user or a password that the server refuses"
        raise InvalidData("REDIS_URL", found, expected) from None


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open the database of a URL. Raises ``InvalidData``, where that cannot be done."""
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(open_database(url))
        except InvalidData as error:
            found = _without(url, error.found)
            raise InvalidData("DATABASE_URL", found, _without(url, error.expected)) from None
        except Unavailable as error:
            raise InvalidData("DATABASE_URL", _without(url, str(error)), _EXPECTED) from None
        yield database


def _without(url: str, message: str) -> str:
    """Return a message without what a URL holds: path, names, password."""
    parts = urlsplit(url)
    path = parts.path[1:]
    hidden = {url, parts.password or "", path if parts.scheme == "sqlite" else f'"{path}"'}
    hidden.add(f'"{parts.username}"')
    for value in sorted(hidden | set(map(unquote, hidden)), key=len, reverse=True):
        if value:
            message = message.replace(f"{value}: ", "").replace(value, "***")
    return message


def require_free_port(settings: Settings) -> None:
    """Listen where the service will, for a moment.

    Raises:
        InvalidData: the port is taken or not allowed, or the host is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except socket.gaierror:
            found = "a name that does not resolve"
            raise InvalidData("HOST", found, _OF_HERE) from None
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno == errno.EADDRNOTAVAIL:
                raise InvalidData("HOST", f"no such one ({reason})", _OF_HERE) from None
            raise InvalidData("PORT", f"none ({reason})", "a free port") from None
