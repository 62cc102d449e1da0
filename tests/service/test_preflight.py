"""Check that a process does not start on a Redis that will never let it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import running_redis
from tests.service.serving import Process, serving


@pytest.mark.parametrize("command", ["serve", "work"])
def test_a_redis_that_refuses_us_stops_the_start(tmp_path: Path, command: str) -> None:
    """The variable is named, the password is not."""
    with running_redis("--requirepass", "right", password="right") as redis:  # noqa: S106
        url = redis.url.replace("right", "hunter2")
        process = Process(tmp_path, command, name=command, REDIS_URL=url, PORT="0")
        try:
            assert process.wait() == 2
        finally:
            process.kill()
        said = process.log.read_text()
        assert said.startswith("orderengine: REDIS_URL: expected ")
        assert "hunter2" not in said
        assert len(said.splitlines()) == 1


def test_a_redis_that_is_away_does_not(tmp_path: Path) -> None:
    """Orders are accepted without it."""
    with serving(tmp_path, REDIS_URL="redis://127.0.0.1:1/0") as served:
        assert "Redis queue" in served.line
