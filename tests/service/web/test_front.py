"""Test that a service which cannot start says why in one line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from orderengine.errors import Unavailable
from orderengine.service.settings import Settings
from orderengine.service.web import app as web
from orderengine.service.web.front import Front


async def _started(front: Front) -> list[dict[str, Any]]:
    """Return what is told of a start."""
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    with pytest.raises(Unavailable):
        await front({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    return told


def test_a_database_that_goes_while_starting_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As it is before: tasks wrap errors in groups, and the framework tells them as tracebacks."""

    @asynccontextmanager
    async def gone(*_: object) -> AsyncIterator[None]:
        async with anyio.create_task_group():
            raise Unavailable("the database went away")
        yield

    monkeypatch.setattr(web, "open_access", gone)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/orders.db", workers=0)
    (message,) = anyio.run(_started, web.create_app(settings))
    assert message["type"] == "lifespan.startup.failed"
    assert message["message"] == "cannot start: the database went away"
