"""Let many callers ask a store at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from orderengine.errors import OrderEngineError


async def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls at once; return what each returned or raised, in their order."""
    found: list[Any] = [None] * len(calls)

    async def one(index: int, call: Callable[[], Any]) -> None:
        try:
            found[index] = await call()
        except OrderEngineError as error:
            found[index] = type(error)

    async with anyio.create_task_group() as group:
        for index, call in enumerate(calls):
            group.start_soon(one, index, call)
    return found
