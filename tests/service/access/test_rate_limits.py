"""Check over real processes that limits hold, whoever clients say they are."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from orderengine.service.access.identity import EVERYBODY
from orderengine.service.access.limits import RateLimits
from orderengine.service.clock import WallClock
from tests.servers import RedisServer
from tests.service.access.doors import Answer, knock, within_a_minute
from tests.service.access.forgeries import FORGERIES
from tests.service.serving import Serving, serving

LIMIT = 10
BURST_S = 5.0
"""Longer than any of these tests sends requests."""
OUTSIDE = "198.51.100.9"
"""What our own proxy saw."""


def statuses(port: int, count: int, *headers: tuple[str, str | bytes]) -> list[int]:
    """Return how so many requests are answered, eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: knock(port, "/orders", headers).status, range(count)))


def forged(port: int, hops: int) -> list[Answer]:
    """Send every forgery, with what a proxy of ours adds if there is one."""
    added = [("X-Forwarded-For", OUTSIDE)] * hops
    return [
        knock(
            port, "/orders", [*((name.decode().title(), value) for name, value in tricks), *added]
        )
        for tricks in FORGERIES
    ]


@pytest.mark.parametrize("hops", [0, 1])
def test_no_forged_header_passes_the_limit(tmp_path: Path, hops: int) -> None:
    """Whatever is claimed, all of it counts for one address."""
    env = {"ORDERENGINE_RATE_ADDRESS": str(LIMIT), "ORDERENGINE_TRUSTED_HOPS": str(hops)}
    with serving(tmp_path, **env) as served:
        within_a_minute(BURST_S)
        answers = forged(served.port, hops)
        passed = [answer.status for answer in answers]
        assert passed == [200] * LIMIT + [429] * (len(FORGERIES) - LIMIT)
        last = answers[-1]
        assert last.code == "RATE_LIMITED"
        assert 1 <= int(last.headers["retry-after"]) <= 61
        assert last.headers["ratelimit-limit"] == str(LIMIT)
        headers = dict.fromkeys(["X-Forwarded-For"][:hops], OUTSIDE)
        with pytest.raises(InvalidStatus) as raised:
            connect(f"ws://127.0.0.1:{served.port}/ws", additional_headers=headers)
        assert raised.value.response.status_code == 429
        assert knock(served.port, "/docs", [("X-Forwarded-For", OUTSIDE)]).status == 429
        assert {knock(served.port, "/health/live").status for _ in range(20)} == {200}
        if hops:
            others = [("X-Forwarded-For", "198.51.100.10"), ("X-Forwarded-For", "2001:db8::1")]
            assert {knock(served.port, "/orders", [other]).status for other in others} == {200}


def test_failed_keys_count_on_their_address(tmp_path: Path) -> None:
    """Who tries secrets is stopped before the database is asked again."""
    env = {"ORDERENGINE_RATE_ADDRESS": str(LIMIT), "ORDERENGINE_AUTH": "keys"}
    with serving(tmp_path, **env) as served:
        within_a_minute(BURST_S)
        tries = [[("Authorization", f"Bearer oe_{number:043}")] for number in range(LIMIT + 5)]
        answers = [knock(served.port, "/orders", headers).status for headers in tries]
    assert answers == [401] * LIMIT + [429] * 5


@pytest.fixture
def two(tmp_path: Path, redis_server: RedisServer) -> Iterator[tuple[Serving, Serving]]:
    """Give two processes over one Redis, with a limit for the one user that there is."""
    env = {
        "REDIS_URL": redis_server.url,
        "ORDERENGINE_RATE_USER": "60",
        "ORDERENGINE_WORKERS": "0",
    }
    with (
        serving(tmp_path, name="one", **env) as one,
        serving(tmp_path, name="two", **env) as another,
    ):
        yield one, another


def test_two_processes_let_exactly_the_limit_pass(two: tuple[Serving, Serving]) -> None:
    """Together, at once, sockets counted with the rest."""
    within_a_minute(BURST_S)
    for served in two:
        with connect(f"ws://127.0.0.1:{served.port}/ws"):
            pass
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda served: statuses(served.port, 100), two))
    passed = [status for process in found for status in process]
    assert (passed.count(200), passed.count(429)) == (58, 142)


def test_requests_go_on_while_redis_is_frozen(
    two: tuple[Serving, Serving], redis_server: RedisServer
) -> None:
    """Each process counts for itself then: no more than the limit passes through one."""
    within_a_minute(BURST_S)
    assert statuses(two[0].port, 1) == [200]
    redis_server.freeze()
    try:
        found = statuses(two[0].port, 100)
    finally:
        redis_server.thaw()
    assert (found.count(200), found.count(429)) == (59, 41)


def test_a_crowd_passes_no_more_than_one_by_one(redis_server: RedisServer) -> None:
    """A thousand requests at once do not make Redis look slow, and are not counted twice."""

    async def main() -> int:
        limits = RateLimits(WallClock(), per_user=100, per_address=0, redis_url=redis_server.url)
        passed: list[bool] = []

        async def ask() -> None:
            passed.append(await limits.refuse_caller(EVERYBODY) is None)

        async with anyio.create_task_group() as watching:
            watching.start_soon(limits.run)
            async with anyio.create_task_group() as crowd:
                for _ in range(1_000):
                    crowd.start_soon(ask)
            watching.cancel_scope.cancel()
        return sum(passed)

    assert anyio.run(main) == 100
