"""Test what is done without waiting: who rests on it, who is told, and who must not hang."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import anyio
import pytest

from orderengine.errors import LeaseLost, OrderEngineError, Unavailable
from orderengine.storage.postgres import batches
from orderengine.storage.postgres.batches import Kind, Line
from orderengine.storage.postgres.connections import Link


class NoLink:
    """Stand in for a connection that nobody uses."""

    async def close(self) -> None:
        """Do nothing."""


def kind_of(done: list[str], refused: str = "") -> Kind[str, None]:
    """Return operations on one thing that follow one another; one of them may be refused."""

    async def run(_: Link, batch: Sequence[str]) -> Sequence[OrderEngineError | None]:
        done.extend(operation for operation in batch if operation != refused)
        return [LeaseLost("o-1", 1, 2) if operation == refused else None for operation in batch]

    return Kind[str, None](run, lambda _: ("one",), follows=lambda *_: True)


def in_line(test: Callable[[Line], Awaitable[None]]) -> None:
    """Run a test with a line that is served."""

    async def main() -> None:
        line = Line(cast("Link", NoLink()), capacity=10)
        async with anyio.create_task_group() as group:
            group.start_soon(line.serve)
            try:
                await test(line)
            finally:
                line.close()

    anyio.run(main)


def _nothing() -> None:
    return


def test_what_rests_on_what_came_too_late_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if both are taken up together."""
    done: list[str] = []
    kind = kind_of(done)

    async def test(line: Line) -> None:
        monkeypatch.setattr(batches, "_PATIENCE_S", -1.0)
        noted = line.begin(kind, "note", _nothing)
        monkeypatch.setattr(batches, "_PATIENCE_S", 10.0)
        with pytest.raises(Unavailable, match="waited too long"):
            await line.do(kind, "record", noted)

    in_line(test)
    assert done == []


def test_what_rests_on_what_is_known_to_be_refused_is_refused_at_once() -> None:
    """So its writer stops before it does more in vain."""
    done: list[str] = []
    kind = kind_of(done, refused="note")

    async def test(line: Line) -> None:
        told: list[str] = []
        noted = line.begin(kind, "note", lambda: told.append("note"))
        await anyio.sleep(0.01)
        with pytest.raises(LeaseLost):
            line.begin(kind, "next", _nothing, noted)
        assert told == []

    in_line(test)
    assert done == []


def test_a_watcher_that_raises_hangs_nobody() -> None:
    """What it raises is the event loop's to report; the others of the batch are woken."""
    done: list[str] = []
    kind = kind_of(done)
    reported: list[object] = []

    def boom() -> None:
        raise ValueError("a watcher broke")

    async def test(line: Line) -> None:
        import asyncio  # noqa: PLC0415  (only here is its loop looked at)

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        noted = line.begin(kind, "note", boom)
        with anyio.fail_after(5):
            await line.do(kind, "record", noted)
            await line.do(kind, "later")

    in_line(test)
    assert done == ["note", "record", "later"]
    assert [type(error) for error in reported] == [ValueError]
