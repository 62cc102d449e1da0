"""Events, locks, semaphores and capacity limiters, all first come, first served."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable
from types import TracebackType
from typing import Self

import anyio
from anyio import WouldBlock
from anyio._core._synchronization import (
    CapacityLimiterStatistics,
    EventStatistics,
    LockStatistics,
    SemaphoreStatistics,
)

from orderengine.virtualtime.info import info_of
from orderengine.virtualtime.kernel import (
    checkpoint,
    current_kernel,
    current_task,
    give_way,
    park,
    wake_all,
)
from orderengine.virtualtime.tasks import Task

__all__ = [
    "CapacityLimiter",
    "Event",
    "Lock",
    "Semaphore",
    "raise_if_cancelled",
    "wait_in",
]


def raise_if_cancelled() -> None:
    """Raise ``Cancelled`` if a scope around the current task is cancelled."""
    kernel = current_kernel()
    task = kernel.current
    if kernel.cancelled_scopes and task is not None and kernel.is_to_end(task):
        raise kernel.cancellation(task)


def wait_in(waiters: dict[Task, None]) -> Awaitable[None]:
    """Wait until woken out of those who wait for the same.

    Raises:
        Cancelled: a scope around the task is cancelled, before or meanwhile.
    """
    kernel, task = current_kernel(), current_task()
    waiters[task] = None
    task.waiters = waiters
    return park(kernel, task)


class _Queue(OrderedDict[Task, None]):
    """Hold those who wait to be woken one by one; leaving it takes the same time anywhere in it."""

    def wake_first(self) -> Task:
        """Wake whoever has waited longest."""
        task, _ = self.popitem(last=False)
        current_kernel().wake(task)
        return task


class Event(anyio.Event):
    """Implement anyio's event."""

    __slots__ = ("_is_set", "_waiters")

    def __new__(cls) -> Self:
        """Make one of our own; anyio's method would ask the backend for it."""
        return object.__new__(cls)

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: dict[Task, None] | None = None

    def set(self) -> None:
        """Set the flag and wake all who wait."""
        self._is_set = True
        if self._waiters:
            wake_all(current_kernel(), self._waiters)

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._is_set

    async def wait(self) -> None:
        """Wait until the flag is set."""
        if self._is_set:
            await checkpoint(current_kernel(), current_task())
            return
        if self._waiters is None:
            self._waiters = {}
        await wait_in(self._waiters)

    def statistics(self) -> EventStatistics:
        """Return how many tasks wait."""
        return EventStatistics(len(self._waiters or ()))


class Lock(anyio.Lock):
    """Implement anyio's lock."""

    __slots__ = ("_fast_acquire", "_owner", "_waiters")

    def __new__(cls, **_: object) -> Self:
        """Make one of our own; anyio's method would ask the backend for it."""
        return object.__new__(cls)

    def __init__(self, *, fast_acquire: bool = False) -> None:
        self._fast_acquire = fast_acquire
        self._owner: Task | None = None
        self._waiters = _Queue()

    async def acquire(self) -> None:
        """Take the lock, waiting for it."""
        task = current_task()
        if self._owner is None:
            raise_if_cancelled()
            self._owner = task
            if not self._fast_acquire:
                await give_way(current_kernel(), task)
            return
        if self._owner is task:
            raise RuntimeError("Attempted to acquire an already held Lock")
        await wait_in(self._waiters)

    def acquire_nowait(self) -> None:
        """Take the lock or raise ``WouldBlock``."""
        task = current_task()
        if self._owner is task:
            raise RuntimeError("Attempted to acquire an already held Lock")
        if self._owner is not None:
            raise WouldBlock
        self._owner = task

    def release(self) -> None:
        """Hand the lock to whoever has waited longest."""
        if self._owner is not current_task():
            raise RuntimeError("The current task is not holding this lock")
        self._owner = self._waiters.wake_first() if self._waiters else None

    def locked(self) -> bool:
        """Return whether somebody holds the lock."""
        return self._owner is not None

    def statistics(self) -> LockStatistics:
        """Return who holds the lock and how many wait."""
        owner = None if self._owner is None else info_of(self._owner)
        return LockStatistics(self.locked(), owner, len(self._waiters))


class Semaphore(anyio.Semaphore):
    """Implement anyio's semaphore."""

    __slots__ = ("_max_value", "_value", "_waiters")

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make one of our own; anyio's method would ask the backend for it."""
        return object.__new__(cls)

    def __init__(
        self, initial_value: int, *, max_value: int | None = None, fast_acquire: bool = False
    ) -> None:
        super().__init__(initial_value, max_value=max_value)
        self._value = initial_value
        self._max_value = max_value
        self._fast_acquire = fast_acquire
        self._waiters = _Queue()

    async def acquire(self) -> None:
        """Take one, waiting for it."""
        if self._value > 0 and not self._waiters:
            raise_if_cancelled()
            self._value -= 1
            if not self._fast_acquire:
                await give_way(current_kernel(), current_task())
            return
        await wait_in(self._waiters)

    def acquire_nowait(self) -> None:
        """Take one or raise ``WouldBlock``."""
        if self._value == 0:
            raise WouldBlock
        self._value -= 1

    def release(self) -> None:
        """Give one back, to whoever has waited longest."""
        if self._max_value is not None and self._value == self._max_value:
            raise ValueError("semaphore released too many times")
        if self._waiters:
            self._waiters.wake_first()
        else:
            self._value += 1

    @property
    def value(self) -> int:
        """How many can be taken now."""
        return self._value

    @property
    def max_value(self) -> int | None:
        """How many there are at most."""
        return self._max_value

    def statistics(self) -> SemaphoreStatistics:
        """Return how many tasks wait."""
        return SemaphoreStatistics(len(self._waiters))


class CapacityLimiter(anyio.CapacityLimiter):
    """Implement anyio's capacity limiter."""

    __slots__ = ("_borrowers", "_queue", "_total_tokens")

    def __new__(cls, *_: object) -> Self:
        """Make one of our own; anyio's method would ask the backend for it."""
        return object.__new__(cls)

    def __init__(self, total_tokens: float) -> None:
        self._borrowers: dict[object, None] = {}
        self._queue: OrderedDict[object, Event] = OrderedDict()
        self._total_tokens: float = 0
        self.total_tokens = total_tokens

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def total_tokens(self) -> float:
        """How many tokens there are; may be changed while some are lent."""
        return self._total_tokens

    @total_tokens.setter
    def total_tokens(self, value: float) -> None:
        if not isinstance(value, int) and not math.isinf(value):
            raise TypeError("total_tokens must be an int or math.inf")
        if value < 0:
            raise ValueError("total_tokens must be >= 0")
        self._total_tokens = value
        self._lend()

    def _lend(self) -> None:
        while self._queue and len(self._borrowers) < self._total_tokens:
            borrower, event = self._queue.popitem(last=False)
            self._borrowers[borrower] = None
            event.set()

    @property
    def borrowed_tokens(self) -> int:
        """How many tokens are lent."""
        return len(self._borrowers)

    @property
    def available_tokens(self) -> float:
        """How many tokens are free."""
        return self._total_tokens - len(self._borrowers)

    def acquire_nowait(self) -> None:
        """Borrow a token or raise ``WouldBlock``."""
        self.acquire_on_behalf_of_nowait(current_task())

    def acquire_on_behalf_of_nowait(self, borrower: object) -> None:
        """Borrow a token for somebody or raise ``WouldBlock``."""
        if borrower in self._borrowers:
            raise RuntimeError(
                "this borrower is already holding one of this CapacityLimiter's tokens"
            )
        if self._queue or len(self._borrowers) >= self._total_tokens:
            raise WouldBlock
        self._borrowers[borrower] = None

    async def acquire(self) -> None:
        """Borrow a token, waiting for one."""
        await self.acquire_on_behalf_of(current_task())

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        """Borrow a token for somebody, waiting for one."""
        raise_if_cancelled()
        try:
            self.acquire_on_behalf_of_nowait(borrower)
        except WouldBlock:
            event = self._queue[borrower] = Event()
            try:
                await event.wait()
            except BaseException:
                self._queue.pop(borrower, None)
                if event.is_set():
                    self._borrowers.pop(borrower, None)
                    self._lend()
                raise
        else:
            await give_way(current_kernel(), current_task())

    def release(self) -> None:
        """Give the current task's token back."""
        self.release_on_behalf_of(current_task())

    def release_on_behalf_of(self, borrower: object) -> None:
        """Give somebody's token back."""
        if borrower not in self._borrowers:
            raise RuntimeError("this borrower isn't holding any of this CapacityLimiter's tokens")
        del self._borrowers[borrower]
        self._lend()

    def statistics(self) -> CapacityLimiterStatistics:
        """Return who holds tokens and how many wait."""
        return CapacityLimiterStatistics(
            self.borrowed_tokens, self.total_tokens, tuple(self._borrowers), len(self._queue)
        )
