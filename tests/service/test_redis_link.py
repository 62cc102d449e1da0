"""Check in virtual time how often a Redis that is lost is asked, and how often that is said."""

from __future__ import annotations

import logging

import anyio
import pytest
from redis.exceptions import BusyLoadingError, OutOfMemoryError

from orderengine import virtualtime
from orderengine.service.redis_link import RedisLink, connect

MS = 1_000_000


class _Redis:
    """Answer the first questions, then refuse at once, as a Redis that is loading does."""

    def __init__(self, refused: range) -> None:
        self._refused = refused
        self.asked_ms: list[int] = []

    async def ping(self) -> bool:
        """Answer, or refuse."""
        self.asked_ms.append(virtualtime.now_ns() // MS)
        if len(self.asked_ms) in self._refused:
            raise BusyLoadingError("loading")
        return True


def _linked(refused: range) -> tuple[RedisLink, _Redis]:
    link, redis = RedisLink("redis://127.0.0.1:1/0", "testing"), _Redis(refused)
    link.redis = redis  # type: ignore[assignment]
    return link, redis


def test_a_lost_redis_is_asked_less_and_less_often(caplog: pytest.LogCaptureFixture) -> None:
    """From a tenth of a second up to five, then twice a second once it is back."""
    link, redis = _linked(range(2, 11))

    async def main() -> None:
        with anyio.move_on_after(24):
            await link.watch()

    virtualtime.run(main)
    waits = [b - a for a, b in zip(redis.asked_ms, redis.asked_ms[1:], strict=False)]
    assert waits[:11] == [500, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 500]
    assert [record.getMessage() for record in caplog.records] == [
        "Redis is lost for testing: BusyLoadingError: loading",
        "Redis is back for testing",
    ]


def test_a_redis_that_only_answers_pings_is_not_used_in_a_loop() -> None:
    """One that is full refuses the work itself: each time it is left alone for longer."""
    link, redis = _linked(range(0))
    tried_ms: list[int] = []

    async def use() -> None:
        while True:
            assert await link.until_available(60)
            with link.noticing():
                tried_ms.append(virtualtime.now_ns() // MS)
                raise OutOfMemoryError("full")

    async def main() -> None:
        with anyio.move_on_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(link.watch)
                group.start_soon(use)

    virtualtime.run(main)
    assert len(tried_ms) <= 12
    assert tried_ms[-1] - tried_ms[-2] == 5_000
    assert len(redis.asked_ms) <= len(tried_ms) + 1


class _Hanging:
    """Answer until a date, then never."""

    def __init__(self, until_s: float) -> None:
        self._until_s = until_s

    async def ping(self) -> bool:
        """Answer, or hang."""
        if anyio.current_time() >= self._until_s:
            await anyio.sleep_forever()
        return True


@pytest.mark.parametrize("until_s", [2.0, 2.01, 2.25, 2.49])
def test_a_redis_that_hangs_is_noticed_within_two_seconds(until_s: float) -> None:
    """Whenever it freezes, with all connections open; commands that do work may take longer."""
    link = RedisLink("redis://127.0.0.1:1/0", "testing")
    link.redis = _Hanging(until_s)  # type: ignore[assignment]

    async def main() -> float:
        async with anyio.create_task_group() as group:
            group.start_soon(link.watch)
            while await link.until_available(0.01):  # noqa: ASYNC110  (nobody tells of a loss)
                await anyio.sleep(0.01)
            noticed_s = anyio.current_time()
            group.cancel_scope.cancel()
        return noticed_s

    assert until_s < virtualtime.run(main) < until_s + 1.5
    assert link.errors == 1


def test_a_busy_process_does_not_take_redis_for_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was late itself: the deadline says nothing, and it asks again."""
    link, redis = RedisLink("redis://127.0.0.1:1/0", "testing"), _Hanging(0)
    link.redis = redis  # type: ignore[assignment]
    asked: list[float] = []

    async def ping() -> bool:
        asked.append(anyio.current_time())
        if len(asked) == 2:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3)  # stands for a loop that is kept busy beyond the deadline
            await anyio.sleep_forever()
        return True

    monkeypatch.setattr(redis, "ping", ping)

    async def main() -> None:
        with anyio.move_on_after(5):
            await link.watch()

    virtualtime.run(main)
    assert len(asked) > 3
    assert link.is_available
    assert link.errors == 0


def test_waiting_for_redis_has_an_end() -> None:
    """Whoever waits hears after his time that it is still away, or at once that it is back."""
    link, _ = _linked(range(1, 5))  # back after 0.1 + 0.2 + 0.4 + 0.8 s

    async def main() -> list[tuple[bool, int]]:
        async with anyio.create_task_group() as group:
            group.start_soon(link.watch)
            await anyio.sleep(0.05)
            heard = [(await link.until_available(1), virtualtime.now_ns() // MS) for _ in range(3)]
            group.cancel_scope.cancel()
        return heard

    assert virtualtime.run(main) == [(False, 1_050), (True, 1_500), (True, 1_500)]


def test_an_error_from_before_redis_was_back_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """A call that hung through the outage fails late."""
    link, _ = _linked(range(1, 3))

    async def hang() -> None:
        with link.noticing():
            await anyio.sleep(10)
            raise BusyLoadingError("loading")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(hang)
            group.start_soon(link.watch)
            await anyio.sleep(10.5)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert len(caplog.records) == 2, "it was lost once and back once"


def test_other_errors_are_not_news_of_redis(caplog: pytest.LogCaptureFixture) -> None:
    """Our own mistakes go through."""
    link, _ = _linked(range(0))
    caplog.set_level(logging.INFO)
    with pytest.raises(ZeroDivisionError), link.noticing():
        raise ZeroDivisionError
    assert link.is_available
    assert caplog.records == []


def test_every_wait_of_the_client_is_bounded() -> None:
    """Whatever the defaults of redis-py become."""
    settings = connect("redis://:secret@127.0.0.1:1/0").connection_pool.connection_kwargs
    assert 0 < settings["socket_connect_timeout"] <= 2
    assert 0 < settings["socket_timeout"] <= 5
    assert 0 < settings["health_check_interval"] <= 30
    assert settings["retry"].get_retries() <= 3
