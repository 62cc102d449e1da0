"""Run an async function on an asyncio loop whose clock jumps to the next timer.

Nothing waits for real: when no task can run, the clock moves to the earliest timer. The time is an
integer of nanoseconds from 0, up to 2^52 (52 days). Sockets, threads and subprocesses have no
virtual time and must not be used inside. This is the simplest clock that is right; callers see only
``run`` and ``now_ns``, so a faster one can take its place.

Where it misleads: asyncio visits tasks to cancel in the order of a hash set, and its timer heap
keeps no order among equal times. Code that must repeat exactly must not depend on either.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["Deadlock", "now_ns", "run"]

T = TypeVar("T")

_NOW_NS_MAX = 2**52
"""asyncio keeps time as a float of seconds: up to here its steps are below a nanosecond."""


class Deadlock(RuntimeError):
    """Say that every task waits for another one and no timer is set."""


class _JumpSelector(selectors.BaseSelector):
    """Stand where asyncio would wait for input, and move the clock instead."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._keys: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("every task waits for another one and no timer is set")
        if timeout > 0:
            self.now_ns += max(round(timeout * 1e9), 1)
            if self.now_ns > _NOW_NS_MAX:
                raise OverflowError("virtual time is exact to the nanosecond for 52 days only")
        return []

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._keys


class _JumpLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _JumpSelector()
        super().__init__(self._jump)
        # asyncio runs a timer when it is due within this many seconds. Half a nanosecond bridges
        # what a float loses; asyncio's own choice, a whole one, lets a timer run 1 ns early.
        self._clock_resolution = 0.5e-9

    def time(self) -> float:
        return self._jump.now_ns / 1e9


def now_ns() -> int:
    """Return the virtual time of the running function, nanoseconds from its start."""
    return round(anyio.current_time() * 1e9)


def run(function: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run ``await function(*args)`` in virtual time and return its result.

    Works where an event loop runs already, as in a notebook cell: the virtual loop then has a
    thread of its own for the call.

    Raises:
        Deadlock: every task waits and no timer is set.
        OverflowError: somebody waited past 52 days of virtual time.
    """

    def run_here() -> T:
        return anyio.run(
            function, *args, backend="asyncio", backend_options={"loop_factory": _JumpLoop}
        )

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_here()
    with ThreadPoolExecutor(1, "virtualtime") as executor:
        return executor.submit(run_here).result()
