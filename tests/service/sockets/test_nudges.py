"""Check nudges over a real Redis: they arrive, gather, and come back after an outage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from orderengine.service.sockets.nudges import Nudges
from tests.servers import RedisServer

SOON_S = 20.0


class Heard:
    """Count nudges."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        """Count one."""
        self.count += 1


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[tuple[Nudges, Nudges, Heard]]:
    """Give one end that only tells, and one that hears, both running and settled."""
    heard = Heard()
    teller, listener = Nudges(url), Nudges(url, heard)
    async with anyio.create_task_group() as group:
        group.start_soon(teller.run)
        group.start_soon(listener.run)
        await until(lambda: listener.is_listening)
        yield teller, listener, heard
        group.cancel_scope.cancel()


async def until(is_true: Callable[[], bool], tell: Callable[[], None] = lambda: None) -> None:
    """Wait for a condition, doing something again and again."""
    with anyio.fail_after(SOON_S):
        while not is_true():
            tell()
            await anyio.sleep(0.01)


def test_a_nudge_arrives(redis_server: RedisServer) -> None:
    """One for each that is told after the one before has come."""

    async def run() -> None:
        async with linked(redis_server.url) as (teller, _, heard):
            for _ in range(3):
                before = heard.count
                teller.tell()
                await until(lambda before=before: heard.count > before)  # type: ignore[misc]

    anyio.run(run)


def test_many_at_once_are_few(redis_server: RedisServer) -> None:
    """However much is stored, Redis is asked little."""

    async def run() -> None:
        async with linked(redis_server.url) as (teller, listener, heard):
            before = heard.count
            for _ in range(1_000):
                teller.tell()
            await until(lambda: heard.count > before)
            listener.tell()  # comes after all that was sent before it
            await until(lambda: heard.count > before + 1)
            assert heard.count < before + 10

    anyio.run(run)


def test_an_outage_is_known_and_ends(redis_server: RedisServer) -> None:
    """Meanwhile nobody counts on nudges; then they are heard again, and one at once."""

    async def run() -> None:
        async with linked(redis_server.url) as (teller, listener, heard):
            redis_server.stop()
            await until(lambda: not listener.is_listening, teller.tell)
            before = heard.count
            redis_server.start()
            await until(lambda: listener.is_listening)
            await until(lambda: heard.count > before)
            before = heard.count
            await until(lambda: heard.count > before, teller.tell)

    anyio.run(run)
