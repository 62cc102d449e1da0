"""Run anyio code in virtual time: waiting costs nothing. Knows nothing of orders.

``run`` runs an async function on a clock that jumps to the next timer as soon as no task can go on.
The code inside uses plain anyio and need not know. Time starts at 0 and is an integer of
nanoseconds inside; the same code takes the same steps on every machine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from orderengine.virtualtime.backend import register, run_in
from orderengine.virtualtime.errors import Cancelled, Deadlock, NoVirtualTime
from orderengine.virtualtime.kernel import NAME, Kernel, VirtualClock, current_kernel

__all__ = [
    "NAME",
    "Cancelled",
    "Deadlock",
    "NoVirtualTime",
    "VirtualClock",
    "now_ns",
    "register",
    "run",
]

T = TypeVar("T")


def now_ns() -> int:
    """Return the virtual time, nanoseconds from the start; only inside ``run``."""
    return current_kernel().now_ns


def run(function: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run ``await function(*args)`` in virtual time and return its result.

    Works where an event loop runs already, as in a notebook cell: that loop stands still meanwhile.

    Raises:
        Deadlock: every task waits for another one and no timer is set.
        NoVirtualTime: something waited on a thread, a socket, a process or a signal.
    """
    return run_in(Kernel(), function, args)
