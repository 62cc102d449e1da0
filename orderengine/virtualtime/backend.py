"""Give anyio a backend whose clock jumps.

``register`` is the one place that touches anyio's inside: its table of loaded backends. Everything
else is the public ``anyio.abc.AsyncBackend``. What has no virtual time (threads, sockets, files,
processes, signals) raises ``NoVirtualTime``, which says what to do instead.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Any, NoReturn, TypeVar

import anyio
import anyio.abc
import sniffio
from anyio._core import _eventloop
from anyio.abc._tasks import get_callable_name
from anyio.lowlevel import RunVar

from orderengine.virtualtime.groups import TaskGroup
from orderengine.virtualtime.info import info_of
from orderengine.virtualtime.kernel import (
    Cancelled,
    Kernel,
    current_kernel,
    current_task,
    give_way,
    park,
    sleep_ns,
    to_ns,
)
from orderengine.virtualtime.scopes import CancelScope
from orderengine.virtualtime.sync import (
    CapacityLimiter,
    Event,
    Lock,
    Semaphore,
    checkpoint,
    raise_if_cancelled,
)

__all__ = ["NAME", "NoVirtualTime", "VirtualTimeBackend", "register", "run_in"]

NAME = "virtualtime"

T = TypeVar("T")

_thread_limiter: RunVar[CapacityLimiter] = RunVar("virtualtime_thread_limiter")
"""Nothing runs in threads here; code that asks for their number gets anyio's usual one."""


class NoVirtualTime(RuntimeError):
    """Say that something waits on the real world, which a jumping clock cannot wait for."""


def _no(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise NoVirtualTime(f"{what} has no virtual time: {instead}")

    return refuse


def _no_async(what: str, instead: str) -> Callable[..., Awaitable[NoReturn]]:
    async def refuse(*_: object, **__: object) -> NoReturn:
        raise NoVirtualTime(f"{what} has no virtual time: {instead}")

    return refuse


_THREADS = "call the function directly, or run this code on asyncio"
_SOCKETS = "put an in-memory stream in its place, or run this code on asyncio"
_PROCESSES = "run it before or after the simulation, or run this code on asyncio"


def register() -> None:
    """Make anyio know the backend by its name; may be called any number of times."""
    _eventloop.loaded_backends[NAME] = VirtualTimeBackend


def run_in(kernel: Kernel, function: Callable[..., Awaitable[T]], args: tuple[object, ...]) -> T:
    """Run ``await function(*args)`` in a kernel; works inside a running asyncio task too."""
    register()

    async def main() -> T:
        try:
            return await function(*args)
        finally:
            with CancelScope(shield=True):
                await kernel.close_asyncgens()

    before, sniffio.thread_local.name = sniffio.thread_local.name, NAME
    try:
        task = kernel.spawn(main(), get_callable_name(function), None, copy_context())
        result: T = kernel.run(task)
        return result
    finally:
        sniffio.thread_local.name = before


class VirtualTimeBackend(anyio.abc.AsyncBackend):
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

    @classmethod
    def current_time(cls) -> float:
        return current_kernel().now_ns / 1e9

    @classmethod
    def cancelled_exception_class(cls) -> type[BaseException]:
        return Cancelled

    @classmethod
    async def checkpoint(cls) -> None:
        await checkpoint()

    @classmethod
    async def checkpoint_if_cancelled(cls) -> None:
        raise_if_cancelled()

    @classmethod
    async def cancel_shielded_checkpoint(cls) -> None:
        await give_way(current_kernel(), current_task())

    @classmethod
    async def sleep(cls, delay: float) -> None:
        if delay == math.inf:
            await sleep_ns(None)
            return
        wait_ns = to_ns(delay)
        if wait_ns > 0:
            await sleep_ns(wait_ns)
        else:
            await checkpoint()

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
        kernel, task = current_kernel(), current_task()
        kernel.idle_waiters.append(task)
        await park(kernel, task)

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

    run_sync_in_worker_thread = _no_async("a worker thread", _THREADS)
    check_cancelled = _no("a worker thread", _THREADS)
    run_async_from_thread = _no("a call from a thread", _THREADS)
    run_sync_from_thread = _no("a call from a thread", _THREADS)
    run_sync_soon = _no("a call from a thread", _THREADS)
    open_process = _no_async("a process", _PROCESSES)
    setup_process_pool_exit_at_shutdown = _no("a process", _PROCESSES)
    connect_tcp = _no_async("a socket", _SOCKETS)
    connect_unix = _no_async("a socket", _SOCKETS)
    create_tcp_listener = _no("a socket", _SOCKETS)
    create_unix_listener = _no("a socket", _SOCKETS)
    create_udp_socket = _no_async("a socket", _SOCKETS)
    create_unix_datagram_socket = _no_async("a socket", _SOCKETS)
    getaddrinfo = _no_async("a name lookup", _SOCKETS)
    getnameinfo = _no_async("a name lookup", _SOCKETS)
    wait_readable = _no_async("a file descriptor", _SOCKETS)
    wait_writable = _no_async("a file descriptor", _SOCKETS)
    notify_closing = _no("a file descriptor", _SOCKETS)
    wrap_listener_socket = _no_async("a socket", _SOCKETS)
    wrap_stream_socket = _no_async("a socket", _SOCKETS)
    wrap_unix_stream_socket = _no_async("a socket", _SOCKETS)
    wrap_udp_socket = _no_async("a socket", _SOCKETS)
    wrap_connected_udp_socket = _no_async("a socket", _SOCKETS)
    wrap_unix_datagram_socket = _no_async("a socket", _SOCKETS)
    wrap_connected_unix_datagram_socket = _no_async("a socket", _SOCKETS)
    open_signal_receiver = _no("a signal", "send the event yourself, or run this code on asyncio")
