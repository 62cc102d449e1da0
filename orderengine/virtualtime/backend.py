"""Give anyio a backend whose clock jumps.

``register`` is the one place that touches anyio's inside: its table of loaded backends. Everything
else is the public ``anyio.abc.AsyncBackend``. What has no virtual time is refused: see
``refusals.py``.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Any, TypeVar

import anyio
import anyio.abc
from anyio._core import _eventloop
from anyio.abc._tasks import get_callable_name
from anyio.lowlevel import RunVar

from orderengine.virtualtime.errors import Cancelled
from orderengine.virtualtime.groups import TaskGroup
from orderengine.virtualtime.info import info_of
from orderengine.virtualtime.kernel import (
    NAME,
    Kernel,
    checkpoint,
    current_kernel,
    current_task,
    current_time,
    give_way,
    sleep,
)
from orderengine.virtualtime.refusals import RealWorldRefused
from orderengine.virtualtime.scopes import CancelScope
from orderengine.virtualtime.sync import (
    CapacityLimiter,
    Event,
    Lock,
    Semaphore,
    raise_if_cancelled,
    wait_in,
)
from orderengine.virtualtime.tasks import MainTask

__all__ = ["VirtualTimeBackend", "register", "run_in"]

T = TypeVar("T")

_thread_limiter: RunVar[CapacityLimiter] = RunVar("virtualtime_thread_limiter")
"""Nothing runs in threads here; code that asks for their number gets anyio's usual one."""


def register() -> None:
    """Make anyio know the backend by its name; may be called any number of times."""
    # mypy does not see that the methods it misses are set by RealWorldRefused.
    _eventloop.loaded_backends[NAME] = VirtualTimeBackend  # type: ignore[type-abstract]


def run_in(kernel: Kernel, function: Callable[..., Awaitable[T]], args: tuple[object, ...]) -> T:
    """Run ``await function(*args)`` in a kernel; works inside a running asyncio task too."""
    register()

    async def main() -> T:
        try:
            return await function(*args)
        finally:
            with CancelScope(shield=True):
                await kernel.asyncgens.close()

    result: T = kernel.run(MainTask(main(), get_callable_name(function), copy_context()))
    return result


class VirtualTimeBackend(RealWorldRefused):
    """Implement anyio's backend; see there."""

    @classmethod
    def run(
        cls,
        func: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> T:
        """Run a function in a new kernel whose time begins at 0."""
        if options:
            raise ValueError(f"the backend {NAME} has no options, was given {', '.join(options)}")
        return run_in(Kernel(), func, args)

    @classmethod
    def current_token(cls) -> object:
        return current_kernel()

    current_time = staticmethod(current_time)
    # Awaited at once, so it need not be a coroutine.
    sleep = staticmethod(sleep)  # type: ignore[assignment]

    @classmethod
    def cancelled_exception_class(cls) -> type[BaseException]:
        return Cancelled

    @classmethod
    async def checkpoint(cls) -> None:
        await checkpoint(current_kernel(), current_task())

    @classmethod
    async def checkpoint_if_cancelled(cls) -> None:
        raise_if_cancelled()

    @classmethod
    async def cancel_shielded_checkpoint(cls) -> None:
        await give_way(current_kernel(), current_task())

    @classmethod
    def create_cancel_scope(
        cls, *, deadline: float = math.inf, shield: bool = False
    ) -> CancelScope:
        return CancelScope(deadline=deadline, shield=shield)

    @classmethod
    def current_effective_deadline(cls) -> float:
        deadline, scope = math.inf, current_task().scope
        while scope is not None:
            if scope.cancel_called:
                return -math.inf
            deadline = min(deadline, scope.deadline)
            if scope.shield:
                break
            scope = scope.parent
        return deadline

    @classmethod
    def create_task_group(cls) -> TaskGroup:
        return TaskGroup()

    @classmethod
    def create_event(cls) -> Event:
        return Event()

    @classmethod
    def create_lock(cls, *, fast_acquire: bool) -> Lock:
        return Lock(fast_acquire=fast_acquire)

    @classmethod
    def create_semaphore(
        cls, initial_value: int, *, max_value: int | None = None, fast_acquire: bool = False
    ) -> Semaphore:
        return Semaphore(initial_value, max_value=max_value, fast_acquire=fast_acquire)

    @classmethod
    def create_capacity_limiter(cls, total_tokens: float) -> CapacityLimiter:
        return CapacityLimiter(total_tokens)

    @classmethod
    def get_current_task(cls) -> anyio.TaskInfo:
        return info_of(current_task())

    @classmethod
    def get_running_tasks(cls) -> Sequence[anyio.TaskInfo]:
        return [info_of(task) for task in current_kernel().tasks]

    @classmethod
    async def wait_all_tasks_blocked(cls) -> None:
        await wait_in(current_kernel().idle_waiters)

    @classmethod
    def current_default_thread_limiter(cls) -> CapacityLimiter:
        try:
            return _thread_limiter.get()
        except LookupError:
            limiter = CapacityLimiter(40)
            _thread_limiter.set(limiter)
            return limiter

    @classmethod
    def create_test_runner(cls, options: dict[str, Any]) -> anyio.abc.TestRunner:
        from orderengine.virtualtime.testing import TestRunner  # noqa: PLC0415  (needs pytest)

        return TestRunner(options)
