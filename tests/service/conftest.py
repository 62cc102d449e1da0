"""Offer a real Redis to every test of the service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import RedisServer, running_redis


@pytest.fixture(scope="session")
def _redis_of_the_session() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_server(_redis_of_the_session: RedisServer) -> RedisServer:
    """Return a Redis that is running and empty, whatever the test before did to it."""
    _redis_of_the_session.start()
    _redis_of_the_session.flushall()
    return _redis_of_the_session
