"""Run an engine step by step: in virtual time that stands still between steps, or in real time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

from anyio.from_thread import start_blocking_portal

from orderengine.virtualtime import register
from orderengine.virtualtime.kernel import Kernel
from orderengine.virtualtime.tasks import MainTask

__all__ = ["RealWorld", "VirtualWorld", "World"]

T = TypeVar("T")


class World(Protocol):
    """Run coroutines for a caller that is none."""

    unit_ns: int
    """What all waits are counted in."""
    is_exact: bool
    """Whether nothing goes on between two calls."""

    def start(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let a function run beside everything else."""

    def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Run a function, and all the rest meanwhile; return its result."""

    def close(self) -> None:
        """End everything."""


class VirtualWorld:
    """Drive a kernel of virtual time from call to call."""

    unit_ns = 1_000_000_000
    is_exact = True

    def __init__(self) -> None:
        register()
        self._kernel = Kernel()

    def start(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let a function run; it begins with the next call."""
        self._kernel.spawn(MainTask(function(), "beside", copy_context()))

    def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Run a function; the clock stands still after it."""

        async def main() -> T:
            return await function(*arguments)

        task = MainTask(main(), "call", copy_context())
        self._kernel.spawn(task)
        self._kernel.drive(task.outcome)
        value, error = task.outcome.pop()
        if error is not None:
            raise error
        result: T = value
        return result

    def close(self) -> None:
        """End every task that is left."""
        self._kernel.unwind()


class RealWorld:
    """Run asyncio in a thread of its own; it goes on between calls."""

    unit_ns = 50_000_000
    is_exact = False

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(start_blocking_portal("asyncio"))

    def start(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let a function run."""
        self._portal.start_task_soon(function)

    def call(self, function: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Run a function."""
        return self._portal.call(function, *arguments)

    def close(self) -> None:
        """Wait for what was started to end; end the thread."""
        self._stack.close()
