"""Close the async generators that a run leaves unfinished."""

from __future__ import annotations

import logging
import weakref
from collections.abc import AsyncGenerator
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from orderengine.virtualtime.errors import Cancelled
from orderengine.virtualtime.tasks import Task

if TYPE_CHECKING:
    from orderengine.virtualtime.kernel import Kernel

__all__ = ["AsyncGenerators"]

_log = logging.getLogger(__name__)


class AsyncGenerators:
    """Hold the async generators that a kernel's tasks have begun."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._begun: weakref.WeakValueDictionary[int, AsyncGenerator[Any, Any]] = (
            weakref.WeakValueDictionary()
        )

    def note(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Remember one that begins."""
        self._begun[id(generator)] = generator

    def finalise(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Close one that nobody refers to any more, in a task of its own."""
        self._begun.pop(id(generator), None)
        if self._kernel.is_in_charge:
            self._kernel.spawn(Task(_close(generator), "close async generator", copy_context()))

    async def close(self) -> None:
        """Close those that were left unfinished."""
        while self._begun:
            _, generator = self._begun.popitem()
            await _close(generator)


async def _close(generator: AsyncGenerator[Any, Any]) -> None:
    with suppress(Cancelled):  # the run is over: the generator cannot wait any more
        try:
            await generator.aclose()
        except Exception:  # noqa: BLE001  (logged; nobody awaits a generator's end)
            _log.exception("ignored: %r raised while it was closed", generator)
